"""The algorithms for speed: as exact as they say, within the memory they say, the same on any number of cores."""

import concurrent.futures
import os
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from problems import problems

from convbook import algorithms, gradients, ops
from convbook.algorithms import _blocks, _threads, banded, blocked, depthwise, pointwise, winograd
from convbook.benchmark.conv import LAYERS

quick = settings(max_examples=60, deadline=None)


def arguments(layer, batch=None):
    inputs, kernel, gradient = (array[:batch] if index != 1 else array for index, array in enumerate(layer.arrays()))
    padding = ((layer.padding,) * 2,) * 2
    return inputs, kernel, gradient, ((layer.stride,) * 2, (1, 1), padding)


def relative_error(ours, exact):
    return np.abs(ours - exact).max() / np.abs(exact).max()


# --- accuracy -------------------------------------------------------------------------------------------------


def methods_for(layer):
    if layer.filters is None:
        return ["auto", "depthwise", "blocked"]
    return ["auto", "banded", "blocked", "kn2row", "pointwise", "winograd_2x2", "winograd_4x4"]


@pytest.mark.parametrize(
    ("layer", "method"), [(layer, method) for layer in LAYERS for method in methods_for(layer)], ids=str
)
def test_errors_in_float32_are_as_small_as_promised(layer, method):
    inputs, kernel, _, rest = arguments(layer, 1)
    exact = algorithms.convolve(inputs.astype(float), kernel.astype(float), *rest, method="im2col")
    chosen = algorithms.plan(inputs.shape, kernel.shape, *rest).method if method == "auto" else method
    promised = 2e-5 if chosen == "winograd_4x4" else 2e-6
    assert relative_error(algorithms.convolve(inputs, kernel, *rest, method=method), exact) < promised


@pytest.mark.parametrize("size", [21, 31, 64])
def test_errors_of_large_kernels_are_as_small_as_promised(size):
    rng = np.random.default_rng(0)
    inputs, kernel = rng.normal(size=(2, 140, 150, 3)), rng.normal(size=(size, size, 3, 5))
    exact = ops.conv(inputs, kernel, padding="same", method="im2col")
    ours = ops.conv(inputs.astype("float32"), kernel.astype("float32"), padding="same")
    assert relative_error(ours, exact) < 2e-6
    shapes = inputs.shape, kernel.shape
    assert algorithms.plan(*shapes).method == "overlap_save"
    assert algorithms.plan(*shapes, dtype="float64").method != "overlap_save"


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_errors_of_the_gradients_are_as_small_as_promised(layer):
    inputs, kernel, gradient, rest = arguments(layer, 1)
    whole = [array.astype(float) for array in (inputs, kernel, gradient)]
    of_kernel = algorithms.kernel_gradient(inputs, gradient, kernel.shape, *rest)
    of_inputs = algorithms.input_gradient(gradient, kernel, inputs.shape, *rest)
    assert relative_error(of_kernel, algorithms.kernel_gradient(whole[0], whole[2], kernel.shape, *rest)) < 2e-5
    assert relative_error(of_inputs, algorithms.input_gradient(whole[2], whole[1], inputs.shape, *rest)) < 2e-5


@pytest.mark.parametrize(("outputs", "kernel"), [(m, r) for m in (1, 2, 4) for r in range(1, 6)])
def test_winograds_matrices_give_a_correlation_in_one_dimension(outputs, kernel):
    inverse, of_kernel, of_tile = winograd.matrices(outputs, kernel)
    values = outputs + kernel - 1
    assert (inverse.shape, of_kernel.shape, of_tile.shape) == ((outputs, values), (values, kernel), (values, values))
    rng = np.random.default_rng(outputs * 10 + kernel)
    pixels, weights = rng.normal(size=values), rng.normal(size=kernel)
    by_winograd = inverse @ ((of_kernel @ weights) * (of_tile @ pixels))
    np.testing.assert_allclose(by_winograd, np.correlate(pixels, weights, "valid"), rtol=1e-10, atol=1e-10)


