"""Layers that compute and learn: constructed, named and weighted as in Keras.

A layer is built for an input shape (without that, by its first input), computes with ``forward`` and hands a
gradient back with ``backward``, which also leaves the gradients of its own weights in ``layer.gradients``, in the
order of ``layer.weights``. Weights have Keras's shapes and order, so ``get_weights`` and ``set_weights`` pass them
between a layer here and its namesake there. Images are ``(B, H, W, C)``; shapes begin with the batch, ``None``
where it is open.
"""

from __future__ import annotations

import copy
import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from convbook import algorithms, ops
from convbook.algorithms import pooled, pooling
from convbook.algorithms._arrays import Array, pad
from convbook.ops import PaddingLike, _padding_pairs, _per_axis, _real_array
from convbook.shapes import _integer, conv_multiplications, dense_multiplications, output_size

__all__ = [
    "Activation",
    "AveragePooling2D",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "Input",
    "Layer",
    "MaxPooling2D",
]

Shape = tuple[int | None, ...]
# As text, because naming the generator here would import numpy.random with the library.
Initializer: TypeAlias = "str | Callable[[tuple[int, ...], np.random.Generator], ArrayLike]"

# --- what the layers share ------------------------------------------------------------------------------------


def _uniform(scale: float, use_output: bool) -> Callable[[tuple[int, ...], np.random.Generator], Array]:
    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        places = math.prod(shape[:-2])
        fan = (places * (shape[-2] + shape[-1])) / 2 if use_output else places * shape[-2]
        limit = math.sqrt(3 * scale / fan)
        return rng.uniform(-limit, limit, shape)

    return draw


# Uniform between -a and a, with a**2 = 3 * scale / fan, as Keras has them: Glorot and Bengio (2010), equation 16,
# and He et al. (2015), equation 10.
_INITIALIZERS: dict[str, Callable[[tuple[int, ...], np.random.Generator], ArrayLike]] = {
    "zeros": lambda shape, rng: np.zeros(shape),
    "ones": lambda shape, rng: np.ones(shape),
    "glorot_uniform": _uniform(1.0, True),
    "he_uniform": _uniform(2.0, False),
    "lecun_uniform": _uniform(1.0, False),
}


def _check_initializer(value: Initializer, name: str) -> Initializer:
    if not callable(value) and value not in _INITIALIZERS:
        raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(map(repr, _INITIALIZERS))} or a function")
    return value


def _softmax(inputs: Array) -> Array:
    # Without the largest score taken away first, exp would overflow from 89 on in float32.
    powers = np.exp(inputs - inputs.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


# Each activation, and the gradient of its input from that of its output and the output itself.
_ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "linear": (lambda x: x, lambda gradient, y: gradient),
    "relu": (lambda x: np.maximum(x, 0), lambda gradient, y: gradient * (y > 0)),
    "tanh": (np.tanh, lambda gradient, y: gradient * (1 - y * y)),
    # By way of tanh, which does not overflow where exp(-x) would.
    "sigmoid": (lambda x: (1 + np.tanh(x / 2)) / 2, lambda gradient, y: gradient * y * (1 - y)),
    "softmax": (_softmax, lambda gradient, y: y * (gradient - (gradient * y).sum(axis=-1, keepdims=True))),
}


def _check_activation(value: str | None) -> str:
    name = "linear" if value is None else value
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise ValueError(f"activation: got {value!r}, expected None or one of {', '.join(map(repr, _ACTIVATIONS))}")
    return name


def _check_data_format(value: str | None) -> None:
    if value not in (None, "channels_last"):
        raise ValueError(f'data_format: got {value!r}, expected "channels_last", the only one that layers compute in')


def _image(input_shape: Shape) -> tuple[int | None, int, int, int]:
    """``input_shape`` as that of a batch of images."""
    if len(input_shape) != 4:
        raise ValueError(f"input_shape: got {input_shape} of rank {len(input_shape)}, expected images, (B, H, W, C)")
    batch, *rest = input_shape
    height, width, channels = (_integer(size, "input_shape", 1, input_shape) for size in rest)
    return batch, height, width, channels


