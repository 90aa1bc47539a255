"""The icons that the pages use, cut out of the Font Awesome that comes with the theme.

A Sphinx extension. When all pages are written it looks which icons they show (the classes in pages and scripts, the
characters in style sheets), and writes ``_static/icons``: a style sheet and three fonts with these icons alone. An icon
that Font Awesome does not have fails the build. ``book/_templates`` links the pages to the style sheet.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pydata_sphinx_theme
from sphinx.errors import ExtensionError

import fonts

FONTS = {"solid": "fa-solid-900", "regular": "fa-regular-400", "brands": "fa-brands-400"}
SHORT = {"fa": "solid", "fas": "solid", "far": "regular", "fab": "brands"}
# In the style sheet: the classes of one icon, and its character.
ICON = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"(?:\\([0-9a-f]+)|(.))"\}')


def characters(css: str) -> dict[str, int]:
    """The character of each icon, by the icon's class."""
    return {
        name: int(code, 16) if code else ord(literal)
        for names, code, literal in ICON.findall(css)
        for name in re.findall(r"\.(fa-[\w-]+):before", names)
    }


def shown(html: str) -> set[tuple[str, str]]:
    """The icons that a page shows: the style and the class of each."""
    found = set()
    for value in re.findall(r'class="([^"]*\bfa-[^"]*)"', html):
        classes = value.split()
        styles = [SHORT.get(name, name.removeprefix("fa-")) for name in classes]
        style = next((style for style in styles if style in FONTS), "solid")
        found |= {(style, name) for name in classes if name.startswith("fa-") and name[3:] not in FONTS}
    return found


def style_sheet(css: str, names: set[str]) -> str:
    """Font Awesome's style sheet with the named icons alone, its fonts as woff2 beside it."""

    def kept(rule: re.Match[str]) -> str:
        return rule[0] if names.intersection(re.findall(r"\.(fa-[\w-]+):before", rule[1])) else ""

    css = ICON.sub(kept, css)
    # The family "FontAwesome" is for pages written for version 4.
    css = re.sub(r"@font-face\{[^}]*font-family:\"?FontAwesome\"?;[^}]*\}", "", css)
    css = re.sub(r',url\([^)]+\) format\("truetype"\)', "", css)
    return css.replace("../webfonts/", "")


def write_icons(site: Path) -> None:
    """Write ``_static/icons`` of a built site, and take the whole of Font Awesome out of it."""
    static = site / "_static"
    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme"
    (vendor,) = (theme / "static" / "vendor" / "fontawesome").iterdir()
    css = (vendor / "css" / "all.min.css").read_text(encoding="utf-8")
    known = characters(css)
    whole = {style: vendor / "webfonts" / f"{name}.woff2" for style, name in FONTS.items()}
    held = {style: fonts.characters(path) for style, path in whole.items()}

    names: set[str] = set()
    for page in site.rglob("*.html"):
        for style, name in shown(page.read_text(encoding="utf-8")):
            # The rest are sizes and the like, which the style sheet must know all the same.
            missing = known[name] not in held[style] if name in known else f".{name}{{" not in css
            if missing:
                raise ExtensionError(f"{page.relative_to(site)} shows the {style} icon {name}; Font Awesome has none")
            names.add(name)
    shutil.rmtree(static / "vendor", ignore_errors=True)
    shutil.rmtree(static / "icons", ignore_errors=True)
    written = "".join(path.read_text(encoding="utf-8") for kind in ("js", "css") for path in static.rglob(f"*.{kind}"))
    names |= known.keys() & set(re.findall(r"\bfa-[\w-]+", written))
    wanted = {known[name] for name in names & known.keys()}
    wanted |= {int(code, 16) for code in re.findall(r"\\(f[0-9a-f]{3})\b", written)}
    wanted |= {ord(character) for character in written if "\ue000" <= character <= "\uf8ff"}

    to = static / "icons"
    to.mkdir()
    (to / "icons.css").write_text(style_sheet(css, names), encoding="utf-8")
    for path in whole.values():
        fonts.cut(path, to / path.name, wanted, layout_features=[])


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""

    def finished(app: Any, exception: Exception | None) -> None:
        if exception is None and app.builder.format == "html":
            write_icons(Path(app.outdir))

    app.connect("build-finished", finished)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
