"""The book as it was built into ``_build/html``: every page whole, every link leads somewhere."""

import itertools
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
CHAPTERS = [
    chapter["file"]
    for part in yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    for chapter in part["chapters"]
]
PAGES = ["book/intro", *CHAPTERS]
ICON_FONTS = {
    "fa-solid": "fa-solid-900", "fas": "fa-solid-900",
    "fa-regular": "fa-regular-400", "far": "fa-regular-400",
    "fa-brands": "fa-brands-400", "fab": "fa-brands-400",
}  # fmt: skip
each_page = pytest.mark.parametrize("name", PAGES)


@pytest.fixture(scope="module")
def soup():
    """The parsed pages by name, each read once."""
    parsed = {}

    def page(path):
        if path not in parsed:
            assert path.is_file(), f"{path.relative_to(ROOT)} was not built; run: make book"
            parsed[path] = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        return parsed[path]

    return page


def article(page):
    return page.find("article")


@each_page
def test_every_image_has_a_description(name, soup):
    page = soup(SITE / f"{name}.html")
    for image in page.find_all("img"):
        assert image.get("alt", "").strip(), image
    for image in article(page).find_all("img"):
        assert len(image["alt"].strip()) > 10, image


@each_page
def test_every_internal_link_leads_to_a_page_and_a_place_on_it(name, soup):
    here = SITE / f"{name}.html"
    for link in soup(here).find_all("a", href=True):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            continue
        target = (here.parent / unquote(parts.path)).resolve() if parts.path else here
        assert target.is_file(), f"{name}: {link['href']}"
        if parts.fragment and target.suffix == ".html":
            place = unquote(parts.fragment)
            assert soup(target).find(id=place) or soup(target).find(attrs={"name": place}), f"{name}: {link['href']}"


@each_page
def test_every_file_a_page_loads_is_on_the_site(name, soup):
    here = SITE / f"{name}.html"
    loaded = [(tag, tag[key]) for key in ("src", "href") for tag in soup(here).find_all(["script", "link", "img"])
              if tag.get(key) and tag.get("rel") != ["canonical"]]  # fmt: skip
    for tag, address in loaded:
        parts = urlsplit(address)
        assert not parts.netloc, f"{name} loads from another host: {tag}"
        assert (here.parent / unquote(parts.path)).resolve().exists(), f"{name}: {address}"


@each_page
def test_no_page_shows_an_error_or_a_reference_that_was_not_resolved(name, soup):
    page = article(soup(SITE / f"{name}.html"))
    assert not page.select(".cell_output .traceback, .problematic, .system-message")
    assert "Traceback (most recent call last)" not in page.get_text()
    for text in ("{doc}`", "{numref}`", "{ref}`", "{prf:ref}`", "{cite}`", ":::"):
        assert text not in page.get_text(), f"{name} shows {text}"


@each_page
def test_every_formula_is_set_in_the_page(name, soup):
    page = soup(SITE / f"{name}.html")
    for formula in page.select(".math"):
        assert formula.select_one(".katex-html"), f"{name} shows {formula}"
        assert formula.select_one(".katex-mathml math"), f"{name}: nothing for a screen reader in {formula}"
    assert not page.select(".katex-error")
    assert not [script for script in page.find_all("script") if "mathjax" in str(script).lower()]
    elsewhere = page.select("article .math, article pre, article code, article script")
    passed_over = {id(text) for other in elsewhere for text in other.find_all(string=True)}
    shown = "".join(text for text in article(page).find_all(string=True) if id(text) not in passed_over)
    assert not re.findall(r"\$|\\[(\[a-z]", shown), f"{name} shows a formula that was not set"


def test_the_fonts_of_the_formulas_are_on_the_site():
    style = SITE / "_static" / "katex" / "katex.min.css"
    fonts = re.findall(r"url\(([^)]+)\)", style.read_text(encoding="utf-8"))
    assert len(fonts) == 20
    assert {path.relative_to(style.parent).as_posix() for path in style.parent.rglob("*") if path != style} == {
        "fonts", *fonts}  # fmt: skip
    assert all((style.parent / font).read_bytes().startswith(b"wOF2") for font in fonts)


@each_page
def test_every_icon_of_a_page_is_in_the_font_that_it_takes(name, soup):
    folder = SITE / "_static" / "icons"
    css = (folder / "icons.css").read_text(encoding="utf-8")
    page = soup(SITE / f"{name}.html")
    icons = [tag for tag in page.select("[class]") if ICON_FONTS.keys() & tag["class"]]
    assert len(icons) > 5
    held = {file: TTFont(folder / f"{file}.woff2").getBestCmap() for file in set(ICON_FONTS.values())}
    for icon in icons:
        (file,) = {ICON_FONTS[c] for c in icon["class"] if c in ICON_FONTS}
        rules = [re.search(rf'\.{c}:before[^{{]*{{content:"\\(\w+)"', css) for c in icon["class"]]
        assert [rule for rule in rules if rule and int(rule[1], 16) in held[file]], f"{name}: {icon}"


def test_the_icons_that_no_page_shows_stay_at_home():
    assert not (SITE / "_static" / "vendor").exists()
    assert sum(path.stat().st_size for path in (SITE / "_static" / "icons").iterdir()) < 40_000


@each_page
def test_headings_descend_one_level_at_a_time(name, soup):
    levels = [int(h.name[1]) for h in article(soup(SITE / f"{name}.html")).find_all(["h1", "h2", "h3", "h4", "h5"])]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@each_page
def test_every_figure_was_drawn_as_a_picture(name, soup):
    """A figure that fails to draw leaves its text, ``<Figure size ...>``, in the page."""
    assert "<Figure size" not in article(soup(SITE / f"{name}.html")).get_text()


def test_every_answered_statement_links_to_its_cell_and_back(soup):
    page = soup(SITE / "book/reference/claims.html")
    links = [a["href"] for a in article(page).find_all("a", href=True) if "#claim-" in a["href"]]
    assert links
    for link in links:
        path, _, place = link.partition("#")
        cell = soup((SITE / "book/reference" / path).resolve()).find(id=place)
        assert "cell" in cell["class"]
        note = cell.find_next(class_="claim-note")
        assert note.find("a")["href"].endswith(f"#ledger-{place.removeprefix('claim-')}")


def test_the_root_of_the_site_leads_to_the_first_page(soup):
    page = soup(SITE / "index.html")
    assert page.find("meta", attrs={"http-equiv": "refresh"})["content"] == "0; url=book/intro.html"
    assert page.find("a")["href"] == "book/intro.html"
    assert page.find("link", rel="icon")["href"] == "data:,", "browsers ask for an icon where none is named"