def _with_bias(outputs: Array, bias: Array) -> Array:
    """``outputs + bias``, a whole row at a time: adding a few numbers at a time would take five times as long."""
    rows = outputs.reshape(-1, math.prod(outputs.shape[2:]))
    return np.asarray((rows + np.tile(bias, outputs.shape[2])).reshape(outputs.shape))


def _bias_gradient(gradient: Array) -> Array:
    """The sum over images and places, the longer rows first."""
    return np.asarray(gradient.sum(axis=1).sum(axis=(0, 1)))


class Input:
    """The shape of one example, as the first entry of a ``Sequential``: ``Input((28, 28, 1))``."""

    def __init__(self, shape: Sequence[int]) -> None:
        if not isinstance(shape, Sequence) or isinstance(shape, str):
            raise TypeError(f"shape: got {shape!r}, expected the shape of one example, such as (28, 28, 1)")
        self.shape = tuple(_integer(size, "shape", 1, shape) for size in shape)


class Layer:
    """What every layer has. A subclass defines ``forward`` and ``backward``, and what else differs.

    Args:
        name: its name in a model; by default made from the class, such as ``"conv2d_1"``.
        dtype: of its weights and outputs, ``"float32"`` by default.
    """

    weight_names: ClassVar[tuple[str, ...]] = ()
    # The constructor's arguments, each kept in an attribute of the same name, for saving.
    config: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name: got {name!r}, expected a string")
        self.name = name or self.default_name()
        self.given_name = name
        self.dtype = np.dtype(dtype or "float32")
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f'dtype: got {dtype!r}, expected "float32" or "float64"')
        self.input_shape: Shape | None = None
        self.gradients: list[Array] = []
        self._seen: Any = None

    def default_name(self) -> str:
        """The class's name as Keras writes it: ``"max_pooling2d"``."""
        return re.sub("(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    def build(self, input_shape: Shape, rng: np.random.Generator | None = None) -> None:
        """Make the weights for inputs of ``input_shape``, the batch first, drawn from ``rng``.

        Raises:
            ValueError: the layer cannot take such inputs, or is built for others already.
        """
        shape = (None, *input_shape[1:])
        if self.input_shape is not None:
            if self.input_shape != shape:
                raise ValueError(f"input_shape: got {shape}, but {self.name} is built for {self.input_shape}")
            return
        self.compute_output_shape(shape)
        self.make_weights(shape, rng or np.random.default_rng())
        self.input_shape = shape

    def make_weights(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Set the attributes that ``weight_names`` lists; by default there are none."""

    def draw(self, initializer: Initializer, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Initial values of a weight, in the layer's dtype."""
        function = initializer if callable(initializer) else _INITIALIZERS[initializer]
        values = np.array(function(shape, rng), self.dtype)
        if values.shape != shape:
            raise ValueError(f"initializer: gave shape {values.shape}, expected {shape}")
        return values

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the output for inputs of ``input_shape``; by default the same.

        Raises:
            ValueError: the layer cannot take such inputs.
        """
        return input_shape

    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        """The layer's output; what ``backward`` needs of it is kept until the next call."""
        raise NotImplementedError

    def backward(self, gradient: Array) -> Array:
        """The gradient with respect to the inputs of the last ``forward``; sets ``self.gradients``."""
        raise NotImplementedError

    def backward_weights(self, gradient: Array) -> None:
        """``backward`` without its result, for a first layer: nobody asks for the gradient of the data."""
        self.backward(gradient)

    def __call__(self, inputs: ArrayLike, training: bool = False) -> Array:
        """The same as ``forward``."""
        return self.forward(inputs, training)

    def take(self, inputs: ArrayLike) -> Array:
        """``inputs`` as an array of the layer's dtype, checked against the shape it is built for."""
        array = _real_array(inputs, "inputs").astype(self.dtype, copy=False)
        if self.input_shape is None:
            self.build(array.shape)
        elif array.shape[1:] != self.input_shape[1:]:
            raise ValueError(f"inputs: got shape {array.shape}, but {self.name} is built for {self.input_shape}")
        return array

    @property
    def seen(self) -> Any:
        """What the last ``forward`` kept."""
        if self._seen is None:
            raise RuntimeError(f"{self.name}: backward needs a forward before it")
        return self._seen

    def arriving(self, gradient: ArrayLike, output_shape: tuple[int, ...]) -> Array:
        """``gradient`` as an array of the layer's dtype, checked against the shape of the last output."""
        array: Array = _real_array(gradient, "gradient").astype(self.dtype, copy=False)
        if array.shape != output_shape:
            raise ValueError(f"gradient: got shape {array.shape}, expected {output_shape}, the output of {self.name}")
        return array

    def _before(self, activation: str, gradient: ArrayLike, outputs: Array) -> Array:
        """The gradient before the ``activation`` that gave ``outputs``, from the one behind it."""
        return _ACTIVATIONS[activation][1](self.arriving(gradient, outputs.shape), outputs)

    @property
    def weights(self) -> list[Array]:
        """The arrays themselves, in Keras's order."""
        return [getattr(self, name) for name in self.weight_names if getattr(self, name, None) is not None]

    def get_weights(self) -> list[Array]:
        """Copies of the weights, in Keras's order."""
        return [weight.copy() for weight in self.weights]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copy ``weights`` in, in Keras's order.

        Raises:
            ValueError: their number or shapes are not those of the layer's, or it is not built.
        """
        new = [_real_array(weight, "weights") for weight in weights]
        found, expected = [array.shape for array in new], [array.shape for array in self.weights]
        if self.input_shape is None:
            raise ValueError(f"{self.name}: has no weights before it is built; call build(input_shape) first")
        if found != expected:
            raise ValueError(f"weights: got shapes {found} for {self.name}, expected {expected}")
        for old, array in zip(self.weights, new, strict=True):
            old[...] = array

    def count_params(self) -> int:
        """The number of weights and biases."""
        return sum(weight.size for weight in self.weights)

    def multiply_adds(self, input_shape: Shape) -> int:
        """Multiplications with a weight, for one example; padded pixels are counted like the others."""
        return 0

    def window(self, input_shape: Shape) -> list[tuple[int, int, int, int]] | None:
        """``(kernel, stride, padding, dilation)`` along each spatial axis; ``None`` if it sees all of its input."""
        return [(1, 1, 0, 1)] * 2

    def get_config(self) -> dict[str, Any]:
        """The arguments that construct the layer anew."""
        return {
            **{key: getattr(self, key) for key in self.config},
            "name": self.given_name,
            "dtype": self.dtype.name,
        }

    def replica(self, seed: int) -> Layer:
        """The layer again with the same weight arrays, but memory and gradients of its own (for another thread)."""
        return copy.copy(self)


# --- convolutions ---------------------------------------------------------------------------------------------


class _Sliding(Layer):
    """What convolutions and poolings share: a window that slides over images."""

    def __init__(self, window: Sequence[int], strides: Sequence[int], padding: PaddingLike, data_format: str | None,
                 dilation_rate: Sequence[int], name: str | None, dtype: str | None) -> None:  # fmt: skip
        super().__init__(name, dtype)
        _check_data_format(data_format)
        self.strides, self.padding = tuple(strides), padding
        self._window, self._step, self._spread = ((pair[0], pair[1]) for pair in (window, strides, dilation_rate))
        self._pairs(1, 1)  # refuses a wrong padding

    def _pairs(self, height: int, width: int) -> ops.Pairs:
        return _padding_pairs(self.padding, (height, width), self._window, self._step, self._spread)

    @functools.cached_property
    def _padding(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The padding of the inputs that the layer is built for."""
        assert self.input_shape is not None
        _, height, width, _ = _image(self.input_shape)
        rows, columns = self._pairs(height, width)
        return rows, columns

    def _sizes(self, input_shape: Shape) -> tuple[int | None, int, int]:
        """Batch, height and width of the output."""
        batch, height, width, _ = _image(input_shape)
        pairs = self._pairs(height, width)
        rows, columns = map(output_size, (height, width), self._window, self._step, pairs, self._spread)
        return batch, rows, columns

    def window(self, input_shape: Shape) -> list[tuple[int, int, int, int]]:
        _, height, width, _ = _image(input_shape)
        before = [pair[0] for pair in self._pairs(height, width)]
        return list(zip(self._window, self._step, before, self._spread, strict=True))


class _Convolution(_Sliding):
    """What Conv2D and DepthwiseConv2D share: windows, bias, activation."""

    weight_names = ("kernel", "bias")
    kernel: Array
    bias: Array | None

    def __init__(self, kernel_size: int | Sequence[int], strides: int | Sequence[int], padding: PaddingLike,
                 data_format: str | None, dilation_rate: int | Sequence[int], activation: str | None, use_bias: bool,
                 bias_initializer: Initializer, name: str | None, dtype: str | None) -> None:  # fmt: skip
        self.kernel_size = _per_axis(kernel_size, "kernel_size", 2)
        self.dilation_rate = _per_axis(dilation_rate, "dilation_rate", 2)
        super().__init__(self.kernel_size, _per_axis(strides, "strides", 2), padding, data_format, self.dilation_rate,
                         name, dtype)  # fmt: skip
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"strides: got {strides!r} with dilation_rate {dilation_rate!r}, expected one of the two to be 1"
            )
        self.activation = _check_activation(activation)
        self.use_bias = bool(use_bias)
        self.bias_initializer = _check_initializer(bias_initializer, "bias_initializer")
        self.bias = None

    def _grouped_kernel(self) -> Array:
        """The kernel as ``ops.conv`` takes it, ``(kh, kw, C / groups, c_out)``."""
        return self.kernel

    # Shapes and arguments are checked when the layer is built and at take(), so what follows goes past the doors of
    # ops and gradients, whose checks would take a third of the time of a training step.
    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        array = self.take(inputs)
        outputs = algorithms.convolve(array, self._grouped_kernel(), self._step, self._spread, self._padding)
        if self.bias is not None:
            outputs = _with_bias(outputs, self.bias)
        outputs = _ACTIVATIONS[self.activation][0](outputs)
        self._seen = array, outputs
        return outputs

    def backward_weights(self, gradient: Array) -> None:
        self._backward(gradient)

    def _backward(self, gradient: Array) -> Array:
        array, outputs = self.seen
        gradient = self._before(self.activation, gradient, outputs)
        shape = self._grouped_kernel().shape
        change = algorithms.kernel_gradient(array, gradient, shape, self._step, self._spread, self._padding)
        self.gradients = [change.reshape(self.kernel.shape)]
        if self.bias is not None:
            self.gradients.append(_bias_gradient(gradient))
        return gradient

    def backward(self, gradient: Array) -> Array:
        gradient, shape = self._backward(gradient), self.seen[0].shape
        kernel = self._grouped_kernel()
        return algorithms.input_gradient(gradient, kernel, shape, self._step, self._spread, self._padding)


class Conv2D(_Convolution):
    """A bank of filters slid over images, ``(B, H, W, C)`` to ``(B, oh, ow, filters)``.

    Args:
        filters, kernel_size, strides, padding, dilation_rate, groups, activation, use_bias: as in Keras; ``padding``
            may also be numbers, as in :func:`convbook.ops.conv`.
        data_format: ``"channels_last"``, the only one.
        kernel_initializer, bias_initializer: ``"glorot_uniform"``, ``"he_uniform"``, ``"lecun_uniform"``,
            ``"zeros"``, ``"ones"``, or a function of a shape and a generator.

    Weights: kernel ``(kh, kw, C / groups, filters)``, bias ``(filters,)``.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or value; strides and dilation both above 1.

    Source: document 004, "Channels"; document 002, "Convolutional Layer".
    """

    config = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "activation", "use_bias",
              "kernel_initializer", "bias_initializer")  # fmt: skip

    def __init__(self, filters: int, kernel_size: int | Sequence[int], strides: int | Sequence[int] = (1, 1),
                 padding: PaddingLike = "valid", data_format: str | None = None,
                 dilation_rate: int | Sequence[int] = (1, 1), groups: int = 1, activation: str | None = None,
                 use_bias: bool = True, kernel_initializer: Initializer = "glorot_uniform",
                 bias_initializer: Initializer = "zeros", *, name: str | None = None,
                 dtype: str | None = None) -> None:  # fmt: skip
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer, name, dtype)  # fmt: skip
        self.filters = _integer(filters, "filters", 1)
        self.groups = _integer(groups, "groups", 1)
        if self.filters % self.groups:
            raise ValueError(f"groups: got {groups}, expected a divisor of filters = {filters}")
        self.kernel_initializer = _check_initializer(kernel_initializer, "kernel_initializer")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = _image(input_shape)[3]
        if channels % self.groups:
            raise ValueError(f"groups: got {self.groups}, expected a divisor of the {channels} input channels")
        return (*self._sizes(input_shape), self.filters)

    def make_weights(self, input_shape: Shape, rng: np.random.Generator) -> None:
        channels = _image(input_shape)[3]
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.draw(self.kernel_initializer, shape, rng)
        self.bias = self.draw(self.bias_initializer, (self.filters,), rng) if self.use_bias else None

    def multiply_adds(self, input_shape: Shape) -> int:
        channels = _image(input_shape)[3]
        return conv_multiplications(self._sizes(input_shape)[1:], self.kernel_size, channels, self.filters, self.groups)


