"""The JavaScript of an explorer: the modules in ``js/``, joined into the one that a widget carries.

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
def style() -> str:
    """The style sheet that all explorers share."""
    return (Path(__file__).parent / "explorers.css").read_text(encoding="utf-8")
