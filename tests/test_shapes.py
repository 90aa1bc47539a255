"""Every count in ``convbook.shapes`` against counting by hand, by brute force, and in published tables."""

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convbook import shapes

quick = settings(max_examples=150, deadline=None)


def read_positions(start, kernel, dilation):
    """The pixels a kernel reads when its first element lies on pixel ``start``."""
    return [start + dilation * element for element in range(kernel)]


def count_windows(pixels, kernel, stride, dilation):
    """Slide the kernel over ``pixels`` padded pixels, and count the places where it lies fully inside."""
    return sum(read_positions(start, kernel, dilation)[-1] < pixels for start in range(0, pixels, stride))


# --- effective_kernel, padding_amounts, output_size -----------------------------------------------------------


@pytest.mark.parametrize("kernel", range(1, 6))
@pytest.mark.parametrize("dilation", range(1, 5))
def test_effective_kernel_spans_from_the_first_to_the_last_pixel_read(kernel, dilation):
    read = read_positions(0, kernel, dilation)
    assert shapes.effective_kernel(kernel, dilation) == len(range(read[0], read[-1] + 1))


def test_effective_kernel_is_the_kernel_where_nothing_is_dilated():
    assert [shapes.effective_kernel(kernel) for kernel in (1, 2, 3, 7)] == [1, 2, 3, 7]


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_output_size_counts_the_places_of_the_kernel(kernel, stride, dilation):
    for size, before, after in itertools.product(range(10), range(4), range(4)):
        places = count_windows(before + size + after, kernel, stride, dilation)
        if places:
            assert shapes.output_size(size, kernel, stride, (before, after), dilation) == places
            if before == after:
                assert shapes.output_size(size, kernel, stride, before, dilation) == places
        else:
            with pytest.raises(ValueError, match=r"^kernel: reaches over"):
                shapes.output_size(size, kernel, stride, (before, after), dilation)


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_same_padding_gives_one_output_for_each_stride_begun(kernel, stride, dilation):
    for size in range(12):
        begun = len(range(0, size, stride))
        assert shapes.output_size(size, kernel, stride, "same", dilation) == begun


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_same_padding_is_the_least_that_gives_this_many_outputs(kernel, stride, dilation):
    for size in range(1, 12):
        begun = len(range(0, size, stride))
        least = next(t for t in itertools.count() if count_windows(size + t, kernel, stride, dilation) >= begun)
        assert sum(shapes.padding_amounts("same", size, kernel, stride, dilation)) == least


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "amounts"),
    [
        (5, 3, 1, 1, (1, 1)),
        (5, 2, 1, 1, (0, 1)),
        (5, 4, 1, 1, (1, 2)),
        (6, 3, 2, 1, (0, 1)),
        (7, 3, 2, 1, (1, 1)),
        (224, 7, 2, 1, (2, 3)),
        (5, 2, 1, 3, (1, 2)),
        (5, 1, 3, 1, (0, 0)),
    ],
)
def test_same_padding_puts_the_extra_pixel_last(size, kernel, stride, dilation, amounts):
    assert shapes.padding_amounts("same", size, kernel, stride, dilation) == amounts


def test_valid_padding_adds_nothing():
    for size, kernel, stride, dilation in itertools.product(range(6), (1, 3), (1, 2), (1, 2)):
        assert shapes.padding_amounts("valid", size, kernel, stride, dilation) == (0, 0)


@pytest.mark.parametrize("change", [str.lower, str.title, str.upper])
def test_padding_names_are_read_in_either_case(change):
    assert shapes.padding_amounts(change("same"), 5, 4) == (1, 2)
    assert shapes.padding_amounts(change("valid"), 5, 4) == (0, 0)
    assert shapes.output_size(0, 3, 1, change("same")) == 0


def test_an_integer_pads_both_sides_and_a_pair_each_its_own():
    assert shapes.padding_amounts(2, 5, 3) == (2, 2)
    assert shapes.padding_amounts((2, 1), 5, 3) == (2, 1)
    assert shapes.padding_amounts([0, 3], 5, 3) == (0, 3)


def test_sizes_are_exact_where_a_float_would_round():
    size = 2**53 + 1
    assert shapes.output_size(size, 3, 1, "same") == size
    assert shapes.output_size(size, 3, 1, 1) == size


