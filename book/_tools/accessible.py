"""A Sphinx extension: what is not accessible in the HTML of the theme and of docutils, mended in the built pages.

Each mend names what it stands in for; it can go when that is mended there. ``tests/browser`` finds what is missing.
"""

from __future__ import annotations

import re
from typing import Any

MENDS = (
    # pydata-sphinx-theme 0.15.4 lets a wide table scroll where the keyboard cannot reach it, and knows of no formulas
    # that KaTeX has set. What carries this class gets a tab stop from its script as long as it scrolls.
    (re.compile(r'(?<=<div class=")(?=pst-scrollable-table-container")'), "jp-RenderedHTMLCommon "),
    (re.compile(r'(?<=<span class=")(?=katex-display[ "])'), "jp-RenderedHTMLCommon "),
    # docutils 0.21 gives the entries of a bibliography a role that WAI-ARIA has given up, inside a list that may then
    # hold nothing else. They read well as paragraphs.
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
    (re.compile(r' role="doc-biblioentry"'), ""),
)


def mend(html: str) -> str:
    """The body of a page with every mend made."""
    for fault, mended in MENDS:
        html = fault.sub(mended, html)
    return html


def _mend_page(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    if "body" in context:
        context["body"] = mend(context["body"])


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    # After every extension that writes into the body.
    app.connect("html-page-context", _mend_page, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