class DepthwiseConv2D(_Convolution):
    """Filters that see one channel each: ``(B, H, W, C)`` to ``(B, oh, ow, C * depth_multiplier)``.

    Args:
        depth_multiplier: filters for each channel.

    The other arguments are those of :class:`Conv2D`, the order Keras's.

    Weights: kernel ``(kh, kw, C, depth_multiplier)``, bias ``(C * depth_multiplier,)``.

    Source: document 003, "How do we take advantage of having separable kernels" (MobileNet).
    """

    config = ("kernel_size", "strides", "padding", "depth_multiplier", "dilation_rate", "activation", "use_bias",
              "depthwise_initializer", "bias_initializer")  # fmt: skip

    def __init__(self, kernel_size: int | Sequence[int], strides: int | Sequence[int] = (1, 1),
                 padding: PaddingLike = "valid", depth_multiplier: int = 1, data_format: str | None = None,
                 dilation_rate: int | Sequence[int] = (1, 1), activation: str | None = None, use_bias: bool = True,
                 depthwise_initializer: Initializer = "glorot_uniform", bias_initializer: Initializer = "zeros", *,
                 name: str | None = None, dtype: str | None = None) -> None:  # fmt: skip
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer, name, dtype)  # fmt: skip
        self.depth_multiplier = _integer(depth_multiplier, "depth_multiplier", 1)
        self.depthwise_initializer = _check_initializer(depthwise_initializer, "depthwise_initializer")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*self._sizes(input_shape), _image(input_shape)[3] * self.depth_multiplier)

    def make_weights(self, input_shape: Shape, rng: np.random.Generator) -> None:
        channels = _image(input_shape)[3]
        self.kernel = self.draw(self.depthwise_initializer, (*self.kernel_size, channels, self.depth_multiplier), rng)
        filters = channels * self.depth_multiplier
        self.bias = self.draw(self.bias_initializer, (filters,), rng) if self.use_bias else None

    def multiply_adds(self, input_shape: Shape) -> int:
        channels = _image(input_shape)[3]
        return conv_multiplications(
            self._sizes(input_shape)[1:], self.kernel_size, channels, channels * self.depth_multiplier, channels
        )

    def _grouped_kernel(self) -> Array:
        return self.kernel.reshape(*self.kernel_size, 1, -1)


