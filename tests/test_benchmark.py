"""The benchmarks run, report what they measured, and fail loudly. Speed itself is not tested."""

import json

import pytest

from convbook.benchmark import __main__ as command
from convbook.benchmark import _rounds, training


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


def test_a_competitor_that_fails_is_named():
    with pytest.raises(RuntimeError, match=r"a: its turn ended with code 3: .*out of luck"):
        _rounds.take_turns(["a"], ["-c", "import sys; print('out of luck', file=sys.stderr); sys.exit(3)"], 1)


@pytest.mark.parametrize("arguments", [[], ["training", "--rounds", "0"], ["training", "--images", "x"], ["cooking"]])
def test_a_wrong_command_line_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 2
    assert "usage: python -m convbook.benchmark" in capsys.readouterr().err
