"""What every notebook in the repository keeps to, so that running it tells whether it is still true."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import symtable
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


def tool(name):
    """A module of ``book/_tools``, which is no package: it serves the build."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


ledger, stored = tool("ledger"), tool("notebooks")
NOTEBOOKS = ledger.notebooks()
TAGS = {
    "hide-input",
    "hide-output",
    "remove-cell",
    "remove-output",
    "explorer",
    "needs-tensorflow",
    "nbval-ignore-output",
    "table",
}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def scopes(table):
    yield table
    for child in table.get_children():
        yield from scopes(child)


def names_defined(source):
    """What a cell binds for the cells after it."""
    top = symtable.symtable(source, "cell", "exec")
    return {name.get_name() for name in top.get_symbols() if name.is_assigned() or name.is_imported()}


def names_read(source):
    """What a cell reads of what stands outside its functions."""
    top = symtable.symtable(source, "cell", "exec")
    return {
        name.get_name()
        for scope in scopes(top)
        for name in scope.get_symbols()
        if name.is_referenced() and (scope is top or name.is_global())
    }


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 18


@each_notebook
def test_every_code_cell_was_run_in_order(path):
    """A cell without an execution count is one that nbval never compares."""
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_it_is_stored_without_pictures_widgets_and_errors(path):
    before = path.read_text(encoding="utf-8")
    assert nbformat.writes(stored.strip(nbformat.reads(before, as_version=4))) + "\n" == before


@each_notebook
def test_its_tags_are_known(path):
    for cell in code_cells(path):
        for tag in cell.metadata.get("tags", []):
            assert tag in TAGS or tag.startswith("claim:"), f"{path.stem}: {tag}"


@each_notebook
def test_cells_without_tensorflow_use_nothing_that_needs_it(path):
    behind, here = set(), set()
    for cell in code_cells(path):
        defined = names_defined(cell.source)
        if "needs-tensorflow" in cell.metadata.get("tags", []):
            behind |= defined - here
        else:
            here |= defined
            behind -= defined
            assert not names_read(cell.source) & behind, f"{path.stem}: {cell.source[:80]}"
            assert "convbook.reference" not in cell.source, f"{path.stem}: {cell.source[:80]}"


@each_notebook
def test_every_figure_has_a_caption_a_name_and_a_description(path):
    for cell in code_cells(path):
        draws = "figures." in cell.source.replace("figures.use_style", "") or "plt.subplots" in cell.source
        if not draws or not cell.outputs:
            continue
        shown = cell.metadata.get("mystnb", {})
        assert shown.get("figure", {}).get("name", "").startswith("fig-"), cell.source[:80]
        assert shown["figure"].get("caption"), cell.source[:80]
        assert len(shown.get("image", {}).get("alt", "")) > 20, cell.source[:80]


@each_notebook
def test_no_cell_is_longer_than_a_screen(path):
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= 40, f"{path.stem}: {cell.source[:80]}"


@each_notebook
def test_it_has_three_exercises_each_with_a_stub_and_a_solution(path):
    cells = read(path).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert text.count("{exercise-start}") >= 3
    assert "{exercise-start} Predict" in text
    assert text.count("{exercise-start}") == text.count("{solution-start}") == text.count(":class: dropdown")
    verdicts = [
        cell.outputs[0].text
        for cell in cells
        if cell.cell_type == "code" and "\ncheck." in f"\n{cell.source}" and cell.outputs
    ]
    assert sum(verdict.startswith("Not yet") for verdict in verdicts) == text.count("{exercise-start}")
    assert sum(verdict.startswith("Right") for verdict in verdicts) == text.count("{exercise-start}")


def test_every_part_of_the_book_has_a_small_project():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    for part in (part for part in toc["parts"] if part.get("numbered")):
        lessons = [read(ROOT / f"{chapter['file']}.ipynb") for chapter in part["chapters"]]
        titles = [
            line
            for lesson in lessons
            for cell in lesson.cells
            for line in cell.source.splitlines()
            if line.startswith(":::{exercise-start}")
        ]
        assert any("project" in title.lower() for title in titles), part["caption"]


# --- the ledger -----------------------------------------------------------------------------------------------


def test_every_claim_is_listed_once_with_a_known_verdict_and_document():
    listed = ledger.claims()
    assert len({claim.id for claim in listed}) == len(listed) == 110
    assert {claim.verdict for claim in listed} == set(ledger.VERDICTS)
    assert {claim.document for claim in listed} == {"000", "001", "002", "003", "004"}
    assert all(len(claim.says) > 20 for claim in listed)


def test_every_tag_names_a_claim_and_stands_once():
    answered = [answer.claim for answer in ledger.answers()]
    assert set(answered) <= {claim.id for claim in ledger.claims()}
    assert len(answered) == len(set(answered))


def test_every_answer_stands_in_its_lesson_asserts_and_says_what_it_found():
    lessons = {claim.id: claim.lesson for claim in ledger.claims()}
    for answer in ledger.answers():
        assert answer.lesson == lessons[answer.claim], answer.claim
        assert ledger.asserts(answer.source), answer.claim
        assert answer.shown, answer.claim


def test_every_claim_is_answered():
    answered = {answer.claim for answer in ledger.answers()}
    assert [claim.id for claim in ledger.claims() if claim.id not in answered] == []


def test_the_ledger_is_in_the_order_of_the_book():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    lessons = [chapter["file"].removeprefix("book/") for part in toc["parts"] for chapter in part["chapters"]]
    order = list(dict.fromkeys(claim.lesson for claim in ledger.claims()))
    assert order == [lesson for lesson in lessons if lesson in order]


