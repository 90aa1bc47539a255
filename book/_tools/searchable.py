"""A Sphinx extension: the search finds the terms of the glossary after every build.

Sphinx 7.4.7 forgets the index entries of a page, which are what the search shows first, in a build that does not write
the page again. Only the glossary has any, so it is written in every build.
"""

from __future__ import annotations

from typing import Any

GLOSSARY = "book/reference/glossary"


def glossary_is_outdated(app: Any, env: Any, added: Any, changed: Any, removed: Any) -> list[str]:
    """Read and write the glossary again, whatever has changed."""
    return [GLOSSARY] if GLOSSARY in env.found_docs else []


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("env-get-outdated", glossary_is_outdated)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
