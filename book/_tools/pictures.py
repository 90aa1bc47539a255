"""Lighter figures, as a Sphinx extension over the SVG that Matplotlib wrote.

The pixels in them, stored as PNG, become WebP. Small pictures are there to be looked at pixel by pixel, and keep every
one as it is; photographs and what is computed of them are a tenth as heavy with a loss that cannot be seen.
"""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

from PIL import Image

PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
# Pixels from which on a picture is taken for a photograph: the digits of MNIST, four by four of them, are below.
PHOTOGRAPH = 112 * 112 + 1


def _as_webp(found: re.Match[str]) -> str:
    """The address of a PNG as that of a WebP, or as it was where WebP is no lighter."""
    png = base64.b64decode(found[1])
    picture = Image.open(io.BytesIO(png))
    if picture.width * picture.height < PHOTOGRAPH:
        # "exact": the colour of what is transparent too, which shows where a browser smooths the edge.
        options: dict[str, Any] = {"lossless": True, "exact": True, "quality": 100}
    else:
        options = {"quality": 80}
    buffer = io.BytesIO()
    picture.save(buffer, "webp", method=6, **options)
    webp = buffer.getvalue()
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}" if len(webp) < len(png) else found[0]


def lighter(svg: str) -> str:
    """An SVG with its pictures as WebP."""
    return PNG.sub(_as_webp, svg)


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""

    def finished(app: Any, exception: Exception | None) -> None:
        if exception is None and app.builder.format == "html":
            for path in (Path(app.outdir) / "_images").glob("*.svg"):
                path.write_text(lighter(path.read_text(encoding="utf-8")), encoding="utf-8")

    app.connect("build-finished", finished)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
