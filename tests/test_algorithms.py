"""Every way to convolve gives what the loops of the definition give; the loops give what SciPy gives."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from problems import numbers, problems
from scipy.signal import convolve2d, correlate2d

from convbook import ops, shapes
from convbook.algorithms import METHODS, _blocks, toeplitz

quick = settings(max_examples=120, deadline=None)
OTHERS = sorted(set(METHODS) - {"naive"})
# float16 is computed in float32 and rounded at the end, so two methods may differ by one step of float16.
TOLERANCE = {"float16": 4e-3, "float32": 2e-5, "float64": 1e-12}


def with_gaps(array, steps):
    """The first two axes with ``steps - 1`` zeros between neighbours."""
    spread = np.zeros((*((n - 1) * step + 1 for n, step in zip(array.shape, steps, strict=False)), *array.shape[2:]))
    spread[:: steps[0], :: steps[1]] = array
    return spread


def agree(ours, definition):
    assert ours.shape == definition.shape
    assert ours.dtype == definition.dtype
    tolerance = TOLERANCE[definition.dtype.name]
    assert_allclose(ours, definition, rtol=tolerance, atol=tolerance * max(1, np.abs(definition).max(initial=0)))


# --- the definition -------------------------------------------------------------------------------------------


@quick
@given(st.data())
def test_naive_equals_scipy_channel_by_channel(data):
    groups, group_channels, per_group = (data.draw(st.integers(1, 2)) for _ in range(3))
    strides, dilation = [(data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))) for _ in range(2)]
    kernel = numbers(data.draw, *(data.draw(st.integers(1, 3)) for _ in range(2)), group_channels, groups * per_group)
    spread = with_gaps(kernel, dilation)
    sizes = [extent + data.draw(st.integers(0, 4)) for extent in spread.shape[:2]]
    inputs = numbers(data.draw, data.draw(st.integers(1, 2)), *sizes, groups * group_channels)

    expected = []
    for image in inputs:
        maps = []
        for index in range(groups * per_group):
            first = index // per_group * group_channels
            maps.append(
                sum(
                    correlate2d(image[:, :, first + c], spread[:, :, c, index], mode="valid")
                    for c in range(group_channels)
                )[:: strides[0], :: strides[1]]
            )
        expected.append(np.stack(maps, axis=-1))
    assert_allclose(METHODS["naive"](inputs, kernel, strides, dilation), np.stack(expected), rtol=1e-12, atol=1e-12)


def test_naive_does_not_flip_the_kernel():
    impulse = np.zeros((1, 3, 3, 1))
    impulse[0, 1, 1, 0] = 1
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    # Correlated with a single one, the kernel comes out turned by half a turn.
    outputs = ops.conv(impulse, kernel, padding="same", method="naive")
    assert_array_equal(outputs[0, :, :, 0], [[8, 7, 6], [5, 4, 3], [2, 1, 0]])


@quick
@given(st.data())
def test_one_dimensional_conv_equals_the_dot_products_of_numpy(data):
    stride, dilation = data.draw(st.sampled_from([(1, 1), (1, 2), (1, 3), (2, 1), (3, 1)]))
    taps, channels, filters = (data.draw(st.integers(1, 3)) for _ in range(3))
    inputs = numbers(data.draw, 2, (taps - 1) * dilation + 1 + data.draw(st.integers(0, 5)), channels)
    kernel = numbers(data.draw, taps, channels, filters)
    spread = with_gaps(kernel[:, np.newaxis], (dilation, 1))[:, 0]
    expected = [
        sum(np.correlate(line[:, c], spread[:, c, index], mode="valid") for c in range(channels))[::stride]
        for line, index in itertools.product(inputs, range(filters))
    ]
    outputs = ops.conv(inputs, kernel, stride, dilation_rate=dilation)
    assert_allclose(np.moveaxis(outputs, -1, 1).reshape(2 * filters, -1), expected, rtol=1e-12, atol=1e-12)


@quick
@given(st.data())
def test_depthwise_and_separable_conv_equal_scipy_with_the_filters_of_a_channel_side_by_side(data):
    strides, dilation = [(data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))) for _ in range(2)]
    channels, multiplier = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    kernel = numbers(data.draw, *(data.draw(st.integers(1, 3)) for _ in range(2)), channels, multiplier)
    spread = with_gaps(kernel, dilation)
    inputs = numbers(data.draw, 1, *(n + data.draw(st.integers(0, 4)) for n in spread.shape[:2]), channels)
    maps = [
        correlate2d(inputs[0, :, :, c], spread[:, :, c, q], mode="valid")[:: strides[0], :: strides[1]]
        for c, q in itertools.product(range(channels), range(multiplier))
    ]
    outputs = ops.depthwise_conv(inputs, kernel, strides, dilation_rate=dilation)
    assert_allclose(outputs[0], np.stack(maps, axis=-1), rtol=1e-12, atol=1e-12)
    pointwise = numbers(data.draw, 1, 1, channels * multiplier, 2)
    outputs = ops.separable_conv(inputs, kernel, pointwise, strides, dilation_rate=dilation)
    assert_allclose(outputs[0], np.tensordot(np.stack(maps, axis=-1), pointwise[0, 0], 1), rtol=1e-12, atol=1e-12)


@quick
@given(st.data())
def test_conv_transpose_equals_the_full_convolution_of_scipy_with_zeros_between_the_pixels(data):
    strides, dilation = [(data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))) for _ in range(2)]
    channels, filters = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    inputs = numbers(data.draw, *(data.draw(st.integers(1, 4)) for _ in range(2)), channels)
    kernel = numbers(data.draw, *(data.draw(st.integers(1, 3)) for _ in range(2)), filters, channels)
    wide, spread = with_gaps(inputs, strides), with_gaps(kernel, dilation)
    expected = [
        sum(convolve2d(wide[:, :, c], spread[:, :, index, c], mode="full") for c in range(channels))
        for index in range(filters)
    ]
    outputs = ops.conv_transpose(inputs[np.newaxis], kernel, strides, 0, dilation_rate=dilation)
    assert_allclose(outputs[0], np.stack(expected, axis=-1), rtol=1e-12, atol=1e-12)
    if wide.shape[0] == 1:  # an image of one row, as a sequence
        outputs = ops.conv_transpose(inputs[:1], kernel[0], strides[1], 0, dilation_rate=dilation[1])
        assert_allclose(outputs[0], np.stack(expected, axis=-1)[0], rtol=1e-12, atol=1e-12)


# --- all the others -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*OTHERS, "auto"])
@quick
@given(problem=problems())
def test_every_method_equals_the_definition(method, problem):
    agree(ops.conv(*problem, method=method), ops.conv(*problem, method="naive"))


@pytest.mark.parametrize("method", OTHERS)
@quick
@given(data=st.data())
def test_every_method_takes_strides_and_dilation_together(method, data):
    groups, group_channels, per_group = (data.draw(st.integers(1, 2)) for _ in range(3))
    strides, dilation = [(data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))) for _ in range(2)]
    kernel_size = [data.draw(st.integers(1, 3)) for _ in range(2)]
    sizes = [d * (k - 1) + 1 + data.draw(st.integers(0, 5)) for k, d in zip(kernel_size, dilation, strict=True)]
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    inputs = numbers(data.draw, data.draw(st.integers(0, 2)), *sizes, groups * group_channels, dtype=dtype)
    kernel = numbers(data.draw, *kernel_size, group_channels, groups * per_group, dtype=dtype)
    agree(METHODS[method](inputs, kernel, strides, dilation), METHODS["naive"](inputs, kernel, strides, dilation))


@pytest.mark.parametrize("method", OTHERS)
@quick
@given(data=st.data())
def test_every_method_serves_the_depthwise_and_the_separable_convolution(method, data):
    axes, channels, multiplier = data.draw(st.sampled_from([1, 2])), *(data.draw(st.integers(1, 3)) for _ in range(2))
    inputs = numbers(data.draw, 2, *(data.draw(st.integers(3, 6)) for _ in range(axes)), channels)
    depthwise = numbers(data.draw, *[2] * axes, channels, multiplier)
    pointwise = numbers(data.draw, *[1] * axes, channels * multiplier, 2)
    rest = {"strides": data.draw(st.integers(1, 2)), "dilation_rate": data.draw(st.integers(1, 2)), "padding": "same"}
    agree(
        ops.depthwise_conv(inputs, depthwise, **rest, method=method),
        ops.depthwise_conv(inputs, depthwise, **rest, method="naive"),
    )
    agree(
        ops.separable_conv(inputs, depthwise, pointwise, **rest, method=method),
        ops.separable_conv(inputs, depthwise, pointwise, **rest, method="naive"),
    )


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_method_computes_in_the_dtype_of_its_inputs(method, dtype):
    inputs, kernel = np.ones((1, 4, 4, 1), dtype), np.ones((2, 2, 1, 1), dtype)
    assert METHODS[method](inputs, kernel, (1, 1), (1, 1)).dtype == dtype


@pytest.mark.parametrize("method", [*METHODS, "auto"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_empty_batch_gives_an_empty_result_by_every_method(method, dtype):
    kernel = np.ones((3, 2, 2, 4), dtype)
    outputs = ops.conv(np.ones((0, 7, 6, 4), dtype), kernel, (2, 1), method=method)
    assert (outputs.shape, outputs.dtype) == ((0, 3, 5, 4), dtype)
    outputs = ops.conv(np.ones((0, 4, 7), dtype), kernel[0], 2, data_format="channels_first", method=method)
    assert (outputs.shape, outputs.dtype) == ((0, 4, 3), dtype)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_name_runs_the_algorithm_of_that_name(method, monkeypatch):
    ran = []
    for name, algorithm in METHODS.items():
        monkeypatch.setitem(METHODS, name, lambda *given, n=name, a=algorithm: ran.append(n) or a(*given))
    ops.conv(np.ones((1, 4, 4, 2)), np.ones((2, 2, 2, 1)), method=method)
    ops.conv(np.ones((1, 4, 2)), np.ones((2, 2, 1)), method=method)
    ops.depthwise_conv(np.ones((1, 4, 4, 2)), np.ones((2, 2, 2, 1)), method=method)
    ops.separable_conv(np.ones((1, 4, 4, 2)), np.ones((2, 2, 2, 1)), np.ones((1, 1, 2, 1)), method=method)
    assert ran == [method] * 5


def test_each_name_is_the_file_the_algorithm_is_in():
    for name, algorithm in METHODS.items():
        assert algorithm.__module__ == f"convbook.algorithms.{name.removesuffix('_2x2').removesuffix('_4x4')}"


# --- block by block -------------------------------------------------------------------------------------------

IN_BLOCKS = ["banded", "blocked", "pointwise", "depthwise", "kn2row", "overlap_save", "winograd_2x2", "winograd_4x4"]


@pytest.mark.parametrize("method", IN_BLOCKS)
@settings(quick, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problem=problems(dtypes=("float64",)))
def test_blocks_put_together_are_the_whole(small_blocks, method, problem):
    agree(ops.conv(*problem, method=method), ops.conv(*problem, method="naive"))


@pytest.mark.parametrize("method", IN_BLOCKS)
@settings(quick, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problem=problems(dtypes=("float32",), smallest_batch=1), data=st.data())
def test_blocks_keep_nan_and_infinity_to_their_windows(small_blocks, method, problem, data):
    inputs, kernel, *rest = problem
    inputs.flat[data.draw(st.integers(0, inputs.size - 1))] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    with np.errstate(invalid="ignore"):
        ours, definition = (ops.conv(inputs, kernel, *rest, method=m) for m in (method, "naive"))
    assert_array_equal(kinds(ours), kinds(definition))


@settings(quick, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 40), largest=st.integers(1, 50), unit=st.integers(1, 5), parts=st.integers(1, 6))
def test_a_cut_covers_everything_once_in_pieces_that_are_not_too_large(size, largest, unit, parts):
    pieces = _blocks.cut(size, largest, unit, parts)
    assert [place for start, stop in pieces for place in range(start, stop)] == list(range(size))
    assert all((stop - start) % unit == 0 for start, stop in pieces[:-1])
    assert all(stop - start <= max(largest, unit) for start, stop in pieces)
    assert len(pieces) >= min(parts, -(-size // unit))


# --- NaN and infinity -----------------------------------------------------------------------------------------


def kinds(outputs):
    """0 where a value is finite, and a number of its own for NaN, for infinity and for minus infinity."""
    return np.isnan(outputs) * 1 + np.isposinf(outputs) * 2 + np.isneginf(outputs) * 3


@pytest.mark.parametrize("method", [*OTHERS, "auto"])
@quick
@given(problem=problems(dtypes=("float16", "float32", "float64"), smallest_batch=1), data=st.data())
def test_nan_and_infinity_come_out_where_they_do_by_the_definition(method, problem, data):
    inputs, kernel, *rest = problem
    placed = data.draw(st.lists(st.sampled_from([np.nan, np.inf, -np.inf]), min_size=1, max_size=3))
    for value in placed:
        # Rarely into the kernel: from there it reaches every output.
        array = kernel if data.draw(st.integers(0, 4)) == 4 else inputs
        array.flat[data.draw(st.integers(0, array.size - 1))] = value
    with np.errstate(invalid="ignore"):
        ours, definition = (ops.conv(inputs, kernel, *rest, method=m) for m in (method, "naive"))
    assert_array_equal(kinds(ours), kinds(definition))
    finite = np.isfinite(definition)
    agree(ours[finite], definition[finite])


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_bad_pixel_reaches_the_windows_that_contain_it_and_no_others(method, value):
    inputs, kernel = np.ones((2, 6, 7, 2)), np.ones((3, 2, 1, 2))
    inputs[1, 2, 3, 0] = value
    outputs = ops.conv(inputs, kernel, method=method)
    # Rows 0 to 2 of the output read row 2; columns 2 and 3 read column 3; filter 0 reads channel 0.
    expected = np.full(outputs.shape, 6.0)
    expected[1, 0:3, 2:4, 0] = value
    assert_allclose(outputs, expected, rtol=1e-12)


# --- the matrix -----------------------------------------------------------------------------------------------


@quick
@given(st.data())
def test_the_matrix_times_the_raveled_image_is_the_raveled_convolution(data):
    groups, group_channels, per_group = (data.draw(st.integers(1, 2)) for _ in range(3))
    strides, dilation = [(data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))) for _ in range(2)]
    kernel_size = [data.draw(st.integers(1, 3)) for _ in range(2)]
    sizes = [d * (k - 1) + 1 + data.draw(st.integers(0, 3)) for k, d in zip(kernel_size, dilation, strict=True)]
    image = numbers(data.draw, *sizes, groups * group_channels)
    kernel = numbers(data.draw, *kernel_size, group_channels, groups * per_group)
    matrix = toeplitz.matrix(image.shape, kernel, strides, dilation)
    outputs = METHODS["naive"](image[np.newaxis], kernel, strides, dilation)[0]
    assert matrix.shape == (outputs.size, image.size)
    assert_allclose(matrix @ image.ravel(), outputs.ravel(), rtol=1e-12, atol=1e-12)
    # A nonzero weight is a connection.
    connections = shapes.conv_multiplications(outputs.shape[:2], kernel_size, image.shape[2], kernel.shape[3], groups)
    assert np.count_nonzero(matrix) == connections


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_in_one_dimension_each_row_is_the_row_above_shifted_by_the_stride(stride, dilation):
    kernel = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    matrix = toeplitz.matrix((1, 14, 1), kernel, (1, stride), (1, dilation))
    assert_array_equal(matrix[0, : 2 * dilation + 1 : dilation], [1, 2, 3])
    assert np.count_nonzero(matrix[0]) == 3
    assert len(matrix) == len(range(0, 14 - 2 * dilation, stride))
    for above, row in itertools.pairwise(matrix):
        assert_array_equal(row, [0] * stride + above[:-stride].tolist())


def test_in_two_dimensions_the_blocks_repeat_and_so_do_the_rows_within_them():
    matrix = toeplitz.matrix((5, 6, 1), np.arange(1.0, 7.0).reshape(2, 3, 1, 1)).reshape(4, 4, 5, 6)
    assert_array_equal(matrix[0, 0, :2, :3], [[1, 2, 3], [4, 5, 6]])
    assert_array_equal(matrix[1:, :, 1:, :], matrix[:-1, :, :-1, :])
    assert_array_equal(matrix[:, 1:, :, 1:], matrix[:, :-1, :, :-1])


def test_the_matrix_has_the_dtype_of_the_kernel():
    for dtype in ("float32", "float64"):
        assert toeplitz.matrix((3, 3, 1), np.ones((2, 2, 1, 1), dtype)).dtype == dtype


def test_a_matrix_of_more_than_2_to_the_28_entries_is_refused_before_it_is_made():
    inputs, kernel = np.ones((1, 200, 200, 1)), np.ones((3, 3, 1, 1))
    expected = r"^method: 'toeplitz' needs a matrix of 39204 x 40000 here, expected at most 268435456 entries"
    with pytest.raises(ValueError, match=expected):
        ops.conv(inputs, kernel, method="toeplitz")
    with pytest.raises(ValueError, match=expected):
        toeplitz.matrix((200, 200, 1), kernel)


def test_the_limit_counts_outputs_times_inputs(monkeypatch):
    monkeypatch.setattr(toeplitz, "_LARGEST", 16 * 36)
    kernel = np.ones((3, 3, 1, 1))
    assert toeplitz.matrix((6, 6, 1), kernel).shape == (16, 36)
    with pytest.raises(ValueError, match="matrix of 20 x 42 here, expected at most 576 entries"):
        toeplitz.matrix((6, 7, 1), kernel)
