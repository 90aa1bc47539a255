"""Run notebooks and store them as the repository keeps them.

``python book/_tools/notebooks.py [NOTEBOOK ...]``          run (all by default), then store
``python book/_tools/notebooks.py --strip [NOTEBOOK ...]``  store without running

Stored are text outputs and execution counts, which nbval compares; pictures and widget state are not, they are
made at the build. The still picture of an explorer is stored (its cell is tagged ``explorer``): where a notebook is
looked at without being run, as on a code host, there is nothing else to see of it. Nothing is written when a notebook
raises, or when a result of it cannot be shown.

The first code cell is the same in all of them, ``FIRST_CELL``: storing a notebook puts it there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

import ledger

KEPT = {"text/plain", "text/html", "text/markdown", "text/latex"}
STILL = "image/svg+xml"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

# What a lesson runs first. A launch button of Colab brings the notebook alone; where the notebook came from, Colab
# tells under an address of its own. A branch may hold slashes: the lessons lie under book/, and what stands between
# "blob" and the last "book" is the branch.
FIRST_CELL = r"""
# Where the book's library is missing, as it is on Google Colab, install it
# from the repository that this notebook was opened from.
import importlib.util

if not importlib.util.find_spec("convbook"):
    import os
    import re
    import sys
    from subprocess import run
    from urllib.parse import unquote
    from urllib.request import urlopen

    colab = "http://{COLAB_JUPYTER_IP}:{KMP_TARGET_PORT}/api/sessions"
    origin = r'//(github\.com/[^/"]+/[^/"]+)/blob/([^"]+)/book/'
    library = "convbook[lessons] @ git+ADDRESS#subdirectory=lib"
    try:
        with urlopen(colab.format_map(os.environ), timeout=10) as answer:
            found = re.search(origin, unquote(answer.read().decode()))
        repository, branch = found.groups()
    except Exception:
        print("The book's library is missing here: in a new cell, type")
        print(f'%pip install "{library}"')
        print("with the address of the book's repository for ADDRESS.")
    else:
        library = library.replace("ADDRESS", f"https://{repository}@{branch}")
        run([sys.executable, "-m", "pip", "install", "-q", library], check=True)
        importlib.invalidate_caches()
""".strip()


def begin(notebook: NotebookNode) -> None:
    """See to it that the first code cell is the one that brings the library."""
    code = [number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    there = code and notebook.cells[code[0]].id == "library"
    cell = notebook.cells[code[0]] if there else new_code_cell(id="library")
    if not there:
        notebook.cells.insert(code[0] if code else len(notebook.cells), cell)
    cell.source = FIRST_CELL
    cell.metadata = NotebookNode(tags=["remove-cell"])


def strip(notebook: NotebookNode) -> NotebookNode:
    """Begin a notebook as all begin, and take out what is not stored: pictures, widget state, editors' metadata."""
    begin(notebook)
    # No Python version: the same notebook is stored whatever machine ran it.
    notebook.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    for cell in notebook.cells:
        for editor in ("execution", "collapsed", "scrolled"):
            cell.metadata.pop(editor, None)
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            if output.output_type == "error":
                # A figure that cannot be drawn does not stop the run: the error is an output like any other.
                raise ValueError(f"cell {cell.id} shows an error: {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                continue
            if "data" in output:
                kept_here = {*KEPT, STILL} if "explorer" in cell.metadata.get("tags", []) else KEPT
                output.data = NotebookNode({mime: data for mime, data in output.data.items() if mime in kept_here})
                output.metadata = NotebookNode()
            kept.append(output)
        cell.outputs = kept
    return notebook


def main() -> int:
    """Run and store what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strip", action="store_true", help="store without running")
    parser.add_argument("notebooks", nargs="*", type=Path)
    arguments = parser.parse_args()
    for path in arguments.notebooks or ledger.notebooks():
        before = path.read_text(encoding="utf-8")
        notebook = nbformat.reads(before, as_version=4)
        begin(notebook)
        if not arguments.strip:
            print(f"running {path}", flush=True)
            NotebookClient(
                notebook,
                timeout=300,
                kernel_name="python3",
                # What one cell prints is one output, however the kernel's messages were cut.
                coalesce_streams=True,
                resources={"metadata": {"path": path.parent}},
            ).execute()
        after = nbformat.writes(strip(notebook)) + "\n"
        if after != before:
            path.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
