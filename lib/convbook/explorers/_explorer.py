"""What all explorers have in common: the widget, its arrays, and its still picture."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import anywidget
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import NDArray

from convbook import figures
from convbook.explorers._script import script, style

Array = NDArray[np.float64]


class RefusedTypeError(traitlets.TraitError, TypeError):
    """A value of the wrong kind."""


class RefusedValueError(traitlets.TraitError, ValueError):
    """A value of the right kind that cannot be."""


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Make errors of the kind for which traitlets undoes changes that came together, so that nothing is half done."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = RefusedTypeError if isinstance(error, TypeError) else RefusedValueError
        raise kind(str(error)) from error


class ArrayTrait(traitlets.TraitType[Any, Any]):
    """An array of real numbers with a given number of axes, as nested lists on the page.

    The array is a copy and cannot be written to: a change inside it would not reach the page. Assign a new one.
    """

    def __init__(self, axes: int, **options: Any) -> None:
        super().__init__(np.zeros((1,) * axes), **options)
        self.axes = axes
        self.tag(sync=True, to_json=lambda value, _: value.tolist(), from_json=lambda value, _: value)

    def validate(self, obj: Any, value: Any) -> Array:
        """The value as a float64 array, or a TypeError or ValueError that names it."""
        with refusals():
            return numbers(str(self.name), value, self.axes)


def numbers(name: str, value: Any, axes: int) -> Array:
    """A copy as a float64 array that cannot be written to, or a TypeError or ValueError that names the argument."""
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}: got {value!r}, expected an array of numbers") from error
    if array.ndim != axes or not array.size:
        raise ValueError(f"{name}: got shape {array.shape}, expected {axes} axes, none of them empty")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: has values that are not finite numbers")
    array.setflags(write=False)
    return array


class Checked(traitlets.TraitType[Any, Any]):
    """A value on the page and in Python that ``check(name, value)`` refuses, or brings into the form it is kept in."""

    def __init__(self, check: Callable[[str, Any], Any], default: Any, **options: Any) -> None:
        super().__init__(default, **options)
        self.check = check
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> Any:
        """The value as it is kept, or a TypeError or ValueError that names it."""
        with refusals():
            return self.check(str(self.name), value)


def whole(name: str, value: Any, least: int, most: int) -> int:
    """An integer between two bounds, or a TypeError or ValueError that says which argument it is not."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: got {value!r}, expected an integer")
    if not least <= value <= most:
        raise ValueError(f"{name}: got {value}, expected {least} to {most}")
    return int(value)


class Explorer(anywidget.AnyWidget):
    """An interactive figure that computes in the page, and needs a kernel only to be read from or set in Python.

    A subclass names its front end (``class X(Explorer, page="x")`` for ``js/x.js`` and ``css/x.css``), keeps its state
    in synced traits, and draws that state in :meth:`still`, which stands for the explorer where no script runs: in
    print, in a preview of the notebook, before the page has loaded.
    """

    def __init_subclass__(cls, page: str | None = None, **options: Any) -> None:
        if page is not None:
            cls._esm, cls._css = script(page), style(page)
        super().__init_subclass__(**options)

    def still(self) -> Figure:
        """The present state as a figure."""
        raise NotImplementedError(f"{type(self).__name__} draws no still picture")

    def picture(self) -> str:
        """:meth:`still` as SVG that follows the page's theme."""
        figures.use_style()
        # Text as text: a grid of numbers drawn as outlines would weigh several times as much. And every number
        # carries the names of its fonts.
        with mpl.rc_context({"svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans", "Verdana"]}):
            figure, file = self.still(), io.StringIO()
            figure.savefig(file, format="svg", bbox_inches="tight")
            plt.close(figure)
        return file.getvalue()

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/plain": repr(self), "image/svg+xml": self.picture()}, metadata
