"""What the build does to make pages light and whole: icons, formulas and pictures."""

import base64
import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from docutils import nodes
from fontTools.ttLib import TTFont
from PIL import Image
from sphinx.errors import ExtensionError
from sphinxcontrib.katex import KaTeXError

sys.path.append(str(Path(__file__).resolve().parents[1] / "book" / "_tools"))
icons, mathematics, pictures = (__import__(name) for name in ("icons", "mathematics", "pictures"))


def svg_with(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return f'<svg><image href="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"/></svg>'


def pixels_of(svg):
    kind, data = re.fullmatch(r'<svg><image href="data:image/(\w+);base64,([^"]+)"/></svg>', svg).groups()
    return kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def test_a_small_picture_keeps_every_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (112, 112, 4), dtype=np.uint8)
    kind, kept = pixels_of(pictures.lighter(svg_with(pixels)))
    assert kind == "webp"
    np.testing.assert_array_equal(kept, pixels)


def test_a_photograph_is_much_lighter_and_looks_the_same():
    from sklearn.datasets import load_sample_image

    photograph = load_sample_image("china.jpg")
    before = svg_with(photograph)
    after = pictures.lighter(before)
    assert len(after) < len(before) / 5
    assert np.abs(pixels_of(after)[1][..., :3] - photograph.astype(float)).mean() < 6


def test_a_drawing_without_pictures_is_left_alone():
    drawing = '<svg><path d="M 1.234567 2"/></svg>'
    assert pictures.lighter(drawing) == drawing


class Translator:
    def __init__(self):
        self.body = []

    def encode(self, text):
        return text.replace("<", "&lt;")


def test_a_formula_that_katex_refuses_is_a_warning_and_shows_its_source(monkeypatch):
    warnings = []
    monkeypatch.setattr(mathematics, "logger", SimpleNamespace(warning=lambda *a, **k: warnings.append((a, k))))

    def refused(translator, node):
        translator.body.append("<span>")
        raise KaTeXError("no such thing")

    translator, node = Translator(), nodes.math("", r"a < \nothing")
    with pytest.raises(nodes.SkipNode):
        mathematics._checked(refused, "</span>")(translator, node)
    assert "".join(translator.body) == r"<span><code>a &lt; \nothing</code></span>"
    (((message, error), options),) = warnings
    assert str(error) in message % error
    assert options["location"] is node


@pytest.mark.parametrize(("text", "nowrap", "read"), [
    ("a = b", False, "a = b"),
    (r"a &= b \\ c &= d", False, r"\begin{equation*}\begin{split}a &= b \\ c &= d\end{split}\end{equation*}"),
    ("\\begin{align}\na &= b\n\\end{align}", True, "\\begin{align*}\na &= b\n\\end{align*}"),
    (r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}", True, r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}"),
])  # fmt: skip
def test_a_formula_is_read_as_sphinx_reads_it_and_numbered_once(text, nowrap, read, monkeypatch):
    seen = []
    monkeypatch.setattr(mathematics.katex, "html_visit_displaymath", lambda _, node: seen.append(node.astext()))
    mathematics._displayed(Translator(), nodes.math_block("", text, nowrap=nowrap, number=None))
    assert ["".join(formula.split()) for formula in seen] == ["".join(read.split())]


@pytest.fixture
def site(tmp_path):
    (tmp_path / "_static" / "vendor").mkdir(parents=True)
    (tmp_path / "_static" / "theme.css").write_text('.x:before{content:"\\f107"}', encoding="utf-8")
    return tmp_path


def test_the_icons_of_pages_scripts_and_style_sheets_are_kept_and_no_others(site):
    (site / "page.html").write_text('<i class="theme fas fa-sun fa-lg"></i><i class="fa-brands fa-github"></i>')
    (site / "_static" / "theme.js").write_text('add("fa-xmark")')
    icons.write_icons(site)
    css = (site / "_static" / "icons" / "icons.css").read_text(encoding="utf-8")
    assert {name for name in icons.characters(css) if name in ("fa-sun", "fa-github", "fa-xmark", "fa-moon")} == {
        "fa-sun", "fa-github", "fa-xmark"}  # fmt: skip
    held = {path.stem: set(TTFont(path).getBestCmap()) for path in (site / "_static" / "icons").glob("*.woff2")}
    assert held["fa-solid-900"] == {0xF185, 0xF00D, 0xF107}
    assert held["fa-brands-400"] == {0xF09B}


@pytest.mark.parametrize("classes", ["fas fa-no-such-icon", "fa-solid fa-github"])
def test_an_icon_that_there_is_not_fails_the_build(classes, site):
    (site / "page.html").write_text(f'<i class="{classes}"></i>')
    with pytest.raises(ExtensionError, match=r"page\.html shows the solid icon fa-(no-such-icon|github)"):
        icons.write_icons(site)
