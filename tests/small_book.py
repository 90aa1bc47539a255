"""A book of three pages, built in seconds with the extensions of ``book/_tools``, and those as modules."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup

TOOLS = Path(__file__).resolve().parents[1] / "book" / "_tools"
# They are no package: they serve the build.
sys.path.append(str(TOOLS))
address, cards, pdf = map(importlib.import_module, ("address", "cards", "pdf"))

# What a build reads of its surroundings.
VARIABLES = (
    "CONVBOOK_PDF",
    "CONVBOOK_REPOSITORY",
    "CONVBOOK_URL",
    "GITHUB_BASE_REF",
    "GITHUB_REF_NAME",
    "GITHUB_REPOSITORY",
    "GITHUB_SERVER_URL",
    "READTHEDOCS",
    "READTHEDOCS_CANONICAL_URL",
)
PAGES = ("index", "book/lesson", "book/run")
PROSE = "# Contents\n\nWhat is in it.\n\n```{toctree}\n:hidden:\n:caption: A part\nbook/lesson\nbook/run\n```\n"
LESSON = """# Lesson

**Why "stride" & < padding?**

After it you know {ref}`what stands there <there>`. See the <a href="../genindex.html">index</a>.

## Same

A heading as on the other page.
"""
# Markdown that is run is a notebook to the theme, and none to Colab.
RUN = """---
file_format: mystnb
kernelspec:
  name: python3
---

# Run

Text that is run.

(there)=

## Same

Back to {doc}`lesson`, or [further up](#there).
"""
CONFIGURATION = f"""
import sys
sys.path.append({str(TOOLS)!r})
extensions = ["myst_nb", "sphinx_book_theme", "address", "cards", "pdf"]
html_theme = "sphinx_book_theme"
html_title = "A small book"
author = "Some one"
html_theme_options = {{"article_header_end": ["article-header-buttons"]}}
nb_execution_mode = "off"
smartquotes = False
"""


def write(source):
    """Write the book's source into a folder."""
    (source / "book").mkdir()
    for name, content in {"conf.py": CONFIGURATION, "index.md": PROSE, "book/run.md": RUN}.items():
        (source / name).write_text(content, encoding="utf-8")
    lesson = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        cells=[nbformat.v4.new_markdown_cell(LESSON)],
    )
    nbformat.write(lesson, source / "book" / "lesson.ipynb")


def run(source, site, **environment):
    """Build it, warnings as errors, with only these of the variables that a build reads."""
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", str(source), str(site)],
        env={name: value for name, value in os.environ.items() if name not in VARIABLES} | environment,
        capture_output=True,
        text=True,
    )


def page(site, name):
    """A parsed page of a site."""
    return BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
