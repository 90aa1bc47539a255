"""What several tests share: convolutions to try, and gradients by numerical differences."""

import numpy as np
from hypothesis import strategies as st


def numbers(draw, *shape, dtype="float64"):
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if np.dtype(dtype).kind in "iu":
        return generator.integers(0, 10, shape).astype(dtype)
    return generator.normal(size=shape).astype(dtype)


@st.composite
def problems(draw, dtypes=("float16", "float32", "float64", "int64", "uint8"), smallest_batch=0):
    """Arguments for ``ops.conv``: inputs, kernel, strides, padding, data format, dilation."""
    axes = draw(st.sampled_from([1, 2]))
    groups, group_channels, per_group = (draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    strides, dilation = [1] * axes, [1] * axes
    widened = draw(st.sampled_from([strides, dilation]))  # conv refuses the two together
    widened[:] = [draw(st.integers(1, 3)) for _ in range(axes)]
    kernel_size = [draw(st.integers(1, 3)) for _ in range(axes)]
    pairs = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(axes)]
    padding = draw(st.sampled_from(["valid", "same", pairs]))
    sizes = []
    for axis in range(axes):
        added = sum(pairs[axis]) if padding is pairs else 0
        extent = 1 if padding == "same" else dilation[axis] * (kernel_size[axis] - 1) + 1
        sizes.append(draw(st.integers(max(1, extent - added), 8)))
    batch, channels = draw(st.integers(smallest_batch, 2)), groups * group_channels
    data_format = draw(st.sampled_from(["channels_last", "channels_first"]))
    shape = (batch, *sizes, channels) if data_format == "channels_last" else (batch, channels, *sizes)
    inputs = numbers(draw, *shape, dtype=draw(st.sampled_from(dtypes)))
    kernel = numbers(draw, *kernel_size, group_channels, groups * per_group, dtype=draw(st.sampled_from(dtypes)))
    return inputs, kernel, strides, padding, data_format, dilation


def numerical_gradient(function, array, width=1e-4):
    """Central differences of a scalar function, one entry at a time, with an error of the fourth order."""
    result = np.zeros_like(array)
    for place in np.ndindex(*array.shape):
        kept = array[place]
        values = []
        for step in (2, 1, -1, -2):
            array[place] = kept + step * width
            values.append(function())
        array[place] = kept
        result[place] = (8 * (values[1] - values[2]) - (values[0] - values[3])) / (12 * width)
    return result