# --- poolings -------------------------------------------------------------------------------------------------


class _Pooling(_Sliding):
    config = ("pool_size", "strides", "padding")

    def __init__(self, pool_size: int | Sequence[int] = (2, 2), strides: int | Sequence[int] | None = None,
                 padding: PaddingLike = "valid", data_format: str | None = None, name: str | None = None,
                 dtype: str | None = None) -> None:  # fmt: skip
        self.pool_size = _per_axis(pool_size, "pool_size", 2)
        steps = self.pool_size if strides is None else _per_axis(strides, "strides", 2)
        super().__init__(self.pool_size, steps, padding, data_format, (1, 1), name, dtype)
        pairs = zip(self._pairs(1, 1), self.pool_size, strict=True)
        if not isinstance(padding, str) and any(max(pair) >= k for pair, k in pairs):
            raise ValueError(f"padding: got {padding!r}, expected less than the pool, {self.pool_size}")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*self._sizes(input_shape), _image(input_shape)[3])


class MaxPooling2D(_Pooling):
    """The largest value of each window, channel by channel: ``(B, H, W, C)`` to ``(B, oh, ow, C)``.

    Args:
        pool_size, strides, padding: as in :func:`convbook.ops.max_pool`; ``strides=None`` means ``pool_size``.

    Source: document 002, "Pooling Layer".
    """

    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        padded = pad(self.take(inputs), self._padding, -math.inf)
        outputs = pooling.fold(padded, self.pool_size, self.strides, np.maximum)
        self._seen = padded, outputs
        return outputs

    def backward(self, gradient: Array) -> Array:
        padded, outputs = self.seen
        gradient = self.arriving(gradient, outputs.shape)
        result = pooling.winner_gradient(padded, outputs, gradient, self.pool_size, self.strides)
        return ops._unpad(result, self._padding)


