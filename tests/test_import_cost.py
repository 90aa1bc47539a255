"""What ``import convbook`` costs, and that the rooms of the library import downwards only."""

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

import convbook

LIBRARY = Path(convbook.__file__).parent

# From the bottom up. A room may import those below it and itself, and no other on its own level.
LEVELS = [
    ["shapes"],
    ["algorithms"],
    ["ops"],
    ["gradients", "layers"],
    ["training"],
    ["models"],
    ["datasets"],
    ["figures"],
    ["explorers", "checks"],
    ["reference"],
    ["benchmark"],
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
HEAVY = {"tensorflow", "keras", "matplotlib", "ipywidgets", "anywidget", "scipy", "sklearn", "pooch"}


@functools.cache
def modules_that_come_with(statement):
    """Top-level names of what a statement imports in a fresh interpreter, the standard library left out."""
    program = (
        f"import json, sys; before = set(sys.modules); {statement}; print(json.dumps([*set(sys.modules) - before]))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {module.partition(".")[0] for module in json.loads(run.stdout)} - set(sys.stdlib_module_names)


def test_import_convbook_costs_numpy_and_nothing_else():
    assert {name for name in modules_that_come_with("import convbook") if name != "numpy"} == {"convbook"}


@pytest.mark.parametrize("heavy", sorted(HEAVY))
def test_import_convbook_does_not_bring(heavy):
    assert heavy not in modules_that_come_with("import convbook")


def test_a_module_that_does_come_along_would_be_seen():
    assert "scipy" in modules_that_come_with("import scipy.signal")


# --- who imports whom -----------------------------------------------------------------------------------------


def parts_of(path, library):
    """``("convbook", "checks", "padding")`` for ``checks/padding.py``; a package is its own ``__init__``."""
    parts = ("convbook", *path.relative_to(library).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports_of(path, library):
    """Every module that a file imports, anywhere in it, as (line, dotted name)."""
    package = parts_of(path, library) if path.name == "__init__.py" else parts_of(path, library)[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            # "from convbook import ops" imports convbook.ops; below that, the room is known already.
            for alias in node.names if base == ["convbook"] else node.names[:1]:
                yield node.lineno, ".".join([*base, alias.name] if base == ["convbook"] else base)


def wrong_imports(library):
    """What breaks the order, one line each."""
    wrong = []
    for path in sorted(library.rglob("*.py")):
        _, *rooms = parts_of(path, library)
        room = rooms[0] if rooms else None
        where = path.relative_to(library).as_posix()
        if room is not None and room not in LEVEL:
            wrong.append(f"{where}: {room} has no place in LEVELS")
            continue
        for line, name in imports_of(path, library):
            first, *rest = name.split(".")
            if first in ("keras", "tensorflow") and where != "reference.py":
                wrong.append(f"{where}:{line}: imports {first}, which only reference.py may")
            # The package's own front door may import what it likes: the tests above say what that may cost.
            if first != "convbook" or room is None:
                continue
            if not rest:
                wrong.append(f"{where}:{line}: imports the whole of convbook, expected the rooms it needs")
            elif rest[0] not in LEVEL:
                wrong.append(f"{where}:{line}: imports {name}, which has no place in LEVELS")
            elif rest[0] != room and LEVEL[rest[0]] >= LEVEL[room]:
                wrong.append(f"{where}:{line}: {room} imports {rest[0]}, which is not below it")
    return wrong


def test_rooms_import_downwards_only_and_only_reference_imports_keras():
    assert wrong_imports(LIBRARY) == []


def test_the_rooms_that_everything_rests_on_are_there():
    found = {room for path in LIBRARY.rglob("*.py") for room in parts_of(path, LIBRARY)[1:2]}
    assert {"shapes", "algorithms", "ops", "reference"} <= found


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("shapes.py", "from convbook import ops", "shapes.py:1: shapes imports ops, which is not below it"),
        ("shapes.py", "from . import ops", "shapes.py:1: shapes imports ops, which is not below it"),
        ("shapes.py", "from .ops import conv", "shapes.py:1: shapes imports ops, which is not below it"),
        ("shapes.py", "import convbook.ops as o", "shapes.py:1: shapes imports ops, which is not below it"),
        ("ops.py", "from convbook import shapes, figures", "ops.py:1: ops imports figures, which is not below it"),
        ("ops.py", "def f():\n    from convbook.checks.padding import x", "ops.py:2: ops imports checks, which is not"),
        ("training.py", "from convbook.models import x", "training.py:1: training imports models, which is not below"),
        ("checks/a.py", "from ..explorers import x", "checks/a.py:1: checks imports explorers, which is not below it"),
        ("checks/__init__.py", "from .. import reference", "checks/__init__.py:1: checks imports reference, which is"),
        ("layers.py", "import convbook", "layers.py:1: imports the whole of convbook"),
        ("layers.py", "from convbook import helpers", "layers.py:1: imports convbook.helpers, which has no place"),
        ("helpers.py", "", "helpers.py: helpers has no place in LEVELS"),
        ("figures.py", "import numpy, keras.ops", "figures.py:1: imports keras, which only reference.py may"),
        ("checks/a.py", "from tensorflow import nn", "checks/a.py:1: imports tensorflow, which only reference.py may"),
        ("__init__.py", "import keras", "__init__.py:1: imports keras, which only reference.py may"),
    ],
)
def test_a_wrong_import_would_be_found(tmp_path, file, text, complaint):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    (found,) = wrong_imports(tmp_path)
    assert found.startswith(complaint)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("__init__.py", "from convbook import ops, shapes"),
        ("reference.py", "import keras"),
        ("ops.py", "from convbook import algorithms\nfrom convbook.shapes import output_size"),
        ("algorithms/fft.py", "from convbook.algorithms._arrays import Array\nfrom ..shapes import output_size"),
        ("checks/__init__.py", "from . import padding\nfrom .padding import x\nfrom convbook.figures import show"),
        ("figures.py", "import matplotlib\nfrom convbook import datasets"),
    ],
)
def test_a_right_import_is_accepted(tmp_path, file, text):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert wrong_imports(tmp_path) == []
