"""What others show of a page, as a Sphinx extension: its description, and the card of a link to it.

Every page has a description, its first paragraph, which in a lesson is the question. Where the site's address is known
(``address.py``), pages have Open Graph tags, too, and a picture for links to them in the colours of the book.
"""

from __future__ import annotations

import html
import os
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

import address

LONGEST = 200


def description(doctree: Any) -> str:
    """The first paragraph of a page, cut at a word where it is long."""
    from docutils import nodes

    text = next((paragraph.astext() for paragraph in doctree.findall(nodes.paragraph)), "")
    return textwrap.shorten(text, LONGEST, placeholder=" …")


def drawing() -> np.ndarray:
    """The drawing on the cards: an input of five by five cells, and a kernel on nine of them."""
    from matplotlib.colors import to_rgba

    from convbook import figures

    shades = 0.15 + 0.08 * ((3 * np.arange(5)[:, np.newaxis] + 5 * np.arange(5)) % 6)
    cells = np.array([[to_rgba(figures.INPUT, shade) for shade in row] for row in shades])
    cells[1:4, 2:5] = to_rgba(figures.KERNEL)
    pixels = np.kron(cells, np.ones((60, 60, 1)))
    pixels[np.add.outer(np.zeros(300), np.arange(300) % 60) < 6] = 0
    pixels[np.add.outer(np.arange(300) % 60, np.zeros(300)) < 6] = 0
    return pixels


# --- the Sphinx extension -------------------------------------------------------------------------------------


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    url = address.site(os.environ)

    def describe(app: Any, pagename: str, template: str, context: Any, doctree: Any) -> None:
        # The search page and the indices have no text: theirs is the book's.
        text = description(doctree or app.env.get_doctree(app.config.root_doc))
        tag = f'<meta name="description" content="{html.escape(text)}" />\n'
        context["metatags"] = context.get("metatags", "") + tag

    def set_cards(app: Any, config: Any) -> None:
        from matplotlib.image import imsave

        from convbook import figures

        folder = Path(app.doctreedir)
        folder.mkdir(parents=True, exist_ok=True)
        imsave(folder / "card.png", drawing())
        # In place of the logo of Sphinx.
        imsave(folder / "nothing.png", np.zeros((1, 1, 4)))
        config.ogp_site_url = url
        config.ogp_site_name = config.html_title
        config.ogp_social_cards = {
            "image": str(folder / "card.png"),
            "image_mini": str(folder / "nothing.png"),
            "line_color": figures.INPUT,
        }

    app.connect("html-page-context", describe, priority=400)
    if url:
        from sphinxext import opengraph

        app.setup_extension("sphinxext.opengraph")
        # Its own goes on past the first paragraph, and writes quotes as &#x27; into the picture.
        opengraph.get_description = lambda doctree, *_: html.escape(description(doctree), quote=False)
        app.connect("config-inited", set_cards)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
