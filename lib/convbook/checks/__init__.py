"""The exercise checkers: one file per lesson, one :class:`Exercise` per exercise.

In a lesson: ``from convbook.checks import padding as check``, then ``check.reflect(my_function)``. It
prints one line: that the answer is right, or what is missing, with a hint that depends on the mistake.
"""

from convbook.checks._exercise import Exercise

__all__ = ["Exercise"]
