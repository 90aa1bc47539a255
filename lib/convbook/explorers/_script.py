"""The front end of an explorer: the modules in ``js/`` and the sheets in ``css/`` that a widget carries, joined.

A widget's front end is a single ES module, without files beside it. The explorers share arithmetic, grids and
controls, so each is written as modules that import one another by ``import { a, b } from "./file.js";``, and joined
here: every module once, those it imports first, in one scope. That asks for names that differ between modules and are
not renamed when imported, which the tests check.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

JS = Path(__file__).parent / "js"
CSS = Path(__file__).parent / "css"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


def modules(name: str) -> list[str]:
    """The modules that ``js/<name>.js`` is made of, each after those that it imports."""
    found: list[str] = []

    def visit(module: str) -> None:
        for imported in _IMPORT.findall((JS / f"{module}.js").read_text(encoding="utf-8")):
            if imported not in found:
                visit(imported)
        found.append(module)

    visit(name)
    return found


@functools.cache
def script(name: str) -> str:
    """``js/<name>.js`` and all that it imports, as one ES module."""
    parts = []
    for module in modules(name):
        text = _IMPORT.sub("", (JS / f"{module}.js").read_text(encoding="utf-8"))
        parts.append(text if module == name else _EXPORT.sub("", text))
    return "\n".join(parts)


@functools.cache
def style(name: str) -> str:
    """``css/common.css`` and ``css/<name>.css``, as one style sheet.

    Where several explorers stand on a page, each brings the common sheet again. So that it does not matter which comes
    last, the own sheet is nested in the class of its explorer, and with it outweighs the common one.
    """
    return "\n".join((CSS / f"{part}.css").read_text(encoding="utf-8") for part in ("common", name))