# --- the choice -----------------------------------------------------------------------------------------------


def test_the_plan_for_the_twelve_layers():
    picked = {}
    for layer in LAYERS:
        inputs, kernel, _, rest = arguments(layer, 1)
        picked[layer.name] = algorithms.plan(inputs.shape, kernel.shape, *rest).method
    assert picked == {
        "LeNet C1": "banded",
        "LeNet C3": "banded",
        "Keras example": "banded",
        "CIFAR": "banded",
        "AlexNet conv1": "winograd_4x4",
        "AlexNet conv2": "winograd_4x4",
        "VGG, 56 pixels": "winograd_4x4",
        "VGG, 28 pixels": "winograd_4x4",
        "VGG, 14 pixels": "winograd_4x4",
        "ResNet 1x1": "pointwise",
        "ResNet, stride 2": "blocked",
        "MobileNet depthwise": "depthwise",
    }


@pytest.mark.parametrize(
    ("kernel", "strides", "dilation", "method"),
    [
        ((3, 3, 32, 32), 1, 1, "winograd_4x4"),
        ((3, 3, 31, 32), 1, 1, "blocked"),
        ((5, 5, 12, 12), 1, 1, "winograd_4x4"),
        ((3, 3, 32, 32), 1, 2, "blocked"),
        ((3, 3, 32, 32), 2, 1, "blocked"),
        ((5, 5, 32, 32), 2, 1, "winograd_4x4"),
        ((3, 3, 17, 16), 1, 1, "kn2row"),
        ((3, 3, 16, 16), 1, 1, "blocked"),
        ((3, 3, 20, 17), 1, 1, "blocked"),
        ((3, 3, 17, 15), 2, 1, "banded"),
        ((3, 3, 8, 63), 1, 1, "banded"),
        ((3, 3, 8, 64), 1, 1, "blocked"),
    ],
)
def test_the_plan_where_one_rule_ends_and_the_next_begins(kernel, strides, dilation, method):
    shape = (2, 28, 28, kernel[2])
    assert algorithms.plan(shape, kernel, (strides,) * 2, (dilation,) * 2).method == method


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_auto_computes_what_the_plan_says(layer, monkeypatch):
    inputs, kernel, _, rest = arguments(layer, 1)
    plan = algorithms.plan(inputs.shape, kernel.shape, *rest)
    ran = []
    for name, algorithm in algorithms.METHODS.items():
        monkeypatch.setitem(algorithms.METHODS, name, lambda *given, n=name, a=algorithm: ran.append(n) or a(*given))
    ops.conv(inputs, kernel, layer.stride, layer.padding)
    assert ran == [plan.method]
    assert plan.reason


@quick
@given(problems(dtypes=("float64",), smallest_batch=1))
def test_float64_is_never_computed_with_less_accuracy(problem):
    inputs, kernel, *rest = problem
    for layer in LAYERS:
        given_inputs, given_kernel, _, arguments_ = arguments(layer, 1)
        plan = algorithms.plan(given_inputs.shape, given_kernel.shape, *arguments_, dtype="float64")
        assert "winograd" not in plan.method
    definition = ops.conv(inputs, kernel, *rest, method="naive")
    np.testing.assert_allclose(ops.conv(inputs, kernel, *rest), definition, rtol=1e-12, atol=1e-12)


# --- memory ---------------------------------------------------------------------------------------------------

