"""What every checker does: run the reader's function on several cases and say what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["Exercise"]


def _same(answer: Any, expected: Any, tolerance: float) -> bool:
    """Equal in shape, and in value to rounding; strings and other things by equality."""
    if isinstance(expected, (str, bool)) or expected is None:
        return type(answer) is type(expected) and bool(answer == expected)
    if isinstance(answer, (str, bool)):
        return False
    try:
        got, wanted = np.asarray(answer, float), np.asarray(expected, float)
    except (TypeError, ValueError):
        return False
    return got.shape == wanted.shape and bool(np.allclose(got, wanted, rtol=tolerance, atol=tolerance, equal_nan=True))


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of an array-like of numbers; ``None`` for anything else."""
    try:
        return np.asarray(value, float).shape
    except (TypeError, ValueError):
        return None


def _show(value: Any) -> str:
    """A value in one short line."""
    if isinstance(value, (np.ndarray, list, tuple)) and _shape(value) is not None:
        array = np.asarray(value)
        if array.size > 12:
            return f"an array of shape {array.shape}"
        return str(np.round(array, 3).tolist()) if isinstance(value, np.ndarray) else str(value)
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


class Exercise:
    """A question with a known answer, and the mistakes that readers make.

    Args:
        answer: the right function.
        cases: the arguments it is tried on, one tuple each. Together they must tell the answer from every
            mistake.
        mistakes: hints by the wrong function they are for. A reader whose function gives just what a wrong
            function gives on every case is told its hint.
        hint: for every other wrong answer.
        praise: what a right answer shows, in one sentence.
        tolerance: relative and absolute, for numbers.
    """

    def __init__(
        self,
        answer: Callable[..., Any],
        cases: Sequence[tuple[Any, ...]],
        mistakes: Mapping[Callable[..., Any], str],
        hint: str,
        praise: str,
        tolerance: float = 1e-6,
    ) -> None:
        self.answer, self.cases, self.mistakes = answer, list(cases), dict(mistakes)
        self.hint, self.praise, self.tolerance = hint, praise, tolerance

    def verdict(self, attempt: Any) -> tuple[bool, str]:
        """Whether the attempt is right, and the line to print. Never raises, whatever the attempt does."""
        if not callable(attempt):
            # A prediction: a plain value, for an exercise whose answer takes no argument.
            if self.cases == [()]:
                return self._judge([attempt])
            return False, f"Not yet: expected a function, got {_show(attempt)}."
        answers = []
        for case in self.cases:
            arguments = tuple(np.array(a) if isinstance(a, np.ndarray) else a for a in case)
            try:
                answers.append(attempt(*arguments))
            except Exception as error:
                what = f"{type(error).__name__}: {error}"
                return False, f"Not yet: your function raised {_show(what)} for {self._call(case)}. {self.hint}"
        return self._judge(answers)

    def _judge(self, answers: list[Any]) -> tuple[bool, str]:
        expected = [self.answer(*case) for case in self.cases]
        wrong = [n for n, (a, e) in enumerate(zip(answers, expected, strict=True)) if not _same(a, e, self.tolerance)]
        if not wrong:
            return True, f"Right. {self.praise}"
        first = wrong[0]
        missing = f"there is no answer so far{self._where(first)}. {self.hint}"
        if all(answer is None or answer is Ellipsis for answer in answers):
            return False, f"Not yet: {missing}"
        for mistake, hint in self.mistakes.items():
            made = [mistake(*case) for case in self.cases]
            if all(_same(a, m, self.tolerance) for a, m in zip(answers, made, strict=True)):
                return False, f"Not yet{self._where(first)}: {_show(answers[first])} is not it. {hint}"
        if answers[first] is None or answers[first] is Ellipsis:
            return False, f"Not yet: {missing}"
        got, wanted = _shape(answers[first]), _shape(expected[first])
        if None not in (got, wanted) and got != wanted:
            return False, f"Not yet{self._where(first)}: the shape is {got}, expected {wanted}. {self.hint}"
        return False, f"Not yet{self._where(first)}: {_show(answers[first])} is not it. {self.hint}"

    def _where(self, number: int) -> str:
        return f" for {self._call(self.cases[number])}" if self.cases[number] else ""

    @staticmethod
    def _call(case: tuple[Any, ...]) -> str:
        return f"({', '.join(_show(argument) for argument in case)})"

    def __call__(self, attempt: Any) -> None:
        """Print the verdict on the reader's function (or, for a prediction, value)."""
        print(self.verdict(attempt)[1])
