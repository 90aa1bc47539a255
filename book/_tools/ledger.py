"""The ledger: which statement of the documents is answered by which cell.

``book/claims.yaml`` lists the statements; a code cell answers one by carrying the tag ``claim:<id>``, asserting
something, and printing what it found as its last line. This module reads both, and as a Sphinx extension it

- gives every such cell an anchor and a line under it that names the statement and the verdict,
- writes the ledger into ``reference/claims``, where a comment marks the place.

``python book/_tools/ledger.py`` prints the ledger as text.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

BOOK = Path(__file__).resolve().parents[1]
PLACE = "<!-- the ledger is written here -->"
VERDICTS = ("holds", "corrected", "measured")


@dataclass(frozen=True)
class Claim:
    """A statement of a document, in our words, and our verdict on it."""

    id: str
    lesson: str
    document: str
    verdict: str
    says: str


@dataclass(frozen=True)
class Answer:
    """A code cell that carries a statement's tag."""

    claim: str
    lesson: str
    cell: int
    source: str
    shown: str


@functools.cache
def _listed() -> dict[str, Any]:
    return yaml.safe_load((BOOK / "claims.yaml").read_text(encoding="utf-8"))


def documents() -> dict[str, str]:
    """What each document is, by its number."""
    return {number: " ".join(text.split()) for number, text in _listed()["documents"].items()}


def claims() -> list[Claim]:
    """The statements, in the order of the book."""
    return [
        Claim(
            entry["id"],
            lesson,
            entry["document"],
            entry["verdict"],
            " ".join(entry["says"].split()),
        )
        for lesson, listed in _listed()["lessons"].items()
        for entry in listed["claims"]
    ]


def notebooks() -> list[Path]:
    """Every lesson that is a notebook."""
    return sorted(path for path in BOOK.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def answers() -> Iterator[Answer]:
    """Every cell with a ``claim:`` tag, in every notebook."""
    for path in notebooks():
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for number, cell in enumerate(cells):
            for tag in cell["metadata"].get("tags", []):
                if tag.startswith("claim:"):
                    lesson = path.relative_to(BOOK).with_suffix("").as_posix()
                    yield Answer(
                        tag[6:],
                        lesson,
                        number,
                        "".join(cell["source"]),
                        _last_line(cell),
                    )


def _last_line(cell: dict[str, Any]) -> str:
    """The last line that a cell printed, as stored in the notebook."""
    printed = [
        "".join(output["text"])
        for output in cell.get("outputs", [])
        if output["output_type"] == "stream" and output["name"] == "stdout"
    ]
    lines = "".join(printed).strip().splitlines()
    return lines[-1].strip() if lines else ""


def asserts(source: str) -> bool:
    """Whether a cell's code holds an assert statement."""
    return any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(source)))


# --- the page -------------------------------------------------------------------------------------------------


def _badge(verdict: str) -> str:
    return f'<span class="verdict verdict-{verdict}">{verdict}</span>'


def page() -> str:
    """The ledger as MyST Markdown."""
    found = {answer.claim: answer for answer in answers()}
    listed = claims()
    titles = {lesson: entry["title"] for lesson, entry in _listed()["lessons"].items()}
    answered = [claim for claim in listed if claim.id in found]
    holds, corrected, measured = (sum(c.verdict == v for c in answered) for v in VERDICTS)
    counts = f"{holds} hold, {corrected} are corrected, {measured} are measured"
    so_far = "" if len(answered) == len(listed) else " so far"
    lines = [f"**{len(answered)} of {len(listed)} statements are answered{so_far}**: {counts}.", ""]
    lines += ["## The documents", ""]
    lines += [f"- **{number}**: {text}." for number, text in documents().items()]
    lines += [""]
    for lesson in dict.fromkeys(claim.lesson for claim in listed):
        written = (BOOK / f"{lesson}.ipynb").exists()
        lines += [f"## {titles[lesson]}", ""]
        if written:
            lines += [f"From the lesson {{doc}}`/book/{lesson}`.", ""]
        for claim in (claim for claim in listed if claim.lesson == lesson):
            answer = found.get(claim.id)
            badge = _badge(claim.verdict if answer else "open")
            lines += [f"(ledger-{claim.id})=", f"- {claim.says}", ""]
            cell = f" · {{ref}}`see the cell <claim-{claim.id}>`" if answer else ""
            lines += [
                f"  {badge} document {claim.document} · `{claim.id}`{cell}",
                "",
            ]
            if answer:
                lines += [f"  The run: *{_plain(answer.shown)}*", ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text as Markdown shows it literally."""
    return "".join(f"\\{character}" if character in r"\`*_{}[]<>#|$^~" else character for character in text)


# --- the Sphinx extension -------------------------------------------------------------------------------------


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    from docutils import nodes
    from sphinx import addnodes
    from sphinx.transforms import SphinxTransform

    known = {claim.id: claim for claim in claims()}
    ledger_page = "book/reference/claims"

    class NoteClaims(SphinxTransform):
        """An anchor on every cell that answers a statement, and a line under it."""

        default_priority = 210

        def apply(self, **kwargs: Any) -> None:
            standard = self.env.get_domain("std")
            cells = [n for n in self.document.findall(nodes.container) if n.get("nb_element") == "cell_code"]
            for cell in cells:
                tags = cell["cell_metadata"].get("tags", [])
                for tag in [tag for tag in tags if tag.startswith("claim:") and tag[6:] in known]:
                    claim = known[tag[6:]]
                    anchor = f"claim-{claim.id}"
                    cell["ids"].append(anchor)
                    standard.note_hyperlink_target(anchor, self.env.docname, anchor, claim.id)  # type: ignore[attr-defined]
                    note = nodes.paragraph("", "", classes=["claim-note"])
                    link = addnodes.pending_xref(
                        "", nodes.inline("", "statement"), refdomain="std", reftype="ref", refexplicit=True,
                        reftarget=f"ledger-{claim.id}", refdoc=self.env.docname, refwarn=True,
                    )  # fmt: skip
                    note += nodes.Text(f"Document {claim.document}, ")
                    note += link
                    note += nodes.Text(" ")
                    note += nodes.literal(claim.id, claim.id)
                    note += nodes.Text(": ")
                    note += nodes.inline(
                        claim.verdict,
                        claim.verdict,
                        classes=["verdict", f"verdict-{claim.verdict}"],
                    )
                    cell.parent.insert(cell.parent.index(cell) + 1, note)

    def write_ledger(app: Any, docname: str, source: list[str]) -> None:
        if docname == ledger_page:
            source[0] = source[0].replace(PLACE, page())

    def ledger_is_outdated(app: Any, env: Any, added: Any, changed: Any, removed: Any) -> list[str]:
        """The ledger depends on every notebook: read it again when any of them is."""
        return [ledger_page] if ledger_page in env.found_docs else []

    app.add_transform(NoteClaims)
    app.connect("source-read", write_ledger)
    app.connect("env-get-outdated", ledger_is_outdated)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }


if __name__ == "__main__":
    found = {answer.claim: answer for answer in answers()}
    for claim in claims():
        answer = found.get(claim.id)
        where = f"{answer.lesson}, cell {answer.cell}: {answer.shown}" if answer else "-"
        print(f"{claim.id:32} {claim.verdict:10} {where}")
    print(f"{sum(claim.id in found for claim in claims())} of {len(claims())} answered")
