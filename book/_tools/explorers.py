"""Explorers on the built page, as a Sphinx extension.

A notebook's output that is a widget comes with a picture of it. On a page the two stand together: the picture is
what is seen without JavaScript, in print and until ``_static/explorers.js`` has made the widget live. Elsewhere, in a
PDF for one, the picture stands alone.
"""

from __future__ import annotations

from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"
PICTURE = "image/svg+xml"


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    from docutils import nodes
    from sphinx.transforms.post_transforms import SphinxPostTransform

    class StandTogether(SphinxPostTransform):
        """Keep the picture of a widget beside it, where otherwise one of the two would be chosen."""

        default_priority = 3  # before myst-nb chooses, which has 4
        formats = ("html",)

        def run(self, **options: Any) -> None:
            for bundle in list(self.document.findall(nodes.container)):
                if bundle.get("nb_element") != "mime_bundle":
                    continue
                kinds = {kind["mime_type"]: kind for kind in bundle.children if isinstance(kind, nodes.container)}
                if VIEW not in kinds:
                    continue
                if PICTURE not in kinds:
                    raise ValueError(f"{self.env.docname}: a widget has no {PICTURE} to stand in its place")
                still = nodes.container("", *kinds[PICTURE].children, classes=["explorer-still"])
                explorer = nodes.container("", still, *kinds[VIEW].children, classes=["explorer"])
                bundle.replace_self(explorer)

    app.add_post_transform(StandTogether)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