def test_integers_of_numpy_are_integers():
    assert shapes.output_size(np.int64(7), np.int32(3), np.uint8(2), np.int64(1), np.int16(1)) == 4
    assert type(shapes.output_size(np.int64(7), np.int32(3))) is int


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ((32, 5), 28),  # LeNet-5, C1
        ((28, 2, 2), 14),  # LeNet-5, S2
        ((227, 11, 4), 55),  # AlexNet, conv1
        ((55, 3, 2), 27),  # AlexNet, pool1: windows overlap
        ((27, 5, 1, 2), 27),  # AlexNet, conv2
        ((224, 3, 1, 1), 224),  # VGG-16, every convolution
        ((224, 7, 2, 3), 112),  # ResNet, conv1
        ((112, 3, 2, 1), 56),  # ResNet, max pooling
    ],
)
def test_output_sizes_are_those_of_published_networks(arguments, size):
    assert shapes.output_size(*arguments) == size


# --- parameters and multiplications ---------------------------------------------------------------------------


def connections(output_shape, kernel_shape, c_in, c_out, groups):
    """Every (output, input channel, kernel element) that is multiplied, one by one."""
    for position in np.ndindex(*output_shape):
        for filter_index, channel in itertools.product(range(c_out), range(c_in)):
            # Filters and channels are cut into as many equal blocks as there are groups.
            if filter_index * groups // c_out == channel * groups // c_in:
                for element in np.ndindex(*kernel_shape):
                    yield position, filter_index, channel, element


@st.composite
def layers(draw):
    groups = draw(st.integers(1, 3))
    kernel_shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)))
    return kernel_shape, groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3)), groups


@quick
@given(layers(), st.booleans())
def test_conv_parameters_count_the_weights_of_one_position_and_the_biases(layer, use_bias):
    kernel_shape, c_in, c_out, groups = layer
    weights = len({connection[1:] for connection in connections((1,), kernel_shape, c_in, c_out, groups)})
    biases = c_out if use_bias else 0
    assert shapes.conv_parameters(kernel_shape, c_in, c_out, groups, use_bias) == weights + biases


@quick
@given(layers(), st.lists(st.integers(0, 3), min_size=1, max_size=2))
def test_conv_multiplications_count_the_connections_one_by_one(layer, output_shape):
    kernel_shape, c_in, c_out, groups = layer
    counted = sum(1 for _ in connections(output_shape, kernel_shape, c_in, c_out, groups))
    assert shapes.conv_multiplications(output_shape, kernel_shape, c_in, c_out, groups) == counted


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 5), (7, 2)])
def test_dense_counts_are_those_of_a_matrix_and_a_vector(inputs, outputs):
    weights, biases = np.empty((inputs, outputs)), np.empty(outputs)
    assert shapes.dense_parameters(inputs, outputs) == weights.size + biases.size
    assert shapes.dense_parameters(inputs, outputs, use_bias=False) == weights.size
    assert shapes.dense_multiplications(inputs, outputs) == weights.size


def test_an_integer_kernel_size_means_a_square():
    assert shapes.conv_parameters(3, 2, 4) == shapes.conv_parameters((3, 3), 2, 4) == 76
    assert shapes.conv_multiplications((5, 5), 3, 2, 4) == shapes.conv_multiplications((5, 5), (3, 3), 2, 4)


def test_a_dense_layer_is_a_convolution_as_large_as_its_input():
    assert shapes.dense_parameters(5 * 4 * 3, 7) == shapes.conv_parameters((5, 4), 3, 7)


def test_lenet_has_the_numbers_of_lecun_1998():
    assert shapes.conv_parameters(5, 1, 6) == 156
    assert shapes.conv_multiplications((28, 28), 5, 1, 6) + 28 * 28 * 6 == 122_304
    assert shapes.conv_parameters(5, 16, 120) == 48_120
    assert shapes.dense_parameters(120, 84) == 10_164


def test_alexnet_has_the_numbers_of_krizhevsky_2012():
    assert shapes.conv_parameters(11, 3, 96) == 34_944
    assert shapes.conv_parameters(5, 96, 256, groups=2) == 307_456
    rest = [(27, 5, 96, 256, 2), (13, 3, 256, 384, 1), (13, 3, 384, 384, 2), (13, 3, 384, 256, 2)]
    convolutions = [(55, 11, 3, 96, 1), *rest]
    # "60 million parameters" (section 1), and 666 million multiplications as in Sze et al. 2017, table II.
    dense = [(9216, 4096), (4096, 4096), (4096, 1000)]
    parameters = sum(shapes.conv_parameters(*layer[1:]) for layer in convolutions)
    assert parameters + sum(shapes.dense_parameters(*layer) for layer in dense) == 60_965_224
    multiplications = sum(shapes.conv_multiplications((n, n), *layer) for n, *layer in convolutions)
    assert round(multiplications / 1e6) == 666