LARGE = {
    "many images": ((600, 60, 60, 8), (3, 3, 8, 8), (1, 1)),
    "one large image": ((1, 2000, 2000, 4), (3, 3, 4, 4), (1, 1)),
    "one row": ((1, 1, 2_000_000, 4), (1, 5, 4, 4), (1, 1)),
    "one column": ((1, 2_000_000, 1, 4), (5, 1, 4, 4), (1, 1)),
    "few filters": ((4, 300, 300, 32), (3, 3, 32, 4), (1, 1)),
    "many filters": ((8, 14, 14, 512), (3, 3, 512, 1024), (1, 1)),
    "a large output": ((7, 66, 66, 32), (3, 3, 32, 512), (1, 1)),
    "many channels": ((1, 150, 150, 256), (3, 3, 256, 256), (1, 1)),
    "a stride": ((4, 600, 600, 16), (3, 3, 16, 16), (2, 2)),
    "1x1": ((4, 500, 500, 16), (1, 1, 16, 16), (1, 1)),
    "depthwise": ((4, 500, 500, 32), (3, 3, 1, 32), (1, 1)),
    "depthwise, one row": ((1, 1, 300_000, 32), (3, 3, 1, 32), (1, 1)),
    "a large kernel": ((1, 1200, 1200, 4), (31, 31, 4, 4), (1, 1)),
}
BOUND = 64e6


def extra_memory(function):
    """The most bytes beyond the result, those of workspaces among them."""
    _threads.release()
    tracemalloc.start()
    try:
        result = function()
        return tracemalloc.get_traced_memory()[1] - result.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", LARGE)
def test_memory_is_bounded_whatever_the_input(name):
    shape, kernel_shape, strides = LARGE[name]
    rng = np.random.default_rng(0)
    inputs, kernel = (rng.standard_normal(size, np.float32) for size in (shape, kernel_shape))
    rest = (strides, (1, 1), ((1, 1), (1, 1)))
    outputs = algorithms.convolve(inputs, kernel, *rest)
    assert inputs.nbytes + kernel.nbytes + outputs.nbytes > 20e6
    assert extra_memory(lambda: algorithms.convolve(inputs, kernel, *rest)) < BOUND
    assert extra_memory(lambda: algorithms.kernel_gradient(inputs, outputs, kernel.shape, *rest)) < BOUND
    assert extra_memory(lambda: algorithms.input_gradient(outputs, kernel, inputs.shape, *rest)) < BOUND


# --- threads --------------------------------------------------------------------------------------------------


@pytest.fixture
def four_threads(monkeypatch):
    monkeypatch.setattr(_threads.os, "sched_getaffinity", lambda _: range(4), raising=False)


@pytest.mark.usefixtures("four_threads")
def test_every_item_is_worked_on_once_by_several_threads():
    done, meeting = [], threading.Barrier(4, timeout=20)

    def work(item, workspace):
        if item < 4:
            meeting.wait()  # until four threads are here at the same time
        done.append((item, threading.get_ident(), id(workspace)))

    _threads.parallel(work, range(50))
    assert sorted(item for item, *_ in done) == list(range(50))
    assert len({thread for _, thread, _ in done}) == 4
    assert len({(thread, workspace) for _, thread, workspace in done}) == 4


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize("bad", [0, 3, 30])
def test_an_error_is_raised_and_ends_the_rest(bad):
    started = []

    def work(item, _):
        started.append(item)
        if item == bad:
            raise ArithmeticError("out of luck")
        threading.Event().wait(0.001)

    with pytest.raises(ArithmeticError, match="out of luck"):
        _threads.parallel(work, range(1000))
    assert len(started) < 1000
    _threads.parallel(work, range(1000, 1010))  # and the next one works
    assert set(range(1000, 1010)) <= set(started)


@pytest.mark.usefixtures("four_threads")
def test_work_that_is_shared_already_stays_in_its_thread():
    seen = set()

    def work(item, _):
        seen.add(threading.get_ident())

    with _threads.alone():
        assert _threads.threads() == 1
        _threads.parallel(work, range(20))
    assert seen == {threading.get_ident()}
    assert _threads.threads() == 4


def blas_threads():
    return [library["num_threads"] for library in _threads._blas().info()]


