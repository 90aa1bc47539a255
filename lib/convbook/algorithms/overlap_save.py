"""The FFT in blocks: overlap-save.

The transform of a whole image takes memory for its whole spectrum, and for one of the kernel that is as large. A
square of the output needs only the pixels that its windows read: their circle has the kernel's extent more than the
square, and just those outputs come out wrong that wrap around, which belong to the next square. So neighbouring squares
read overlapping pixels, and the outputs that are right are saved.

A square twice as large as the kernel wastes little on the overlap, and all squares share the kernel's spectrum.

Source: Oppenheim and Schafer, "Discrete-Time Signal Processing", section 8.7; document 003, "Is the Fourier Transform
useful".
"""

from __future__ import annotations

import numpy as np

from convbook.algorithms._arrays import Array
from convbook.algorithms._blocks import NO_PADDING, Block, Pair, Sizes, by_filters, in_blocks, region, windows_within
from convbook.algorithms._threads import Workspace
from convbook.algorithms.fft import Spectrum, circular, kernel_spectrum

# Numbers in the spectrum of the kernel that is there at a time, and in those of a block.
_KERNEL_NUMBERS, _NUMBERS = 3_000_000, 400_000


def _reach(outputs: int, extent: int) -> int:
    """Pixels of a circle for so many outputs: a multiple of 8, which transforms fast."""
    return -(-(outputs + extent - 1) // 8) * 8


def conv2d(inputs: Array, kernel: Array, strides: Pair, dilation_rate: Pair,
           padding: tuple[Pair, Pair] = NO_PADDING, outputs: Array | None = None) -> Array:  # fmt: skip
    """Cross-correlation by FFT in blocks; arguments and result as in :mod:`convbook.algorithms`.

    Strides are taken at the end, so they save nothing.
    """
    sizes = Sizes(inputs.shape, kernel.shape, strides, dilation_rate, padding)
    result = np.empty(sizes.output, inputs.dtype) if outputs is None else outputs
    down, across = (
        min(size, -(-2 * extent // stride))
        for size, extent, stride in zip(sizes.output[1:3], sizes.extents, strides, strict=True)
    )

    def convolve(kernel: Array, outputs: Array) -> None:
        spectra: dict[Pair, Spectrum] = {}

        def compute(block: Block, outputs: Array, workspace: Workspace) -> None:
            reach = [
                _reach((stop - start - 1) * stride + 1, extent)
                for (start, stop), stride, extent in zip(block[1:], strides, sizes.extents, strict=True)
            ]
            size = (reach[0], reach[1])
            if size not in spectra:
                spectra[size] = kernel_spectrum(kernel, dilation_rate, size, sizes.groups)
            full = circular(region(inputs, block, sizes, workspace, size), spectra[size])
            bottom, right = (outputs.shape[1] - 1) * strides[0] + 1, (outputs.shape[2] - 1) * strides[1] + 1
            outputs[...] = full[:, : bottom : strides[0], : right : strides[1]]

        of_kernel = sizes._replace(kernel=kernel.shape)
        area = (down * strides[0] + sizes.extents[0]) * (across * strides[1] + sizes.extents[1])
        images = windows_within(_NUMBERS, area * (inputs.shape[3] + kernel.shape[3]))
        in_blocks(inputs, kernel, of_kernel, compute, images * down * across, (down, across), outputs, spreads=True)

    height, width = (_reach(n * stride, extent) for n, stride, extent in
                     zip((down, across), strides, sizes.extents, strict=True))  # fmt: skip
    each = height * (width // 2 + 1) * kernel.shape[2] * 2
    return by_filters(convolve, kernel, sizes, _KERNEL_NUMBERS // each, result)
