"""The benchmarks run, report what they measured, and fail loudly. Speed itself is not tested."""

import json

import numpy as np
import pytest

from convbook.benchmark import __main__ as command
from convbook.benchmark import _rounds, conv, training
from convbook.benchmark._rounds import installed


def test_a_turn_measures_speed_and_memory():
    measured = training.turn("convbook", images=128, batch_size=64)
    assert 10 < measured["images_per_second"] < 1e7
    assert 0 <= measured["memory_mb"] < 300


def test_the_command_lets_every_installed_competitor_run_and_writes_what_it_prints(tmp_path, capsys):
    target = tmp_path / "training.json"
    arguments = ["training", "--rounds", "1", "--images", "128", "--batch-size", "32", "--json", str(target)]
    assert command.main(arguments) == 0
    printed, results = capsys.readouterr().out, json.loads(target.read_text())
    assert set(results["competitors"]) >= {"convbook", "Keras"}
    assert results["competitors"]["convbook"]["convbook_is_faster_by"]["median"] == 1
    assert (results["images"], results["batch_size"], results["rounds"]) == (128, 32, 1)
    for name, one in results["competitors"].items():
        assert name in printed
        assert f"{one['images_per_second']['median']:,.0f}" in printed
        assert one["rounds"] == [one["images_per_second"]["median"]]


def test_ratios_are_those_of_the_same_round(monkeypatch):
    speeds = {"convbook": [100, 300, 200], "Keras": [50, 100, 20]}
    turns = {
        name: [{"images_per_second": speed, "memory_mb": 5.0} for speed in found] for name, found in speeds.items()
    }
    monkeypatch.setattr(training, "take_turns", lambda names, *_: {name: turns[name] for name in names})
    monkeypatch.setattr(training, "installed", lambda module: module != "torch")
    results = training.run(3, 10, 10)
    assert results["competitors"]["Keras"]["convbook_is_faster_by"] == {"median": 3, "least": 2, "most": 10}
    assert "3.00 (2.00 to 10.00)" in training.table(results)


def test_turns_are_taken_one_after_the_other_in_processes_of_their_own(capsys):
    program = "import json, os, sys, time; print(7); print(json.dumps([os.getpid(), time.monotonic(), sys.argv[2]]))"
    turns = _rounds.take_turns(["a", "b"], ["-c", program], rounds=2)
    runs = sorted((time, process, name) for name, found in turns.items() for process, time, name in found)
    assert [name for _, _, name in runs] == ["a", "b", "a", "b"]
    assert len({process for _, process, _ in runs}) == 4
    assert "round 2 of 2: b" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kernels", "flags", "advised"),
    [
        ("Haswell", "fma avx2 avx512f", True),
        ("Haswell", "fma avx2", False),
        ("SkylakeX", "avx512f", False),
        (None, "", False),
    ],
)
def test_faster_kernels_are_advised_where_the_processor_has_them(kernels, flags, advised):
    assert ("OPENBLAS_CORETYPE=SkylakeX" in _rounds.advice(kernels, flags)) == advised


def test_a_competitor_that_fails_is_named():
    with pytest.raises(RuntimeError, match=r"a: its turn ended with code 3: .*out of luck"):
        _rounds.take_turns(["a"], ["-c", "import sys; print('out of luck', file=sys.stderr); sys.exit(3)"], 1)


@pytest.mark.parametrize("arguments", [[], ["training", "--rounds", "0"], ["training", "--images", "x"], ["cooking"]])
def test_a_wrong_command_line_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 2
    assert "usage: python -m convbook.benchmark" in capsys.readouterr().err


# --- convolutions ---------------------------------------------------------------------------------------------

SMALL = conv.Layer("small", 2, 9, 8, 3, 3, 4, 1, 1)
STRIDED = conv.Layer("strided", 2, 9, 8, 3, 3, 4, 2, 0)
DEPTHWISE = conv.Layer("depthwise", 2, 6, 7, 5, 3, None, 1, 1)


def test_the_twelve_layers_are_those_of_the_networks():
    operations = {layer.name: layer.operations for layer in conv.LAYERS}
    assert len(operations) == 12
    # By hand: images, places, elements of a window, filters; a multiplication and an addition each.
    assert operations["LeNet C1"] == 32 * 28 * 28 * (5 * 5 * 1) * 6 * 2
    assert operations["AlexNet conv1"] == 8 * 55 * 55 * (11 * 11 * 3) * 96 * 2
    assert operations["ResNet, stride 2"] == 8 * 28 * 28 * (3 * 3 * 128) * 128 * 2
    assert operations["MobileNet depthwise"] == 8 * 56 * 56 * (3 * 3) * 128 * 2


