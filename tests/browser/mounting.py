"""An explorer alone on a page, alive as on the published site: its state embedded, no kernel."""

import json
from pathlib import Path

from ipywidgets.embed import dependency_state, embed_data

HOST = Path(__file__).parents[2] / "book" / "_static" / "explorers.js"
PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="{theme}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>An explorer</title>
<link rel="icon" href="data:,">
<style>body {{ margin: 8px; background: {ground}; }}</style></head>
<body><main><h1 style="font-size: 1rem; color: {ink}">An explorer</h1>
<div class="explorer"><div class="explorer-still"></div>
<script type="application/vnd.jupyter.widget-view+json">{view}</script></div>
<script type="application/vnd.jupyter.widget-state+json">{state}</script>
<script type="module">{host}</script></main></body></html>"""
GROUND = {"light": ("#fff", "#000"), "dark": ("#121212", "#fff")}


def html(explorer, theme="light"):
    """A page with nothing on it but this explorer."""
    # Of itself the state would be that of all widgets that were ever made.
    state = dependency_state([explorer], drop_defaults=False)
    data = embed_data(views=[explorer], drop_defaults=False, state=state)
    ground, ink = GROUND[theme]

    def safe(value):
        return json.dumps(value).replace("</", "<\\/")

    return PAGE.format(
        theme=theme,
        ground=ground,
        ink=ink,
        view=safe(data["view_specs"][0]),
        state=safe(data["manager_state"]),
        host=HOST.read_text(encoding="utf-8"),
    )