@pytest.mark.usefixtures("four_threads")
def test_matrix_products_take_one_thread_within_and_have_their_own_back_after():
    before, within = blas_threads(), []
    _threads.parallel(lambda *_: within.append(blas_threads()), range(8))
    assert within == [[1] * len(before)] * 8
    assert blas_threads() == before

    def fail(*_):
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        _threads.parallel(fail, range(8))
    assert blas_threads() == before


@pytest.mark.usefixtures("four_threads")
def test_callers_in_several_threads_do_not_leave_matrix_products_with_one_thread():
    before, meeting = blas_threads(), threading.Barrier(4, timeout=20)
    with concurrent.futures.ThreadPoolExecutor(3) as callers:
        # They begin together, and end one after the other.
        others = [
            callers.submit(_threads.parallel, lambda n, _: meeting.wait() and time.sleep(n), [n / 50], 1)
            for n in range(3)
        ]
        _threads.parallel(lambda *_: meeting.wait(), [0], 1)
        for other in others:
            other.result()
    assert blas_threads() == before


@pytest.mark.usefixtures("four_threads")
def test_threads_have_the_callers_settings_for_floating_point_errors():
    def work(item, _):
        threading.Event().wait(0.005)
        np.zeros(3) / np.zeros(3)

    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        _threads.parallel(work, range(20))
    with np.errstate(invalid="ignore"):
        _threads.parallel(work, range(20))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    big = np.ones((8, 40, 40, 32), np.float32), np.ones((3, 3, 32, 32), np.float32)
    expected = ops.conv(*big).sum()
    child = os.fork()
    if child == 0:
        os._exit(0 if ops.conv(*big).sum() == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_workspace_gives_the_same_memory_again_and_never_too_little():
    workspace = _threads.Workspace()
    first = workspace.array("a", (3, 4), np.float32)
    assert np.shares_memory(workspace.array("a", (2, 5), np.float32), first)
    assert not np.shares_memory(workspace.array("b", (2, 5), np.float32), first)
    assert workspace.array("a", (7, 9), np.float64).shape == (7, 9)
    assert workspace.array("a", (2, 2), np.float32).dtype == np.float32
    assert workspace.array("a", (0, 2), np.float32).shape == (0, 2)
    assert workspace.nbytes == 4 * 4 + 10 * 4  # what "a" and "b" have now


def test_workspaces_are_kept_for_the_next_call_but_not_too_many(monkeypatch):
    used = []

    def work(item, workspace):
        used.append(workspace)
        workspace.array("some", (item,), np.float32)

    _threads.release()
    _threads.parallel(work, [100], 1)
    _threads.parallel(lambda _, outer: _threads.parallel(work, [10], 1) or used.append(outer), [0], 1)
    assert used[1] is not used[2]  # one within the other
    assert used[0] in used[1:]
    monkeypatch.setattr(_threads, "_SPARE_BYTES", 4 * 110)
    _threads.release()
    _threads.parallel(work, [100, 111], 1)
    assert not _threads._spare
    _threads.parallel(work, [100, 110], 1)
    assert [workspace.nbytes for workspace in _threads._spare] == [4 * 110]
    _threads.release()
    assert not _threads._spare


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_the_gradient_of_a_kernel_is_the_same_to_the_bit_on_any_number_of_cores(layer, monkeypatch):
    inputs, _, gradient, rest = arguments(layer, 2)
    found = []
    for cores in (1, 2, 5):
        monkeypatch.setattr(_threads.os, "sched_getaffinity", lambda _, n=cores: range(n), raising=False)
        found.append(algorithms.kernel_gradient(inputs, gradient, layer.kernel_shape, *rest))
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], found[2])


# --- gradients, block by block ----------------------------------------------------------------------------------


OF_KERNEL = {
    "banded": banded.kernel_gradient,
    "blocked": blocked.kernel_gradient,
    "pointwise": pointwise.kernel_gradient,
    "depthwise": depthwise.kernel_gradient,
    "winograd_4x4": winograd.kernel_gradient_4x4,
}