@pytest.mark.parametrize("layer", [SMALL, STRIDED, DEPTHWISE], ids=lambda layer: layer.name)
@pytest.mark.parametrize(
    "name", [name for name, one in conv.COMPETITORS.items() if installed(one.module) and name != "tf.function, XLA"]
)
def test_all_competitors_compute_the_same_in_all_directions(name, layer):
    competitor = conv.COMPETITORS[name]
    if not competitor.applies(layer):
        return
    padding = "same" if competitor.module == "keras" and layer.padding else layer.padding
    runs = competitor.prepare(layer)
    assert "forward" in runs
    for direction, run in runs.items():
        exact = conv._exact(layer, direction, padding)
        result = np.asarray(run())
        np.testing.assert_allclose(result.reshape(exact.shape), exact, rtol=1e-3, atol=1e-4)


def test_a_turn_measures_time_error_and_memory(monkeypatch):
    monkeypatch.setattr(conv, "LAYERS", (SMALL, DEPTHWISE))
    monkeypatch.setattr(conv, "_peak", lambda: 100.0)
    measured = conv.turn("convbook", ["small"])
    assert list(measured["layers"]) == ["small"]
    for direction in conv.DIRECTIONS:
        one = measured["layers"]["small"][direction]
        assert 0 < one["seconds"] < 1
        assert 0 < one["error"] < 1e-5
        assert one["extra_mb"] is None or one["extra_mb"] < 50


def test_the_extra_memory_of_a_call_is_measured():
    def hungry():
        return np.ones(10_000_000).sum()

    extra = conv._extra_memory(hungry, 0)
    assert extra is None or 70 < extra < 100


def turns_of(monkeypatch, seconds):
    """What ``conv.run`` makes of these seconds: by competitor a list of rounds, each a dict of layers."""
    one = {"error": 1e-7, "extra_mb": 3.0}
    turns = {
        name: [
            {
                "layers": {layer: {d: {"seconds": s, **one} for d in conv.DIRECTIONS} for layer, s in round_.items()},
                "peak": 100.0,
            }
            for round_ in rounds
        ]
        for name, rounds in seconds.items()
    }
    monkeypatch.setattr(conv, "take_turns", lambda names, *_: {name: turns[name] for name in names})
    monkeypatch.setattr(conv, "LAYERS", (SMALL, DEPTHWISE))
    monkeypatch.setattr(conv, "installed", lambda module: True)
    return conv.run(len(next(iter(turns.values()))), ["small", "depthwise"], list(turns))


def test_ratios_of_convolutions_are_those_of_the_same_round(monkeypatch, tmp_path):
    results = turns_of(
        monkeypatch,
        {
            "convbook": [
                {"small": 1.0, "depthwise": 1.0},
                {"small": 2.0, "depthwise": 4.0},
                {"small": 1, "depthwise": 1},
            ],
            "PyTorch": [
                {"small": 4.0, "depthwise": 1.0},
                {"small": 6.0, "depthwise": 12.0},
                {"small": 9, "depthwise": 1},
            ],
            "PyTorch, channels last": [{"small": 9.0, "depthwise": 0.25}] * 3,
        },
    )
    forward = results["layers"]["small"]["forward"]
    assert forward["PyTorch"]["convbook_is_faster_by"] == {"median": 4, "least": 3, "most": 9}
    assert forward[conv.BETTER]["seconds"]["median"] == 6
    assert results["layers"]["depthwise"]["forward"][conv.BETTER]["seconds"]["median"] == 0.25
    means = results["faster_by"]["kernel gradient"]["PyTorch"]
    assert means == pytest.approx({"median": 3, "least": 2, "most": 3})
    text = conv.table(results)
    assert "PyTorch 6000.00 ms, 4.00 (3.00 to 9.00)" in text
    assert "PyTorch 3.00 (2.00 to 3.00)" in text
    assert "error 1e-07, 3 MB extra" in text
    conv.picture(results, tmp_path / "picture.svg")
    assert "PyTorch, channels last" in (tmp_path / "picture.svg").read_text()


def test_the_command_measures_the_layers_that_are_named(tmp_path, capsys):
    target = tmp_path / "conv.json"
    arguments = ["conv", "--rounds", "1", "--layers", "LeNet C1", "--competitors", "blocked", "--json", str(target)]
    assert command.main(arguments) == 0
    printed, results = capsys.readouterr().out, json.loads(target.read_text())
    assert list(results["layers"]) == ["LeNet C1"]
    assert set(results["layers"]["LeNet C1"]["forward"]) == {"convbook", "blocked"}
    assert set(results["layers"]["LeNet C1"]["kernel gradient"]) == {"convbook"}
    assert "LeNet C1" in printed
    assert results["layers"]["LeNet C1"]["method"] in printed
