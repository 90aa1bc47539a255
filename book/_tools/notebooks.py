"""Run notebooks and store them as the repository keeps them.

``python book/_tools/notebooks.py [NOTEBOOK ...]``          run (all by default), then store
``python book/_tools/notebooks.py --strip [NOTEBOOK ...]``  store without running

Stored are text outputs and execution counts, which nbval compares; pictures and widget state are not, they are
made at the build. The still picture of an explorer is stored (its cell is tagged ``explorer``): where a notebook is
looked at without being run, as on a code host, there is nothing else to see of it. Nothing is written when a notebook
raises, or when a result of it cannot be shown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

import ledger

KEPT = {"text/plain", "text/html", "text/markdown", "text/latex"}
STILL = "image/svg+xml"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def strip(notebook: NotebookNode) -> NotebookNode:
    """Take out of a notebook what is not stored: pictures, widget state, stderr, editors' metadata."""
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