def test_vgg_16_has_the_numbers_of_its_keras_summary():
    widths = {224: [3, 64, 64], 112: [64, 128, 128], 56: [128, 256, 256, 256],
              28: [256, 512, 512, 512], 14: [512, 512, 512, 512]}  # fmt: skip
    convolutions = [(n, *pair) for n, channels in widths.items() for pair in itertools.pairwise(channels)]
    dense = [(7 * 7 * 512, 4096), (4096, 4096), (4096, 1000)]
    assert shapes.dense_parameters(*dense[0]) == 102_764_544
    without_top = sum(shapes.conv_parameters(3, c_in, c_out) for _, c_in, c_out in convolutions)
    assert without_top == 14_714_688
    assert without_top + sum(shapes.dense_parameters(*layer) for layer in dense) == 138_357_544
    # 15.3 and 0.124 billion multiplications in Sze et al. 2017, table II.
    multiplications = sum(shapes.conv_multiplications((n, n), 3, c_in, c_out) for n, c_in, c_out in convolutions)
    assert round(multiplications / 1e9, 1) == 15.3
    assert round(sum(shapes.dense_multiplications(*layer) for layer in dense) / 1e6) == 124


# --- receptive fields -----------------------------------------------------------------------------------------

# (kernel, stride, padding) and, for an end-point of the table, what the table says.
# https://github.com/google-research/receptive_field, RECEPTIVE_FIELD_TABLE.md: the table of Araujo et al. 2019.
ALEXNET_V2 = [
    ((11, 4, 0), (11, 4, 0)),
    ((3, 2, 0), (19, 8, 0)),
    ((5, 1, 2), (51, 8, 16)),
    ((3, 2, 0), None),
    ((3, 1, 1), (99, 16, 32)),
    ((3, 1, 1), (131, 16, 48)),
    ((3, 1, 1), (163, 16, 64)),
    ((3, 2, 0), (195, 32, 64)),
]
CONV, POOL = (3, 1, 1), (2, 2, 0)
VGG_A = [
    (CONV, (3, 1, 1)), (POOL, (4, 2, 1)),
    (CONV, (8, 2, 3)), (POOL, (10, 4, 3)),
    (CONV, (18, 4, 7)), (CONV, (26, 4, 11)), (POOL, (30, 8, 11)),
    (CONV, (46, 8, 19)), (CONV, (62, 8, 27)), (POOL, (70, 16, 27)),
    (CONV, (102, 16, 43)), (CONV, (134, 16, 59)), (POOL, (150, 32, 59)),
]  # fmt: skip
VGG_16 = [
    (CONV, (3, 1, 1)), (CONV, None), (POOL, (6, 2, 2)),
    (CONV, (10, 2, 4)), (CONV, None), (POOL, (16, 4, 6)),
    (CONV, (24, 4, 10)), (CONV, (32, 4, 14)), (CONV, None), (POOL, (44, 8, 18)),
    (CONV, (60, 8, 26)), (CONV, (76, 8, 34)), (CONV, None), (POOL, (100, 16, 42)),
    (CONV, (132, 16, 58)), (CONV, (164, 16, 74)), (CONV, None), (POOL, (212, 32, 90)),
]  # fmt: skip


@pytest.mark.parametrize("network", [ALEXNET_V2, VGG_A, VGG_16], ids=["alexnet_v2", "vgg_a", "vgg_16"])
def test_receptive_fields_are_those_of_araujo_2019(network):
    for depth, (_, published) in enumerate(network, start=1):
        if published is not None:
            assert shapes.receptive_field([layer for layer, _ in network[:depth]]) == published


def trace(layers, pixels):
    """For each unit of the last layer, which of ``pixels`` input pixels reach it: sets, layer after layer."""
    units = [{pixel} for pixel in range(pixels)]
    for kernel, stride, padding, dilation in layers:
        padded = [set()] * padding + units + [set()] * padding
        starts = range(0, len(padded) - dilation * (kernel - 1), stride)
        units = [set().union(*(padded[at] for at in read_positions(start, kernel, dilation))) for start in starts]
    return units


@quick
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3)), min_size=1, max_size=4
    )
)
def test_receptive_field_is_what_can_be_traced_back_to_the_input(layers):
    size, stride, padding = shapes.receptive_field(layers)
    pixels = size + 3 * stride
    traced = trace(layers, pixels)
    whole = [unit for unit in range(len(traced)) if 0 <= unit * stride - padding <= pixels - size]
    assert len(whole) >= 3
    for unit in whole:
        # The first pixel and the last; strides larger than a kernel leave gaps between them.
        assert min(traced[unit]) == unit * stride - padding
        assert max(traced[unit]) - min(traced[unit]) + 1 == size


