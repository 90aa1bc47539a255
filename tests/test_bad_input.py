"""What every operation refuses, with which words, and what it accepts that might be doubted."""

import itertools
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from convbook import ops
from convbook.algorithms import METHODS

FORWARD = ["conv", "depthwise_conv", "separable_conv"]
CONVOLUTIONS = [*FORWARD, "conv_transpose"]
POOLS = ["max_pool", "average_pool", "l2_pool"]
GLOBAL_POOLS = ["global_max_pool", "global_average_pool"]
SLIDING = [*CONVOLUTIONS, *POOLS]
EVERY = [*SLIDING, *GLOBAL_POOLS]
# What slides over the input, by the name of its argument.
KERNELS = [
    ("conv", "kernel"),
    ("depthwise_conv", "kernel"),
    ("separable_conv", "depthwise_kernel"),
    ("separable_conv", "pointwise_kernel"),
    ("conv_transpose", "kernel"),
]
ARRAYS = [*((name, "inputs") for name in EVERY), *KERNELS]
LAYOUTS = ["channels_last", "channels_first"]


def numbers(*shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def arguments(name, axes=2, batch=2, dtype="float64"):
    """Arguments that ``ops.name`` accepts: two channels, six by seven pixels (1-D: seven), windows of 3 by 2 (2)."""
    sizes, window = [6, 7][-axes:], [3, 2][-axes:]
    given = {"inputs": numbers(batch, *sizes, 2, dtype=dtype)}
    if name == "conv":
        given["kernel"] = numbers(*window, 2, 4, dtype=dtype, seed=1)
    elif name == "depthwise_conv":
        given["kernel"] = numbers(*window, 2, 3, dtype=dtype, seed=1)
    elif name == "separable_conv":
        given["depthwise_kernel"] = numbers(*window, 2, 3, dtype=dtype, seed=1)
        given["pointwise_kernel"] = numbers(*[1] * axes, 6, 5, dtype=dtype, seed=2)
    elif name == "conv_transpose":
        given["kernel"] = numbers(*window, 3, 2, dtype=dtype, seed=1)
    elif name in POOLS:
        given["pool_size"] = tuple(window)
        given["strides"] = 1
    return given


def call(name, axes=2, **changes):
    return getattr(ops, name)(**{**arguments(name, axes), **changes})


def in_layout(array, data_format):
    """A channels-last array in another layout."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 1)) if data_format == "channels_first" else array


@contextmanager
def refused(error, argument, came, expected):
    """The block raises just ``error``, with a message that begins with the argument and names the other two."""
    with pytest.raises(error) as caught:
        yield
    message = str(caught.value)
    assert caught.type is error
    assert message.startswith(f"{argument}: "), message
    assert came in message, message
    assert expected in message, message


# --- shapes that do not fit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", [(), (5,), (5, 5), (1, 5, 5, 5, 2)])
def test_inputs_of_a_wrong_rank_are_refused(name, shape):
    with refused(ValueError, "inputs", f"got shape {shape} of rank {len(shape)}", "expected (B, H, W, C) or (B, L, C)"):
        call(name, inputs=np.ones(shape))
    with refused(ValueError, "inputs", f"of rank {len(shape)}", "expected (B, C, H, W) or (B, C, L), rank 4 or 3"):
        call(name, inputs=np.ones(shape), data_format="channels_first")


@pytest.mark.parametrize(("name", "kernel"), KERNELS)
@pytest.mark.parametrize(("axes", "rank"), [(1, 4), (1, 2), (2, 3), (2, 5)])
def test_kernels_of_a_wrong_rank_are_refused(name, kernel, axes, rank):
    last = {
        ("conv", "kernel"): "c_in / groups, c_out",
        ("depthwise_conv", "kernel"): "c_in, multiplier",
        ("separable_conv", "depthwise_kernel"): "c_in, multiplier",
        ("separable_conv", "pointwise_kernel"): "c_in * multiplier, c_out",
        ("conv_transpose", "kernel"): "c_out, c_in",
    }[name, kernel]
    expected = f"expected ({'k' if axes == 1 else 'kh, kw'}, {last}), rank {axes + 2} like inputs"
    with refused(ValueError, kernel, f"got shape {(1,) * rank} of rank {rank}", expected):
        call(name, axes, **{kernel: np.ones((1,) * rank)})


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize(
    ("name", "kernel", "last"),
    [
        ("conv", "kernel", (3, 4)),
        ("conv", "kernel", (4, 4)),
        ("depthwise_conv", "kernel", (3, 1)),
        ("depthwise_conv", "kernel", (1, 1)),
        ("separable_conv", "depthwise_kernel", (3, 2)),
    ],
)
def test_channels_that_do_not_match_are_refused(name, kernel, last, axes, data_format):
    shape = (1,) * axes + last
    inputs = in_layout(arguments(name, axes)["inputs"], data_format)
    with refused(ValueError, kernel, f"takes {last[0]} channels (shape {shape})", "expected the 2 of inputs"):
        call(name, axes, inputs=inputs, data_format=data_format, **{kernel: np.ones(shape)})


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("data_format", LAYOUTS)
def test_conv_transpose_refuses_channels_that_do_not_match_and_says_how_its_kernel_ends(axes, data_format):
    # A kernel of conv, (c_in, c_out), where (c_out, c_in) is meant.
    shape = (1,) * axes + (2, 3)
    inputs = in_layout(arguments("conv_transpose", axes)["inputs"], data_format)
    with refused(ValueError, "kernel", f"takes 3 channels (shape {shape})", "expected the 2 of inputs"):
        call("conv_transpose", axes, inputs=inputs, data_format=data_format, kernel=np.ones(shape))
    with refused(ValueError, "kernel", "takes 3 channels", "ends in (c_out, c_in)"):
        call("conv_transpose", axes, kernel=np.ones(shape))


@pytest.mark.parametrize("shape", [(1, 1, 5, 4), (2, 1, 6, 4), (1, 2, 6, 4)])
def test_separable_conv_refuses_a_pointwise_kernel_that_does_not_follow_the_depthwise_one(shape):
    with refused(ValueError, "pointwise_kernel", f"got shape {shape}", "expected (1, 1, 6) and the filters"):
        call("separable_conv", pointwise_kernel=np.ones(shape))


def test_groups_that_do_not_divide_the_filters_are_refused():
    with refused(ValueError, "kernel", "has 3 filters (shape (3, 3, 1, 3))", "expected a multiple of the 2 groups"):
        call("conv", kernel=np.ones((3, 3, 1, 3)))


def test_conv_refuses_inputs_without_channels():
    with refused(ValueError, "kernel", "takes 2 channels", "expected the 0 of inputs"):
        call("conv", inputs=np.ones((1, 6, 7, 0)))


def too_large(name, window, axes=2):
    """Arguments with a window of that shape."""
    if name in POOLS:
        return {"pool_size": window}
    kernel = "depthwise_kernel" if name == "separable_conv" else "kernel"
    return {kernel: np.ones((*window, *arguments(name, axes)[kernel].shape[-2:]))}


@pytest.mark.parametrize("name", [*FORWARD, *POOLS])
def test_a_window_larger_than_the_padded_input_is_refused(name):
    argument = next(iter(too_large(name, (7, 1))))
    with refused(ValueError, argument, "reaches over 7 pixels of spatial axis 0", "expected at most the 6 of"):
        call(name, **too_large(name, (7, 1)))
    with refused(ValueError, argument, "reaches over 8 pixels of spatial axis 1", "expected at most the 7 of"):
        call(name, **too_large(name, (1, 8)))
    with refused(ValueError, argument, "reaches over 10 pixels", "the 9 of the padded input (6 with padding 1 and 2)"):
        call(name, padding=((1, 2), (0, 0)), **too_large(name, (10, 1)))
    with refused(ValueError, argument, "reaches over 8 pixels of spatial axis 0", "expected at most the 7 of"):
        call(name, 1, **too_large(name, (8,), 1))


@pytest.mark.parametrize("name", [*FORWARD, *POOLS])
def test_a_window_as_large_as_the_padded_input_is_accepted(name):
    assert call(name, **too_large(name, (6, 7))).shape[1:3] == (1, 1)
    assert call(name, padding=((1, 2), (3, 4)), **too_large(name, (9, 14))).shape[1:3] == (1, 1)


@pytest.mark.parametrize("name", FORWARD)
def test_a_dilated_kernel_is_measured_from_its_first_to_its_last_element(name):
    assert call(name, dilation_rate=(2, 6)).shape[1:3] == (2, 1)
    argument = next(iter(too_large(name, (1, 1))))
    with refused(ValueError, argument, "reaches over 7 pixels of spatial axis 0", "expected at most the 6 of"):
        call(name, dilation_rate=(3, 1))


@pytest.mark.parametrize(("name", "kernel"), KERNELS)
@pytest.mark.parametrize("axes", [1, 2])
def test_a_kernel_with_an_axis_of_length_0_is_refused(name, kernel, axes):
    good = arguments(name, axes)[kernel].shape
    for axis in range(len(good)):
        shape = (*good[:axis], 0, *good[axis + 1 :])
        with refused(ValueError, kernel, f"got shape {shape}", "expected no axis of length 0"):
            call(name, axes, **{kernel: np.ones(shape)})


@pytest.mark.parametrize("name", [*POOLS, *GLOBAL_POOLS])
@pytest.mark.parametrize("padding", ["valid", "same", 1])
def test_pooling_over_nothing_is_refused(name, padding):
    rest = {} if name in GLOBAL_POOLS else {"padding": padding}
    with refused(ValueError, "inputs", "got shape (2, 6, 0, 2)", "expected no spatial axis of length 0"):
        call(name, inputs=np.ones((2, 6, 0, 2)), **rest)
    with refused(ValueError, "inputs", "got shape (2, 0, 7, 3) (channels last)", "expected no spatial axis of length"):
        call(name, inputs=np.ones((2, 3, 0, 7)), data_format="channels_first", **rest)


def test_conv_transpose_of_nothing_is_refused():
    with refused(ValueError, "inputs", "spatial axis 1 has length 0", "expected at least 1"):
        call("conv_transpose", inputs=np.ones((2, 6, 0, 2)))


@pytest.mark.parametrize("name", FORWARD)
def test_same_padding_of_an_empty_axis_gives_an_empty_axis(name):
    filters = call(name).shape[-1]
    assert call(name, inputs=np.ones((2, 0, 7, 2)), padding="same", strides=2).shape == (2, 0, 4, filters)


# --- strides, dilation, pool size -----------------------------------------------------------------------------

STEPS = [
    *((name, "strides") for name in SLIDING),
    *((name, "dilation_rate") for name in CONVOLUTIONS),
    *((name, "pool_size") for name in POOLS),
]


@pytest.mark.parametrize(("name", "argument"), STEPS)
@pytest.mark.parametrize("bad", [0, -1, (1, 0), (0, 1), [1, -2], np.int64(0)], ids=repr)
def test_zero_and_negative_steps_are_refused(name, argument, bad):
    with refused(ValueError, argument, f"got {bad!r}", "expected integers of at least 1"):
        call(name, **{argument: bad})


@pytest.mark.parametrize(("name", "argument"), STEPS)
@pytest.mark.parametrize(
    "bad", [1.5, 1.0, True, "2", (1, 1.5), (True, 1), ("1", "1"), np.float32(1), np.True_, np.array(1.5)], ids=repr
)
def test_steps_that_are_not_integers_are_refused(name, argument, bad):
    with refused(TypeError, argument, f"got {bad!r}", "expected integers"):
        call(name, **{argument: bad})


@pytest.mark.parametrize(("name", "argument"), STEPS)
def test_none_is_a_step_only_as_the_strides_of_a_pool(name, argument):
    if name in POOLS and argument == "strides":
        assert_array_equal(call(name, strides=None), call(name, strides=arguments(name)["pool_size"]))
    else:
        with refused(TypeError, argument, "got None", "expected integers"):
            call(name, **{argument: None})


@pytest.mark.parametrize(("name", "argument"), STEPS)
def test_a_wrong_number_of_steps_is_refused(name, argument):
    for axes, bad in [(2, (1, 1, 1)), (2, ()), (1, (1, 1)), (1, ())]:
        with refused(ValueError, argument, f"got {bad} with {len(bad)} entries", f"expected an integer or {axes}"):
            call(name, axes, **{argument: bad})


@pytest.mark.parametrize(("name", "argument"), STEPS)
@pytest.mark.parametrize("two", [[2, 2], (2,), np.int64(2), np.array(2), np.array([2, 2], "uint8")], ids=repr)
def test_steps_may_be_lists_single_entries_and_integers_of_numpy(name, argument, two):
    assert_array_equal(call(name, **{argument: two}), call(name, **{argument: 2}))


@pytest.mark.parametrize("name", SLIDING)
def test_each_axis_has_its_own_stride(name):
    steps = {"strides": (2, 3)}
    apart = call(name, strides=1)
    if name == "conv_transpose":
        assert call(name, **steps).shape[1:3] == (5 * 2 + 3, 6 * 3 + 3)  # the kernel is 3 x 2: each pixel has 3
    else:
        assert_allclose(call(name, **steps), apart[:, ::2, ::3], rtol=1e-12)


@pytest.mark.parametrize(("strides", "dilation"), [(2, 2), ((1, 2), 2), (2, (2, 1)), ((2, 1), (1, 2))])
def test_conv_refuses_strides_and_dilation_together(strides, dilation):
    with refused(ValueError, "strides", f"got {strides!r} with dilation_rate {dilation!r}", "expected one of the two"):
        call("conv", strides=strides, dilation_rate=dilation)


@pytest.mark.parametrize("name", ["depthwise_conv", "separable_conv"])
def test_the_depthwise_convolutions_take_strides_and_dilation_together(name):
    both, dilated = call(name, strides=2, dilation_rate=2), call(name, dilation_rate=2)
    assert_allclose(both, dilated[:, ::2, ::2], rtol=1e-12)


# --- padding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SLIDING)
@pytest.mark.parametrize("bad", ["full", "", "causal", "reflect"])
def test_an_unknown_padding_name_is_refused(name, bad):
    with refused(ValueError, "padding", f"got {bad!r}", 'expected "valid", "same", an integer, (ph, pw) or ((top,'):
        call(name, padding=bad)
    with refused(ValueError, "padding", f"got {bad!r}", 'expected "valid", "same", an integer, (p,) or ((before,'):
        call(name, 1, padding=bad)


@pytest.mark.parametrize("name", SLIDING)
@pytest.mark.parametrize("bad", [-1, (0, -1), (-1, 0), ((0, -1), (0, 0)), ((0, 0), (-1, 0)), [[0, 0], [0, -2]]])
def test_negative_padding_is_refused(name, bad):
    with refused(ValueError, "padding", f"got {bad!r}", "expected integers of at least 0"):
        call(name, padding=bad)


@pytest.mark.parametrize("name", SLIDING)
@pytest.mark.parametrize("bad", [(), (1,), (1, 1, 1), ((1, 1),), ((1, 1), (1, 1), (1, 1))], ids=repr)
def test_a_padding_with_a_wrong_number_of_axes_is_refused(name, bad):
    with refused(ValueError, "padding", f"got {bad!r} with {len(bad)} entries", "(ph, pw) or ((top, bottom), (left,"):
        call(name, padding=bad)


@pytest.mark.parametrize("name", SLIDING)
@pytest.mark.parametrize("bad", [(), (1, 1), ((1, 1), (1, 1))], ids=repr)
def test_a_padding_with_a_wrong_number_of_axes_is_refused_in_one_dimension(name, bad):
    with refused(ValueError, "padding", f"got {bad!r} with {len(bad)} entries", "(p,) or ((before, after),)"):
        call(name, 1, padding=bad)


@pytest.mark.parametrize("name", SLIDING)
@pytest.mark.parametrize("bad", [((1, 1, 1), (1, 1)), ((1,), (1,)), ((), ()), (1, (1, 1, 1))], ids=repr)
def test_a_padding_with_other_than_two_sides_is_refused(name, bad):
    with refused(ValueError, "padding", f"got {bad!r}", "(ph, pw) or ((top, bottom), (left, right))"):
        call(name, padding=bad)


@pytest.mark.parametrize("name", SLIDING)
@pytest.mark.parametrize(
    "bad", [1.5, True, None, (1, 1.0), (True, 0), ("same", "valid"), ((1, None), (0, 0)), np.array(0.5)], ids=repr
)
def test_padding_that_is_not_integers_is_refused(name, bad):
    with refused(TypeError, "padding", f"got {bad!r}", "expected integers"):
        call(name, padding=bad)


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize(
    ("axes", "padding", "axis", "pool"),
    [(2, (3, 0), 0, 3), (2, (0, 2), 1, 2), (2, ((0, 3), (0, 0)), 0, 3), (2, ((0, 0), (2, 0)), 1, 2), (1, 2, 0, 2)],
)
def test_a_pooling_window_of_nothing_but_padding_is_refused(name, axes, padding, axis, pool):
    expected = f"expected less than the pool on spatial axis {axis}, {pool}"
    with refused(ValueError, "padding", f"got {padding!r}", expected):
        call(name, axes, padding=padding)


@pytest.mark.parametrize("name", POOLS)
def test_a_pooling_window_with_one_real_row_and_column_is_accepted(name):
    outputs = call(name, padding=(2, 1))
    assert outputs.shape == (2, 8, 8, 2)
    corner = arguments(name)["inputs"][:, 0, 0]
    assert_allclose(outputs[:, 0, 0], np.abs(corner) if name == "l2_pool" else corner, rtol=1e-12)


@pytest.mark.parametrize(("padding", "axis", "cut"), [((4, 0), 0, 8), ((0, 4), 1, 8), (((0, 0), (9, 0)), 1, 9)])
def test_conv_transpose_refuses_a_padding_that_cuts_everything_off(padding, axis, cut):
    with refused(ValueError, "padding", f"cuts {cut} pixels of spatial axis {axis}", "expected less than the 8 there"):
        call("conv_transpose", padding=padding)


# --- output_padding -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["valid", 0, 1])
@pytest.mark.parametrize(("strides", "extra", "axis", "came"), [(1, 1, 0, 1), (2, 2, 0, 2), ((3, 2), (2, 3), 1, 3)])
def test_output_padding_must_be_less_than_the_stride(padding, strides, extra, axis, came):
    stride = np.broadcast_to(strides, 2)[axis]
    expected = f"on spatial axis {axis}, expected less than the stride, {stride}"
    with refused(ValueError, "output_padding", f"got {came}", expected):
        call("conv_transpose", strides=strides, padding=padding, output_padding=extra)


@pytest.mark.parametrize("padding", ["valid", 0, 1])
def test_output_padding_adds_so_many_pixels_at_the_end(padding):
    none = call("conv_transpose", strides=3, padding=padding, output_padding=0)
    some = call("conv_transpose", strides=3, padding=padding, output_padding=(2, 1))
    assert some.shape[1:3] == (none.shape[1] + 2, none.shape[2] + 1)
    assert_array_equal(some[:, : none.shape[1], : none.shape[2]], none)


# "same" and stride 2 make 11 or 12 of 6 pixels; a kernel of 3 rows (odd) starts at 11, one of 2 columns at 12 - 1.
@pytest.mark.parametrize(
    ("extra", "axis", "came", "total", "low", "high"),
    [((2, 1), 0, 2, 13, 11, 12), ((0, 0), 1, 0, 12, 13, 14), ((0, 3), 1, 3, 15, 13, 14)],
)
def test_output_padding_of_same_must_make_a_size_that_conv_turns_back(extra, axis, came, total, low, high):
    expected = f"which makes {total} pixels, expected between {low} and {high} for padding 'same' and stride 2"
    with refused(ValueError, "output_padding", f"got {came} on spatial axis {axis}", expected):
        call("conv_transpose", strides=2, padding="same", output_padding=extra)


@pytest.mark.parametrize("bad", [-1, (0, -1)])
def test_negative_output_padding_is_refused(bad):
    with refused(ValueError, "output_padding", f"got {bad!r}", "expected integers of at least 0"):
        call("conv_transpose", strides=2, output_padding=bad)


@pytest.mark.parametrize("bad", [0.5, True, (0, 1.0), "1"], ids=repr)
def test_output_padding_that_is_not_integers_is_refused(bad):
    with refused(TypeError, "output_padding", f"got {bad!r}", "expected integers"):
        call("conv_transpose", strides=2, output_padding=bad)


def test_a_wrong_number_of_output_paddings_is_refused():
    with refused(ValueError, "output_padding", "got (0, 0, 0) with 3 entries", "expected an integer or 2"):
        call("conv_transpose", output_padding=(0, 0, 0))


# --- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORWARD)
@pytest.mark.parametrize("bad", ["winograd", "", "FFT", None, 3, ["fft"]], ids=repr)
def test_an_unknown_method_is_refused_with_all_the_known_ones(name, bad):
    known = "expected one of " + ", ".join(map(repr, ["auto", *METHODS]))
    with refused(ValueError, "method", f"got {bad!r}", known):
        call(name, method=bad)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("bad", ["NHWC", "", "channels_middle", 1, ["channels_last"]], ids=repr)
def test_an_unknown_data_format_is_refused(name, bad):
    with refused(ValueError, "data_format", f"got {bad!r}", 'expected "channels_last" or "channels_first"'):
        call(name, data_format=bad)


@pytest.mark.parametrize("name", EVERY)
def test_no_data_format_means_channels_last(name):
    assert_array_equal(call(name, data_format=None), call(name, data_format="channels_last"))


# --- dtypes and lists -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
@pytest.mark.parametrize("dtype", ["object", "complex64", "complex128", "U3", "S3", "datetime64[s]", "timedelta64[s]"])
def test_arrays_of_other_than_real_numbers_are_refused(name, argument, dtype):
    bad = np.zeros(arguments(name)[argument].shape, dtype)
    with refused(TypeError, argument, f"got dtype {bad.dtype}", "expected real numbers"):
        call(name, **{argument: bad})


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_bfloat16_is_refused(name, argument):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    with refused(TypeError, argument, "got dtype bfloat16", "expected real numbers"):
        call(name, **{argument: arguments(name)[argument].astype(bfloat16)})


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
@pytest.mark.parametrize("bad", [None, "pixels", [["a"]], {"a": 1}], ids=repr)
def test_things_that_are_no_numbers_at_all_are_refused(name, argument, bad):
    with refused(TypeError, argument, "got dtype", "expected real numbers"):
        call(name, **{argument: bad})


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
@pytest.mark.parametrize("bad", [[[1, 2], [3]], [[[[1.0]], [[1.0, 2.0]]]]], ids=repr)
def test_ragged_lists_are_refused(name, argument, bad):
    with refused(ValueError, argument, "inhomogeneous shape", "expected a rectangular array of numbers"):
        call(name, **{argument: bad})


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("name", EVERY)
def test_lists_are_accepted(name, axes):
    given = arguments(name, axes)
    as_lists = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in given.items()}
    assert_array_equal(getattr(ops, name)(**as_lists), call(name, axes))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "uint64", "int64"])
def test_integers_and_booleans_give_float64(name, dtype):
    given = {
        key: (value > 0).astype(dtype) if isinstance(value, np.ndarray) else value
        for key, value in arguments(name).items()
    }
    as_floats = {key: value.astype(float) if isinstance(value, np.ndarray) else value for key, value in given.items()}
    outputs = getattr(ops, name)(**given)
    assert outputs.dtype == "float64"
    assert_array_equal(outputs, getattr(ops, name)(**as_floats))


def test_small_integers_do_not_overflow():
    image, kernel = np.full((1, 3, 3, 1), 200, "uint8"), np.full((3, 3, 1, 1), 100, "uint8")
    assert ops.conv(image, kernel).item() == 9 * 200 * 100
    assert ops.average_pool(image, 3).item() == 200
    assert ops.l2_pool(image, 3).item() == 600
    assert ops.global_average_pool(image).item() == 200
    assert ops.conv_transpose(image, kernel).max() == 9 * 200 * 100


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_come_out_as_they_went_in(name, dtype):
    outputs = getattr(ops, name)(**arguments(name, dtype=dtype))
    assert outputs.dtype == dtype
    precise = {k: v.astype(float) if isinstance(v, np.ndarray) else v for k, v in arguments(name, dtype=dtype).items()}
    tolerance = {"float16": 2e-3, "float32": 1e-5, "float64": 0}[dtype]
    assert_allclose(outputs, getattr(ops, name)(**precise), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "kernel"), KERNELS)
def test_of_two_floats_the_wider_one_comes_out(name, kernel):
    given = arguments(name, dtype="float32")
    assert getattr(ops, name)(**{**given, kernel: given[kernel].astype("float64")}).dtype == "float64"
    assert getattr(ops, name)(**{**given, "inputs": given["inputs"].astype("float16")}).dtype == "float32"


def test_float16_is_computed_in_float32():
    # In float16, 2048 + 1 is 2048, and 60000 + 60000 is infinite.
    ones = np.ones((1, 64, 64, 1), "float16")
    assert ops.average_pool(ones, 64).item() == 1
    assert ops.global_average_pool(ones).item() == 1
    kernel = np.ones((64, 64, 1, 1), "float16")
    for method in ["auto", *sorted(set(METHODS) - {"naive"})]:
        assert ops.conv(ones, kernel, method=method).item() == 4096
    large = np.array([60000, 60000], "float16").reshape(1, 2, 1)
    assert ops.average_pool(large, 2).item() == 60000
    turned = np.array([1, 1, -1, -1], "float16").reshape(1, 1, 1, 4)
    assert ops.conv(np.full((1, 1, 1, 4), 60000, "float16"), turned.reshape(1, 1, 4, 1)).item() == 0
    assert ops.conv_transpose(np.full((1, 1, 1, 4), 60000, "float16"), turned).item() == 0
    assert ops.separable_conv(large, np.ones((2, 1, 1), "float16"), np.full((1, 1, 1), 0.5, "float16")).item() == 60000


def test_l2_pool_does_not_overflow_on_the_way():
    image = np.full((1, 2, 2, 1), 1e30, "float32")
    assert_allclose(ops.l2_pool(image, 2), [[[[2e30]]]], rtol=1e-6)


# --- empty batches --------------------------------------------------------------------------------------------

# Without the batch, for arguments() as they are: two channels in, windows of 3 x 2 on 6 x 7 pixels.
OUTPUT_SHAPES = {
    "conv": (4, 6, 4),
    "depthwise_conv": (4, 6, 6),
    "separable_conv": (4, 6, 5),
    "conv_transpose": (8, 8, 3),
    "max_pool": (4, 6, 2),
    "average_pool": (4, 6, 2),
    "l2_pool": (4, 6, 2),
    "global_max_pool": (2,),
    "global_average_pool": (2,),
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("batch", [0, 2])
def test_the_result_has_the_shape_it_should_for_an_empty_batch_too(name, axes, data_format, dtype, batch):
    given = arguments(name, axes, batch, dtype)
    given["inputs"] = in_layout(given["inputs"], data_format)
    *spatial, channels = OUTPUT_SHAPES[name]
    spatial = spatial[-axes:]
    shape = (batch, channels, *spatial) if data_format == "channels_first" else (batch, *spatial, channels)
    outputs = getattr(ops, name)(**given, data_format=data_format)
    assert (outputs.shape, outputs.dtype) == (shape, dtype)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("axes", [1, 2])
def test_channels_first_is_the_same_with_the_channels_moved(name, axes):
    given = arguments(name, axes)
    moved = {**given, "inputs": in_layout(given["inputs"], "channels_first")}
    outputs = getattr(ops, name)(**moved, data_format="channels_first")
    expected = call(name, axes)
    assert_allclose(outputs, expected if name in GLOBAL_POOLS else np.moveaxis(expected, -1, 1), rtol=1e-12)


# --- NaN and infinity -----------------------------------------------------------------------------------------

BAD = [np.nan, np.inf, -np.inf]


def positive(name):
    """Arguments without a negative number or a zero, so that an infinity cannot become NaN on its way."""
    return {key: np.abs(value) if isinstance(value, np.ndarray) else value for key, value in arguments(name).items()}


def reads(output, step, reach, before, place):
    """Whether the window of this output position, along one axis, contains ``place``."""
    return place in [output * step - before + offset for offset in reach]


@pytest.mark.parametrize("name", [*FORWARD, *POOLS])
@pytest.mark.parametrize("value", BAD, ids=str)
@pytest.mark.parametrize(("steps", "before"), [((1, 1), (0, 0)), ((2, 1), (1, 1)), ((3, 2), (1, 0))])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_bad_pixel_comes_out_of_each_window_that_contains_it(name, value, steps, before, dilation):
    rest = {"strides": steps, "padding": before}
    if name in FORWARD:
        rest["dilation_rate"] = dilation if name != "conv" or steps == (1, 1) else 1
    elif dilation > 1:
        dilation = 1
    rates = rest.get("dilation_rate", 1)
    good = positive(name)
    clean = getattr(ops, name)(**{**good, **rest})
    inputs = good["inputs"].copy()
    inputs[1, 3, 4, 0] = value
    outputs = getattr(ops, name)(**{**good, "inputs": inputs, **rest})

    expected = clean.copy()
    channels = {"conv": slice(None), "depthwise_conv": slice(0, 3), "separable_conv": slice(None)}.get(name, 0)
    reached = 0
    for row, column in np.ndindex(*clean.shape[1:3]):
        rows, columns = range(0, 3 * rates, rates), range(0, 2 * rates, rates)
        if reads(row, steps[0], rows, before[0], 3) and reads(column, steps[1], columns, before[1], 4):
            reached += 1
            if name == "max_pool" and value == -np.inf:
                top, left = row * steps[0] - before[0], column * steps[1] - before[1]
                expected[1, row, column, 0] = inputs[1, max(top, 0) : top + 3, max(left, 0) : left + 2, 0].max()
            else:
                expected[1, row, column, channels] = abs(value) if name == "l2_pool" else value
    assert reached > 0
    assert_allclose(outputs, expected, rtol=1e-12)


@pytest.mark.parametrize("value", BAD, ids=str)
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (2, 3)])
def test_conv_transpose_paints_a_bad_pixel_where_it_paints(value, stride, dilation):
    good = positive("conv_transpose")
    rest = {"strides": stride, "dilation_rate": dilation, "padding": (1, 0)}
    expected = ops.conv_transpose(**good, **rest)
    good["inputs"][1, 3, 4, 0] = value
    for row, column in np.ndindex(3, 2):
        expected[1, 3 * stride + row * dilation - 1, 4 * stride + column * dilation] = value
    assert_allclose(ops.conv_transpose(**good, **rest), expected, rtol=1e-12)


@pytest.mark.parametrize("name", GLOBAL_POOLS)
@pytest.mark.parametrize("value", BAD, ids=str)
def test_a_bad_pixel_comes_out_of_its_own_channel_of_a_global_pool(name, value):
    good = positive(name)
    expected = getattr(ops, name)(**good)
    good["inputs"][1, 3, 4, 0] = value
    if name == "global_average_pool" or value != -np.inf:
        expected[1, 0] = value
    else:
        expected[1, 0] = np.sort(good["inputs"][1, :, :, 0].ravel())[-1]
    assert_allclose(getattr(ops, name)(**good), expected, rtol=1e-12)


def test_the_maximum_of_nothing_but_minus_infinity_is_minus_infinity():
    assert_array_equal(ops.max_pool(np.full((1, 3, 1), -np.inf), 2, 1, "same"), np.full((1, 3, 1), -np.inf))


# --- padding by hand ------------------------------------------------------------------------------------------

FORMS_2D = [
    (0, ((0, 0), (0, 0))),
    (1, ((1, 1), (1, 1))),
    (np.int64(1), ((1, 1), (1, 1))),
    ((2, 1), ((2, 2), (1, 1))),
    ([0, 1], ((0, 0), (1, 1))),
    (((1, 2), (1, 0)), ((1, 2), (1, 0))),
    ([[2, 0], [0, 1]], ((2, 0), (0, 1))),
    ((2, (0, 1)), ((2, 2), (0, 1))),
    (np.array([[0, 2], [1, 0]]), ((0, 2), (1, 0))),
    (np.array(1), ((1, 1), (1, 1))),
    # "same" on 6 x 7 pixels with a window of 3 x 2 and stride 1
    ("same", ((1, 1), (0, 1))),
]
FORMS_1D = [(1, (1, 1)), ((1,), (1, 1)), (((1, 0),), (1, 0)), ([[0, 1]], (0, 1)), ("same", (0, 1))]
FORMS = [(2, form, pairs) for form, pairs in FORMS_2D] + [(1, form, (pair,)) for form, pair in FORMS_1D]


@pytest.mark.parametrize(("axes", "form", "pairs"), FORMS, ids=repr)
@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize("name", FORWARD)
def test_each_form_of_padding_is_padding_with_zeros_by_hand(name, data_format, axes, form, pairs):
    given = arguments(name, axes)
    by_hand = np.pad(given["inputs"], ((0, 0), *pairs, (0, 0)))
    expected = in_layout(call(name, axes, inputs=by_hand, padding="valid"), data_format)
    inputs = in_layout(given["inputs"], data_format)
    assert_allclose(call(name, axes, inputs=inputs, padding=form, data_format=data_format), expected, rtol=1e-12)


SUMMARIES = {"max_pool": np.nanmax, "average_pool": np.nanmean, "l2_pool": lambda x: np.sqrt(np.nansum(x**2))}


@pytest.mark.parametrize(("axes", "form", "pairs"), FORMS, ids=repr)
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("name", POOLS)
def test_pools_are_over_real_pixels_and_never_over_padding(name, strides, axes, form, pairs):
    if strides == 2 and isinstance(form, str):
        pairs = {1: ((0, 1),), 2: ((0, 1), (0, 1))}[axes]  # ceil(6 / 2) and ceil(7 / 2) windows of 3 and 2
    given = arguments(name, axes)
    # Below zero, so that zeros would win a maximum; NaN marks what is not there.
    inputs = given["inputs"] - 9
    by_hand = np.pad(inputs, ((0, 0), *pairs, (0, 0)), constant_values=np.nan)
    window = given["pool_size"]
    counts = [len(range(0, n - k + 1, strides)) for n, k in zip(by_hand.shape[1:-1], window, strict=True)]
    expected = np.empty((2, *counts, 2))
    for image, channel, place in itertools.product(range(2), range(2), np.ndindex(*counts)):
        seen = tuple(slice(p * strides, p * strides + k) for p, k in zip(place, window, strict=True))
        expected[(image, *place, channel)] = SUMMARIES[name](by_hand[(image, *seen, channel)])
    assert_allclose(call(name, axes, inputs=inputs, strides=strides, padding=form), expected, rtol=1e-12)
    moved = call(name, axes, inputs=in_layout(inputs, "channels_first"), strides=strides, padding=form,
                 data_format="channels_first")  # fmt: skip
    assert_allclose(moved, np.moveaxis(expected, -1, 1), rtol=1e-12)


@pytest.mark.parametrize(("axes", "form", "pairs"), [case for case in FORMS if not isinstance(case[1], str)], ids=repr)
@pytest.mark.parametrize("stride", [2, 3])
def test_padding_of_conv_transpose_cuts_off_what_conv_would_add(axes, form, pairs, stride):
    whole = call("conv_transpose", axes, strides=stride, padding=0)
    kept = tuple(slice(before, n - after) for n, (before, after) in zip(whole.shape[1:-1], pairs, strict=True))
    outputs = call("conv_transpose", axes, strides=stride, padding=form)
    assert_allclose(outputs, whole[(slice(None), *kept)], rtol=1e-12)


@pytest.mark.parametrize("name", SLIDING)
@pytest.mark.parametrize("padding", ["SAME", "Same", "VALID"])
def test_padding_names_are_read_in_either_case(name, padding):
    assert_array_equal(call(name, padding=padding, strides=2), call(name, padding=padding.lower(), strides=2))


def test_same_padding_puts_the_extra_pixel_last():
    line = np.array([1.0, 2.0, 4.0]).reshape(1, 3, 1)
    assert ops.conv(line, np.ones((2, 1, 1)), padding="same").ravel().tolist() == [3, 6, 4]
    assert ops.max_pool(-line, 2, 1, "same").ravel().tolist() == [-1, -2, -4]
    assert ops.average_pool(line, 2, 1, "same").ravel().tolist() == [1.5, 3, 4]
    # The transpose cuts off at the end: 1 2 4 painted twice each is 1 3 6 4.
    assert ops.conv_transpose(line, np.ones((2, 1, 1)), padding="same").ravel().tolist() == [1, 3, 6]


# --- memory ---------------------------------------------------------------------------------------------------


def arrays_of(given):
    return [value for value in given.values() if isinstance(value, np.ndarray)]


VARIANTS = [{}, {"padding": "same"}, {"padding": 1}, {"data_format": "channels_first"}]


@pytest.mark.parametrize("variant", VARIANTS, ids=repr)
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("name", EVERY)
def test_arguments_are_never_modified_nor_given_back(name, axes, variant):
    if name in GLOBAL_POOLS:
        variant = {key: value for key, value in variant.items() if key != "padding"}
    for dtype in ["float16", "float32", "float64", "int64"]:
        given = {k: v.astype(dtype) if isinstance(v, np.ndarray) else v for k, v in arguments(name, axes).items()}
        if "data_format" in variant:
            given["inputs"] = in_layout(given["inputs"], "channels_first")
        before = [array.copy() for array in arrays_of(given)]
        outputs = getattr(ops, name)(**given, **variant)
        outputs[...] = 99
        for array, copy in zip(arrays_of(given), before, strict=True):
            assert_array_equal(array, copy)


@pytest.mark.parametrize("name", [*POOLS, "conv", "conv_transpose"])
def test_a_window_of_one_pixel_gives_a_copy(name):
    inputs = np.abs(numbers(1, 3, 3, 1))
    rest = {"pool_size": 1} if name in POOLS else {"kernel": np.ones((1, 1, 1, 1))}
    outputs = getattr(ops, name)(inputs, **rest)
    assert_allclose(outputs, inputs, rtol=1e-15)
    assert not np.shares_memory(outputs, inputs)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_no_method_modifies_or_gives_back_its_arguments(method):
    inputs, kernel = numbers(2, 4, 4, 2), np.ones((1, 1, 1, 2))
    before = inputs.copy(), kernel.copy()
    outputs = ops.conv(inputs, kernel, method=method)
    outputs += 1
    assert_array_equal(inputs, before[0])
    assert_array_equal(kernel, before[1])


def backwards(array):
    """The same values in memory that runs the other way."""
    return array[..., ::-1].copy()[..., ::-1]


def spread(array):
    """The same values with a gap after each."""
    room = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    room[..., ::2] = array
    return room[..., ::2]


def locked(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("make", [np.asfortranarray, backwards, spread, locked], ids=lambda make: make.__name__)
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("name", EVERY)
def test_memory_in_any_order_and_read_only_memory_give_the_same(name, axes, make):
    given = arguments(name, axes)
    other = {key: make(value) if isinstance(value, np.ndarray) else value for key, value in given.items()}
    assert not any(array.flags.c_contiguous and array.flags.writeable for array in arrays_of(other) if array.size > 6)
    outputs = getattr(ops, name)(**other)
    assert_allclose(outputs, call(name, axes), rtol=1e-12)
    assert outputs.flags.c_contiguous
    assert outputs.flags.writeable


@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("name", EVERY)
def test_the_result_is_contiguous_and_writable(name, axes, data_format, dtype):
    given = arguments(name, axes, dtype=dtype)
    given["inputs"] = in_layout(given["inputs"], data_format)
    outputs = getattr(ops, name)(**given, data_format=data_format)
    assert outputs.flags.c_contiguous
    assert outputs.flags.writeable


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("data_format", LAYOUTS)
def test_the_result_of_every_method_is_contiguous_and_writable(method, axes, data_format):
    given = arguments("conv", axes)
    given["inputs"] = in_layout(given["inputs"], data_format)
    outputs = ops.conv(**given, strides=2, data_format=data_format, method=method)
    assert outputs.flags.c_contiguous
    assert outputs.flags.writeable