def test_the_ledger_page_lists_every_claim_and_marks_the_open_ones():
    page = ledger.page()
    found = {answer.claim for answer in ledger.answers()}
    for claim in ledger.claims():
        assert page.count(f"(ledger-{claim.id})=") == 1
        assert (f"<claim-{claim.id}>" in page) == (claim.id in found)
    assert page.count('verdict-open">') == len(ledger.claims()) - len(found)


# --- the first cell -------------------------------------------------------------------------------------------

# What stands before the cell in a session without the library, which runs no pip but prints what it would run.
WITHOUT_THE_LIBRARY = """
import importlib.util, subprocess, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "convbook" else find(name)
subprocess.run = lambda command, check: print(check, command == [sys.executable, *command[1:]], *command[1:], sep="|")
"""
MISSING = (
    "The book's library is missing here: in a new cell, type\n"
    '%pip install "convbook[lessons] @ git+ADDRESS#subdirectory=lib"\n'
    "with the address of the book's repository for ADDRESS.\n"
)


@pytest.fixture
def colab():
    """Colab's list of sessions: serves what is put into its ``sessions``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/api/sessions" else 404)
            self.end_headers()
            self.wfile.write(self.server.sessions)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def first_cell(prelude="", **environment):
    """What the first cell prints in a process of its own."""
    known = {name: value for name, value in os.environ.items() if name not in ("COLAB_JUPYTER_IP", "KMP_TARGET_PORT")}
    done = subprocess.run(
        [sys.executable, "-c", prelude + stored.FIRST_CELL],
        env={**known, "no_proxy": "*", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


def in_colab(server, path):
    """What the first cell prints in a Colab without the library whose only session is of the notebook ``path``."""
    server.sessions = json.dumps([{"id": "1", "path": path, "name": "padding.ipynb", "type": "notebook"}]).encode()
    where = {"COLAB_JUPYTER_IP": "127.0.0.1", "KMP_TARGET_PORT": str(server.server_port)}
    return first_cell(WITHOUT_THE_LIBRARY, **where)


def file_id(address):
    return "fileId=" + quote(address, safe="")


@each_notebook
def test_its_first_code_cell_is_the_one_that_brings_the_library(path):
    first, *others = code_cells(path)
    assert first.source == stored.FIRST_CELL
    assert first.metadata == {"tags": ["remove-cell"]}
    assert not first.outputs
    assert all(cell.id != "library" for cell in others)


def test_the_first_cell_stands_behind_the_title():
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("import numpy")]
    )
    for _ in range(2):
        stored.begin(notebook)
        assert [cell.source for cell in notebook.cells] == ["# Title", stored.FIRST_CELL, "import numpy"]


def test_the_first_cell_says_nothing_where_the_library_is():
    assert first_cell() == ""


@pytest.mark.parametrize("branch", ["main", "v1.0", "feature/explorers", "a/book/b"])
def test_in_colab_the_library_comes_from_where_the_notebook_does(colab, branch):
    path = file_id(f"https://github.com/some-one/the.book/blob/{branch}/book/feature-maps/padding.ipynb")
    library = f"convbook[lessons] @ git+https://github.com/some-one/the.book@{branch}#subdirectory=lib"
    assert in_colab(colab, path) == f"True|True|-m|pip|install|-q|{library}\n"


@pytest.mark.parametrize(
    "path",
    [
        file_id("/v2/external/notebooks/padding.ipynb"),
        "fileId=1mJGXd3vJ3",  # a notebook on Google Drive
        file_id("https://github.com/one/book"),
        file_id("https://gist.github.com/one/0123456789abcdef"),
        file_id("https://github.com/one/two/blob/main/padding.ipynb"),
        file_id("https://elsewhere.org/github.com/one/two/blob/main/book/padding.ipynb"),
        "",
    ],
)
def test_a_notebook_from_elsewhere_says_what_to_type(colab, path):
    assert in_colab(colab, path) == MISSING


def test_where_colab_does_not_answer_the_first_cell_says_what_to_type(colab):
    assert first_cell(WITHOUT_THE_LIBRARY) == MISSING
    assert first_cell(WITHOUT_THE_LIBRARY, COLAB_JUPYTER_IP="127.0.0.1") == MISSING
    assert first_cell(WITHOUT_THE_LIBRARY, COLAB_JUPYTER_IP="127.0.0.1", KMP_TARGET_PORT="1") == MISSING
    assert first_cell(WITHOUT_THE_LIBRARY, COLAB_JUPYTER_IP="", KMP_TARGET_PORT="x") == MISSING
    for port, sessions in ((colab.server_port, b"\xff"), (colab.server_port, b"[]")):
        colab.sessions = sessions
        known = {"COLAB_JUPYTER_IP": "127.0.0.1", "KMP_TARGET_PORT": str(port)}
        assert first_cell(WITHOUT_THE_LIBRARY, **known) == MISSING


def test_what_the_first_cell_installs_is_all_that_the_lessons_import():
    """But for TensorFlow and Keras, which stand behind a tag of their own."""
    extras = tomllib.loads((ROOT / "lib" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {"convbook[lessons]"}
    for _ in range(3):
        names = [re.fullmatch(r"convbook\[([\w,]+)\]", name) for name in wanted]
        wanted |= {
            package
            for name in names
            if name
            for extra in name[1].split(",")
            for package in extras["optional-dependencies"][extra]
        }
    brought = {re.match(r"[\w-]+", name)[0] for name in wanted | set(extras["dependencies"])} | {"convbook"}
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for path in NOTEBOOKS
        for cell in code_cells(path)
        if "needs-tensorflow" not in cell.metadata.get("tags", [])
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {"numpy", "scipy"} <= imported
    assert imported - set(sys.stdlib_module_names) <= brought