def test_receptive_field_of_no_layer_is_the_pixel_itself():
    field = shapes.receptive_field([])
    assert (field.size, field.stride, field.padding) == (1, 1, 0)


def test_a_layer_of_two_numbers_has_no_padding_and_no_dilation():
    assert shapes.receptive_field([(3, 2), (3, 1)]) == shapes.receptive_field([(3, 2, 0, 1), [3, 1, 0]]) == (7, 2, 0)


def test_receptive_field_of_a_dilated_kernel_is_that_of_its_extent():
    assert shapes.receptive_field([(3, 1, 0, 4)]) == (9, 1, 0)
    assert shapes.receptive_field([(3, 2, 0, 4), (2, 1)]) == (11, 2, 0)


# --- bad arguments --------------------------------------------------------------------------------------------

NOT_INTEGERS = [1.5, 2.0, True, None, "3", np.float64(2), np.True_]
OUTPUT_SIZE = {"size": 9, "kernel": 3, "stride": 1, "padding": 0, "dilation": 1}
PADDING_AMOUNTS = {"padding": 0, "size": 9, "kernel": 3, "stride": 1, "dilation": 1}
COUNTS = [
    (shapes.effective_kernel, {"kernel": 3, "dilation": 1}, {"kernel": 1, "dilation": 1}),
    (shapes.padding_amounts, PADDING_AMOUNTS, {"padding": 0, "size": 0, "kernel": 1, "stride": 1, "dilation": 1}),
    (shapes.output_size, OUTPUT_SIZE, {"size": 0, "kernel": 1, "stride": 1, "padding": 0, "dilation": 1}),
    (
        shapes.conv_parameters,
        {"kernel_size": 3, "c_in": 2, "c_out": 2, "groups": 1},
        {"kernel_size": 1, "c_in": 1, "c_out": 1, "groups": 1},
    ),
    (shapes.dense_parameters, {"inputs": 3, "outputs": 2}, {"inputs": 1, "outputs": 1}),
    (shapes.dense_multiplications, {"inputs": 3, "outputs": 2}, {"inputs": 1, "outputs": 1}),
    (
        shapes.conv_multiplications,
        {"output_shape": (4, 4), "kernel_size": 3, "c_in": 2, "c_out": 2, "groups": 1},
        {"kernel_size": 1, "c_in": 1, "c_out": 1, "groups": 1},
    ),
]
EVERY_COUNT = [
    pytest.param(function, good, name, smallest[name], id=f"{function.__name__}-{name}")
    for function, good, smallest in COUNTS
    for name in smallest
]


@pytest.mark.parametrize(("function", "good", "name", "smallest"), EVERY_COUNT)
def test_what_is_not_an_integer_is_refused_by_name(function, good, name, smallest):
    for bad in NOT_INTEGERS:
        if name == "padding" and isinstance(bad, str):
            continue  # a string is a name there
        with pytest.raises(TypeError, match=rf"^{name}: got {re.escape(repr(bad))}, expected an integer"):
            function(**{**good, name: bad})


@pytest.mark.parametrize(("function", "good", "name", "smallest"), EVERY_COUNT)
def test_too_small_a_number_is_refused_by_name(function, good, name, smallest):
    with pytest.raises(ValueError, match=rf"^{name}: got {smallest - 1}, expected an integer of at least {smallest}$"):
        function(**{**good, name: smallest - 1})


@pytest.mark.parametrize(("bad", "error"), [((3, 0), ValueError), ((3, -1), ValueError), ((3, 1.5), TypeError)])
def test_each_entry_of_a_kernel_size_is_checked(bad, error):
    with pytest.raises(error, match=rf"^kernel_size: got {bad[1]}, expected"):
        shapes.conv_parameters(bad, 1, 1)
    with pytest.raises(error, match=rf"^kernel_size: got {bad[1]}, expected"):
        shapes.conv_multiplications((2, 2), bad, 1, 1)


@pytest.mark.parametrize(("bad", "error"), [((4, -1), ValueError), ((4, 1.5), TypeError), ((4, True), TypeError)])
def test_each_entry_of_an_output_shape_is_checked(bad, error):
    with pytest.raises(error, match=rf"^output_shape: got {bad[1]}, expected"):
        shapes.conv_multiplications(bad, 3, 1, 1)


