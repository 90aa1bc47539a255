"""The glossary and the lessons agree: every word in bold is in it, and is linked to it."""

import re
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = [
    chapter["file"]
    for part in yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    for chapter in part["chapters"]
]
LESSONS = [name for name in CHAPTERS if (ROOT / f"{name}.ipynb").exists()]
BOLD = re.compile(r"\*\*([^*\n]+?)\*\*")
LINK = re.compile(r"\{term\}`(?:[^`<]+ <([^>`]+)>|([^`<]+))`")


def glossary():
    """The terms with the lesson that each entry names, in the order of the page."""
    text = (ROOT / "book" / "reference" / "glossary.md").read_text(encoding="utf-8")
    entries = text.split("```{glossary}\n")[1].split("\n```")[0].split("\n\n")
    return {entry.split("\n")[0]: re.search(r"\{doc\}`/([^`]+)`$", entry)[1] for entry in entries}


def prose(lesson):
    """The Markdown of a lesson below its title and question."""
    cells = nbformat.read(ROOT / f"{lesson}.ipynb", as_version=4).cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert texts[0].startswith("# "), lesson
    return "\n\n".join([texts[0].split("**", 2)[2], *texts[1:]])


def linked(lesson):
    """The terms that a lesson links to the glossary, in lower case, and those of them in bold."""
    text = prose(lesson)
    in_bold = " ".join(BOLD.findall(text))
    return tuple({(a or b).lower() for a, b in LINK.findall(part)} for part in (text, in_bold))


def test_the_glossary_is_in_alphabetical_order_and_names_every_term_once():
    terms = list(glossary())
    assert terms == sorted(set(terms), key=str.lower)


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_term_in_bold_is_a_link_to_the_glossary(lesson):
    """Bold sentences, which end with a full stop, are no terms."""
    for text in BOLD.findall(prose(lesson)):
        if not text.endswith((".", ".)", "?", ":")):
            assert LINK.fullmatch(text), f"{lesson}: {text}"


def test_every_term_of_the_glossary_is_in_bold_in_the_lesson_that_it_names():
    bold = {lesson: linked(lesson)[1] for lesson in LESSONS}
    for term, lesson in glossary().items():
        assert term.lower() in bold[lesson], f"{term}: {lesson}"


def test_no_lesson_links_a_term_before_it_stands_in_bold():
    """The first lesson that links a term has it in bold, there or where it says what comes later."""
    introduced = set()
    for lesson in LESSONS:
        terms, bold = linked(lesson)
        introduced |= bold
        assert terms <= introduced, f"{lesson}: {terms - introduced}"