@st.composite
def convolutions(draw):
    """Arguments of an algorithm, in float64: inputs, kernel and the rest."""
    groups, channels, filters = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    strides = tuple(draw(st.integers(1, 3)) for _ in range(2))
    dilation = tuple(draw(st.integers(1, 2)) for _ in range(2))
    size = [draw(st.integers(1, 5)) for _ in range(2)]
    padding = tuple((draw(st.integers(0, 4)), draw(st.integers(0, 4))) for _ in range(2))
    room = [max(1, d * (k - 1) + 1 - sum(pair)) for d, k, pair in zip(dilation, size, padding, strict=True)]
    shape = (draw(st.integers(1, 3)), *(least + draw(st.integers(0, 6)) for least in room), groups * channels)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.normal(size=shape), rng.normal(size=(*size, channels, groups * filters)), (strides, dilation, padding)


def by_definition(inputs, kernel, gradient, rest):
    """Both gradients from the loops: each is linear, and the sum of what single windows contribute."""
    (down, across), (rows, columns), padding = rest
    padded = np.pad(inputs, ((0, 0), *padding, (0, 0)))
    of_inputs, of_kernel = np.zeros_like(padded), np.zeros_like(kernel)
    channels, filters = kernel.shape[2], kernel.shape[3] * kernel.shape[2] // inputs.shape[3]
    height, width = (d * (k - 1) + 1 for d, k in zip((rows, columns), kernel.shape[:2], strict=True))
    for image, i, j, f in np.ndindex(*gradient.shape):
        first = f // filters * channels
        window = (
            image,
            slice(i * down, i * down + height, rows),
            slice(j * across, j * across + width, columns),
            slice(first, first + channels),
        )
        of_kernel[..., f] += padded[window] * gradient[image, i, j, f]
        of_inputs[window] += kernel[..., f] * gradient[image, i, j, f]
    inside = (slice(a, size - b) for (a, b), size in zip(padding, padded.shape[1:3], strict=True))
    return of_inputs[:, *inside], of_kernel


@pytest.mark.parametrize("method", OF_KERNEL)
@settings(quick, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problem=convolutions(), seed=st.integers(0, 2**32 - 1))
def test_gradients_of_the_kernel_are_those_of_the_definition(small_blocks, method, problem, seed):
    inputs, kernel, rest = problem
    shape = _blocks.Sizes(inputs.shape, kernel.shape, *rest).output
    gradient = np.random.default_rng(seed).normal(size=shape)
    _, expected = by_definition(inputs, kernel, gradient, rest)
    ours = OF_KERNEL[method](inputs, gradient, kernel.shape, *rest)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-9 * max(1, np.abs(expected).max()))


@settings(quick, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problem=convolutions(), seed=st.integers(0, 2**32 - 1))
def test_gradients_of_the_inputs_are_those_of_the_definition(small_blocks, problem, seed):
    inputs, kernel, rest = problem
    shape = _blocks.Sizes(inputs.shape, kernel.shape, *rest).output
    gradient = np.random.default_rng(seed).normal(size=shape)
    expected, _ = by_definition(inputs, kernel, gradient, rest)
    ours = algorithms.input_gradient(gradient, kernel, inputs.shape, *rest)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-9 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_reaches_only_what_it_touches(value):
    inputs, gradient = np.ones((1, 12, 12, 40), np.float32), np.zeros((1, 10, 10, 48), np.float32)
    gradient[0, 2, 3, 7] = value
    of_kernel = gradients.conv_kernel(inputs, gradient, (3, 3, 40, 48))
    assert not np.isfinite(of_kernel[..., 7]).any()
    assert np.isfinite(np.delete(of_kernel, 7, axis=3)).all()
    of_inputs = gradients.conv_input(gradient, np.ones((3, 3, 40, 48), np.float32), inputs.shape)
    assert not np.isfinite(of_inputs[0, 2:5, 3:6]).any()
    of_inputs[0, 2:5, 3:6] = 0
    assert np.isfinite(of_inputs).all()
