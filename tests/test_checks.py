"""The exercise checkers: the right answer passes, a mistake gets its own hint, nonsense is refused politely."""

import importlib
import pkgutil

import numpy as np
import pytest

from convbook import checks
from convbook.checks import Exercise

MODULES = [m.name for m in pkgutil.iter_modules(checks.__path__) if not m.name.startswith("_")]
EXERCISES = {
    f"{module}.{name}": value
    for module in MODULES
    for name, value in vars(importlib.import_module(f"convbook.checks.{module}")).items()
    if isinstance(value, Exercise)
}
each_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES.keys())


def prediction(exercise):
    return exercise.cases == [()]


def refused(exercise, attempt):
    right, line = exercise.verdict(attempt)
    assert not right
    assert line.startswith("Not yet")
    assert "\n" not in line
    return line


@each_exercise
def test_the_right_answer_is_praised(exercise):
    attempt = exercise.answer() if prediction(exercise) else exercise.answer
    assert exercise.verdict(attempt) == (True, f"Right. {exercise.praise}")


@each_exercise
def test_the_right_answer_passes_as_an_array_or_a_float(exercise):
    if isinstance(exercise.answer(*exercise.cases[0]), (str, bool)) or exercise.answer(*exercise.cases[0]) is None:
        return

    def other_type(*arguments):
        answer = exercise.answer(*arguments)
        return answer if answer is None or isinstance(answer, (str, bool)) else np.asarray(answer, dtype=float)

    assert exercise.verdict(other_type() if prediction(exercise) else other_type)[0]


@each_exercise
def test_every_mistake_is_told_its_own_hint(exercise):
    assert len(exercise.mistakes) >= 2
    for mistake, hint in exercise.mistakes.items():
        assert refused(exercise, mistake() if prediction(exercise) else mistake).endswith(hint)


@each_exercise
@pytest.mark.parametrize(
    "nonsense",
    [
        lambda *a: None,
        lambda *a: ...,
        lambda *a: "banana",
        lambda *a: float("nan"),
        lambda *a: np.zeros((7, 7, 7)),
        lambda *a: [[1], [2, 3]],
        lambda *a: {"answer": 1},
        lambda *a: 1 / 0,
        lambda: -17.25,
        lambda *a: object(),
    ],
)
def test_nonsense_is_refused_without_a_traceback(exercise, nonsense):
    if prediction(exercise):
        try:
            nonsense = nonsense()
        except ZeroDivisionError:
            return
    refused(exercise, nonsense)


@each_exercise
def test_a_value_that_is_no_function_is_refused(exercise):
    if not prediction(exercise):
        refused(exercise, 3)


@each_exercise
def test_the_readers_function_cannot_change_the_cases(exercise):
    def vandal(*arguments):
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                argument[...] = 0
        return 0

    if not prediction(exercise):
        exercise.verdict(vandal)
        assert exercise.verdict(exercise.answer)[0]


def test_no_answer_yet_is_told_apart_from_a_wrong_one(capsys):
    exercise = next(iter(EXERCISES.values()))
    exercise(...)
    assert "no answer so far" in capsys.readouterr().out