class AveragePooling2D(_Pooling):
    """The mean of each window, over its real pixels: ``(B, H, W, C)`` to ``(B, oh, ow, C)``.

    Arguments as for :class:`MaxPooling2D`.

    Source: document 001, "Pooling".
    """

    @functools.cached_property
    def _counts(self) -> Array:
        """The real pixels in each window, ``(1, oh, ow, 1)``."""
        assert self.input_shape is not None
        _, height, width, _ = _image(self.input_shape)
        inside = pad(np.ones((1, height, width, 1), self.dtype), self._padding)
        return pooling.fold(inside, self.pool_size, self.strides, np.add)

    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        padded = pad(self.take(inputs), self._padding)
        outputs: Array = pooling.fold(padded, self.pool_size, self.strides, np.add) / self._counts
        self._seen = padded.shape, outputs.shape
        return outputs

    def backward(self, gradient: Array) -> Array:
        padded_shape, output_shape = self.seen
        share = self.arriving(gradient, output_shape) / self._counts
        result = pooling.share_gradient(share, padded_shape, self.pool_size, self.strides)
        return ops._unpad(result, self._padding)


class GlobalAveragePooling2D(Layer):
    """The mean of each channel: ``(B, H, W, C)`` to ``(B, C)``.

    Source: document 003, "Pooling".
    """

    def __init__(self, data_format: str | None = None, *, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(name, dtype)
        _check_data_format(data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, _, _, channels = _image(input_shape)
        return (batch, channels)

    def window(self, input_shape: Shape) -> None:
        return None

    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        array = self.take(inputs)
        self._seen = array.shape
        return ops.global_average_pool(array)

    def backward(self, gradient: Array) -> Array:
        batch, height, width, channels = shape = self.seen
        share = self.arriving(gradient, (batch, channels)) / self.dtype.type(height * width)
        return np.broadcast_to(share[:, np.newaxis, np.newaxis], shape).copy()


# --- the others -----------------------------------------------------------------------------------------------


class Flatten(Layer):
    """Each example as one vector: ``(B, H, W, C)`` to ``(B, H * W * C)``."""

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *rest = input_shape
        return (batch, math.prod(_integer(size, "input_shape", 1, input_shape) for size in rest))

    def window(self, input_shape: Shape) -> list[tuple[int, int, int, int]] | None:
        return None if len(input_shape) == 4 and input_shape[1:3] != (1, 1) else super().window(input_shape)

    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        array = self.take(inputs)
        self._seen = array.shape
        return array.reshape(len(array), math.prod(array.shape[1:]))

    def backward(self, gradient: Array) -> Array:
        shape = self.seen
        return self.arriving(gradient, (shape[0], math.prod(shape[1:]))).reshape(shape)


class Dense(Layer):
    """A fully connected layer: ``(B, n)`` to ``(B, units)``.

    Args:
        units, activation, use_bias: as in Keras.
        kernel_initializer, bias_initializer: as for :class:`Conv2D`.

    Weights: kernel ``(n, units)``, bias ``(units,)``.

    Source: document 004, "Constraining the MLP".
    """

    weight_names = ("kernel", "bias")
    config = ("units", "activation", "use_bias", "kernel_initializer", "bias_initializer")
    kernel: Array
    bias: Array | None

    def __init__(self, units: int, activation: str | None = None, use_bias: bool = True,
                 kernel_initializer: Initializer = "glorot_uniform", bias_initializer: Initializer = "zeros", *,
                 name: str | None = None, dtype: str | None = None) -> None:  # fmt: skip
        super().__init__(name, dtype)
        self.units = _integer(units, "units", 1)
        self.activation = _check_activation(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = _check_initializer(kernel_initializer, "kernel_initializer")
        self.bias_initializer = _check_initializer(bias_initializer, "bias_initializer")
        self.bias = None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2:
            raise ValueError(
                f"input_shape: got {input_shape} of rank {len(input_shape)}, expected (B, n); a Flatten or a "
                "GlobalAveragePooling2D before it turns images into vectors"
            )
        return (input_shape[0], self.units)

    def make_weights(self, input_shape: Shape, rng: np.random.Generator) -> None:
        width = _integer(input_shape[1], "input_shape", 1, input_shape)
        self.kernel = self.draw(self.kernel_initializer, (width, self.units), rng)
        self.bias = self.draw(self.bias_initializer, (self.units,), rng) if self.use_bias else None

    def multiply_adds(self, input_shape: Shape) -> int:
        return dense_multiplications(_integer(input_shape[1], "input_shape", 1, input_shape), self.units)

    def window(self, input_shape: Shape) -> None:
        return None

    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        array = self.take(inputs)
        outputs: Array = array @ self.kernel
        if self.bias is not None:
            outputs += self.bias
        outputs = _ACTIVATIONS[self.activation][0](outputs)
        self._seen = array, outputs
        return outputs

    def backward_weights(self, gradient: Array) -> None:
        self._backward(gradient)

    def _backward(self, gradient: Array) -> Array:
        inputs, outputs = self.seen
        gradient = self._before(self.activation, gradient, outputs)
        self.gradients = [inputs.T @ gradient]
        if self.bias is not None:
            self.gradients.append(gradient.sum(axis=0))
        return gradient

    def backward(self, gradient: Array) -> Array:
        return np.asarray(self._backward(gradient) @ self.kernel.T)


class Activation(Layer):
    """A function of each number (softmax: of the last axis): ``"relu"``, ``"tanh"``, ``"sigmoid"``, ``"softmax"``."""

    config = ("activation",)

    def __init__(self, activation: str, *, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(name, dtype)
        self.activation = _check_activation(activation)

    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        self._seen = _ACTIVATIONS[self.activation][0](self.take(inputs))
        return np.asarray(self._seen)

    def backward(self, gradient: Array) -> Array:
        outputs = self.seen
        return self._before(self.activation, gradient, outputs)


class Dropout(Layer):
    """In training, zeros a share ``rate`` of the numbers at random and divides the others by ``1 - rate``.

    Args:
        rate: at least 0 and less than 1.
        seed: of the random numbers; each ``forward`` in training draws new ones.

    Source: Srivastava et al. (2014), section 10 (the division in training, as Keras has it).
    """

    config = ("rate", "seed")

    def __init__(self, rate: float, seed: int | None = None, *, name: str | None = None,
                 dtype: str | None = None) -> None:  # fmt: skip
        super().__init__(name, dtype)
        if isinstance(rate, bool) or not isinstance(rate, int | float | np.floating) or not 0 <= rate < 1:
            raise ValueError(f"rate: got {rate!r}, expected a number of at least 0 and less than 1")
        self.rate = float(rate)
        self.seed = None if seed is None else _integer(seed, "seed", 0)
        self._rng = np.random.default_rng(seed)

    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        array = self.take(inputs)
        if not training or self.rate == 0:
            self._seen = array.shape, self.dtype.type(1)
            return array
        kept = self._rng.random(array.shape, np.float32) >= self.rate
        factors = kept * self.dtype.type(1 / (1 - self.rate))
        self._seen = array.shape, factors
        return np.asarray(array * factors)

    def backward(self, gradient: Array) -> Array:
        shape, factors = self.seen
        return np.asarray(self.arriving(gradient, shape) * factors)

    def replica(self, seed: int) -> Dropout:
        twin = copy.copy(self)
        twin._rng = np.random.default_rng(seed)
        return twin


# --- several in one -------------------------------------------------------------------------------------------

_NEVER_FALL = {"relu", "tanh", "sigmoid"}


class _ConvolutionAndPooling(Layer):
    """A convolution, perhaps an activation, and the max pooling after them, computed at once; weights shared."""

    weight_names = ("kernel", "bias")

    def __init__(self, convolution: Conv2D, activation: str, pooling_layer: MaxPooling2D) -> None:
        self.convolution, self.activation, self.pooling_layer = convolution, activation, pooling_layer
        self.name, self.dtype, self.input_shape = convolution.name, convolution.dtype, convolution.input_shape
        self.gradients, self._seen = [], None

    @property
    def kernel(self) -> Array:
        return self.convolution.kernel

    @property
    def bias(self) -> Array | None:
        return self.convolution.bias

    def forward(self, inputs: ArrayLike, training: bool = False) -> Array:
        layer = self.convolution
        padded = pad(self.take(inputs), layer._padding)
        largest, memory = pooled.conv2d_max_pool(
            padded, layer.kernel, layer._step, layer._spread, self.pooling_layer._window
        )
        outputs = _ACTIVATIONS[self.activation][0](largest if layer.bias is None else _with_bias(largest, layer.bias))
        self._seen = memory, outputs
        return outputs

    def backward_weights(self, gradient: Array) -> None:
        self._backward(gradient, False)

    def backward(self, gradient: Array) -> Array:
        padded = self._backward(gradient, True)
        assert padded is not None
        return ops._unpad(padded, self.convolution._padding)

    def _backward(self, gradient: Array, want_inputs: bool) -> Array | None:
        memory, outputs = self.seen
        gradient = self._before(self.activation, gradient, outputs)
        kernel, padded = pooled.gradients(memory, gradient, want_inputs)
        self.gradients = [kernel]
        if self.bias is not None:
            self.gradients.append(_bias_gradient(gradient))
        return padded


def _can_merge(first: Layer, names: set[str], after: Layer | None) -> bool:
    return (
        type(first) is Conv2D
        and first.groups == 1
        and type(after) is MaxPooling2D
        and after.pool_size == after.strides
        and not any(map(any, after._padding))
        and len(names) <= 1
        and names <= _NEVER_FALL
    )


def merge(layers: Sequence[Layer]) -> list[Layer]:
    """Built layers that compute the same, with each convolution and the max pooling right after it in one.

    For training: see :mod:`convbook.algorithms.pooled`. An activation may stand between the two.
    """
    merged: list[Layer] = []
    rest = list(layers)
    while rest:
        first = rest.pop(0)
        between = rest[:1] if isinstance(rest[0] if rest else None, Activation) else []
        after = rest[len(between)] if len(rest) > len(between) else None
        names = {getattr(layer, "activation", "linear") for layer in (first, *between)} - {"linear"}
        if _can_merge(first, names, after):
            assert isinstance(first, Conv2D) and isinstance(after, MaxPooling2D)  # noqa: PT018 (for mypy)
            merged.append(_ConvolutionAndPooling(first, next(iter(names), "linear"), after))
            del rest[: len(between) + 1]
        else:
            merged.append(first)
    return merged