@pytest.mark.parametrize("function", [shapes.padding_amounts, shapes.output_size])
def test_an_unknown_padding_name_is_refused_with_the_known_ones(function):
    good = {"size": 9, "kernel": 3}
    with pytest.raises(ValueError, match=r"^padding: got 'full', expected \"valid\", \"same\", an integer or a pair"):
        function(padding="full", **good)


@pytest.mark.parametrize("function", [shapes.padding_amounts, shapes.output_size])
@pytest.mark.parametrize("bad", [(), (1,), (1, 2, 3)])
def test_a_padding_that_is_not_a_pair_is_refused(function, bad):
    with pytest.raises(ValueError, match=r"^padding: got \(.*\), expected an integer or a pair \(before, after\)"):
        function(padding=bad, size=9, kernel=3)


@pytest.mark.parametrize("function", [shapes.padding_amounts, shapes.output_size])
@pytest.mark.parametrize("bad", [(-1, 2), (2, -1)])
def test_a_pair_with_a_negative_padding_is_refused(function, bad):
    with pytest.raises(ValueError, match=r"^padding: got -1, expected an integer of at least 0"):
        function(padding=bad, size=9, kernel=3)


def test_a_kernel_larger_than_the_padded_input_is_refused_with_both_sizes():
    with pytest.raises(
        ValueError,
        match=r"^kernel: reaches over 7 pixels, expected at most the 6 of the padded input \(3 with padding 1 and 2\)",
    ):
        shapes.output_size(3, 4, 1, (1, 2), 2)


def test_an_empty_axis_is_refused_but_for_same_padding():
    with pytest.raises(ValueError, match=r"^kernel: reaches over 1 pixels, expected at most the 0 of"):
        shapes.output_size(0, 1, 1, "valid")
    assert shapes.output_size(0, 5, 2, "same") == 0


@pytest.mark.parametrize(("c_in", "c_out", "groups"), [(4, 6, 4), (6, 4, 4), (3, 3, 2), (1, 1, 2)])
def test_groups_that_do_not_divide_the_channels_are_refused(c_in, c_out, groups):
    expected = rf"^groups: got {groups}, expected a divisor of c_in = {c_in} and of c_out = {c_out}$"
    with pytest.raises(ValueError, match=expected):
        shapes.conv_parameters(3, c_in, c_out, groups)
    with pytest.raises(ValueError, match=expected):
        shapes.conv_multiplications((5, 5), 3, c_in, c_out, groups)


@pytest.mark.parametrize("bad", [(3,), (3, 1, 0, 1, 1), (), 3, "31", {3, 1}], ids=repr)
def test_a_layer_that_is_not_two_to_four_numbers_is_refused(bad):
    with pytest.raises(ValueError, match=r"^layers: layer 1 is .*, expected \(kernel, stride\)") as caught:
        shapes.receptive_field([(3, 1), bad])
    assert repr(bad) in str(caught.value)


@pytest.mark.parametrize(("entry", "name"), list(enumerate(["kernel", "stride", "padding", "dilation"])))
@pytest.mark.parametrize("bad", [-1, 1.5, True])
def test_each_entry_of_a_layer_is_checked(entry, name, bad):
    layer = [3, 1, 0, 1]
    layer[entry] = bad
    error = ValueError if bad == -1 else TypeError
    with pytest.raises(error, match=rf"^layers: {name} of layer 1: got {bad}, expected"):
        shapes.receptive_field([(3, 1), layer])


@pytest.mark.parametrize(("entry", "name"), [(0, "kernel"), (1, "stride"), (3, "dilation")])
def test_a_layer_with_a_zero_is_refused_but_for_its_padding(entry, name):
    layer = [3, 1, 0, 1]
    layer[entry] = 0
    with pytest.raises(ValueError, match=rf"^layers: {name} of layer 0: got 0, expected an integer of at least 1"):
        shapes.receptive_field([layer])


def test_every_count_is_an_exact_int_however_large():
    many = 10**12
    assert shapes.dense_parameters(many, many) == 10**24 + many
    assert shapes.conv_multiplications((many, many), 3, 1, 1) == math.prod([9, many, many])


def test_a_number_in_place_of_a_sequence_is_refused_by_name():
    with pytest.raises(TypeError, match=r"^output_shape: got 5, expected one size per spatial axis"):
        shapes.conv_multiplications(5, 3, 1, 1)
    with pytest.raises(TypeError, match=r"^layers: got 5, expected a sequence of layers"):
        shapes.receptive_field(5)
