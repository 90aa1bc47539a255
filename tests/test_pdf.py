"""The book on paper: whole, its links inside it, and offered by the pages only where it has been made."""

import os
import subprocess
import sys

import pikepdf
import pytest
import small_book
from bs4 import BeautifulSoup
from small_book import pdf

URL = "https://example.org/book/"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    small_book.write(folder)
    return folder


@pytest.fixture(scope="module")
def site(source, tmp_path_factory):
    """The small book built with its PDF, and with an address."""
    if not pdf.chromium():
        assert not os.environ.get("CI"), pdf.MISSING
        pytest.skip(pdf.MISSING)
    folder = tmp_path_factory.mktemp("site")
    done = small_book.run(source, folder, CONVBOOK_PDF="yes", CONVBOOK_URL=URL)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def file(site):
    with pikepdf.open(site / pdf.FILE) as opened:
        yield opened


def joined(site, url=""):
    return BeautifulSoup(pdf.document(site, "index.html", "A small book", "Some one", url), "html.parser")


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("book/a/b.html", "c.html#d", "book/a/c.html"),
        ("book/a/b.html", "../c%20d.svg?v=1", "book/c d.svg"),
        ("book/a/b.html", "../../_static/x.css", "_static/x.css"),
        ("book/a/b.html", "#d", "book/a/b.html"),
        ("index.html", "book/a.html", "book/a.html"),
    ],
)
def test_a_link_is_resolved_from_the_page_that_it_stands_on(page, link, expected):
    assert pdf.resolved(page, link) == expected


def test_the_document_holds_every_page_once_in_the_order_of_the_book(site):
    soup = joined(site)
    assert [heading.find(string=True) for heading in soup.find_all("h1")] == ["Contents", "Contents", "Lesson", "Run"]
    assert [entry.get_text() for entry in soup.select(".whole-book-contents li a")] == ["Contents", "Lesson", "Run"]
    assert soup.select_one(".whole-book-contents .caption").get_text() == "A part"
    assert not soup.find_all("script")


def test_every_anchor_of_the_document_is_there_once_and_every_link_leads_to_one(site):
    soup = joined(site)
    names = [tag["id"] for tag in soup.find_all(id=True)]
    assert len(names) == len(set(names))
    links = [link["href"] for link in soup.find_all("a", href=True)]
    assert "#book-run--there" in links
    assert "#book-lesson" in links
    assert {link[1:] for link in links} <= set(names)


def test_a_link_to_what_the_document_lacks_leads_to_the_site_or_nowhere(site):
    assert "genindex" not in str(joined(site))
    assert [link["href"] for link in joined(site, URL).find_all("a", string="index")] == [f"{URL}genindex.html"]


def test_what_a_page_needs_hands_for_is_left_out_and_what_it_hides_is_open():
    text = """<article><h1 id="a">A<a class="headerlink" href="#a">#</a></h1>
    <details class="admonition hide above-input"><summary>Show</summary><pre>draw()</pre></details>
    <details class="sd-dropdown"><summary>More</summary><p aria-labelledby="a b">Text</p></details>
    <div class="explorer"><div class="explorer-still"><img src="../_images/a.svg" loading="lazy"></div>
    <div class="explorer-live"></div></div><script>go()</script></article>"""
    article = BeautifulSoup(text, "html.parser").article
    pdf.relocate(article, "book/x.html", ["book/x.html"], "")
    assert article.h1.get_text() == "A"
    assert article.h1["id"] == "book-x--a"
    assert "draw" not in str(article)
    assert article.details.has_attr("open")
    assert article.details.p["aria-labelledby"] == "book-x--a book-x--b"
    assert dict(article.img.attrs) == {"src": "_images/a.svg"}
    assert not article.select("script, .explorer-live, .headerlink")


def test_the_pdf_has_a_bookmark_for_every_heading(file):
    def titles(items):
        for item in items:
            yield item.title
            yield from titles(item.children)

    with file.open_outline() as outline:
        found = [" ".join(title.split()) for title in titles(outline.root)]
    assert found == ["Contents", "Contents", "Lesson", "Same", "Run", "Same"]


def test_the_links_of_the_pdf_stay_in_it_and_lead_to_the_right_page(file):
    numbers = {name[1:]: number for name, number in destinations(file).items()}
    assert numbers["index"] < numbers["book-lesson"] < numbers["book-run"] == numbers["book-run--there"]
    inside, outside = [], []
    for page in file.pages:
        for note in page.get("/Annots", []):
            if "/Dest" in note:
                inside.append(str(note.Dest)[1:])
            else:
                outside.append(str(note.A.URI))
    assert {"index", "book-lesson", "book-run", "book-run--there"} <= set(inside) <= set(numbers)
    assert set(outside) == {URL, f"{URL}genindex.html"}


def destinations(file):
    pages = [page.objgen for page in file.pages]
    return {name: pages.index(place[0].objgen) + 1 for name, place in file.Root.Dests.items()}


def test_the_pdf_is_tagged_for_readers_that_read_aloud(file):
    assert file.Root.MarkInfo.Marked
    assert str(file.Root.Lang) == "en"
    assert str(file.docinfo["/Title"]) == "A small book"


def test_the_contents_name_the_pages_of_the_pdf(site, tmp_path, monkeypatch):
    texts = []
    once = pdf.printed
    monkeypatch.setattr(pdf, "printed", lambda *a, **options: texts.append(a[1]) or once(*a, **options))
    made = pdf.make(site, "index.html", "A small book", "Some one", URL)
    with pikepdf.open(made) as file:
        numbers = destinations(file)
    entries = BeautifulSoup(texts[-1], "html.parser").select(".whole-book-contents li")
    shown = {entry.a["href"][1:]: entry.span.get_text() for entry in entries}
    assert shown == {name: str(numbers[f"/{name}"]) for name in ("index", "book-lesson", "book-run")}


def test_a_book_that_lacks_a_file_is_not_printed(site, tmp_path):
    with pytest.raises(RuntimeError, match=r"^the PDF needs http://\S+/lost.svg, which cannot be had from "):
        pdf.printed(tmp_path, '<img src="lost.svg">', pdf.chromium())
    with pytest.raises(RuntimeError, match=r"^the PDF needs https://example.org/a.svg, "):
        pdf.printed(tmp_path, '<img src="https://example.org/a.svg">', pdf.chromium())


def offers(folder):
    return [
        link["href"]
        for name in small_book.PAGES
        for link in small_book.page(folder, name).select(".btn-download-book-button")
    ]


def test_pages_lead_to_the_pdf_where_it_has_been_made_and_only_there(site, source, tmp_path):
    assert offers(site) == [pdf.FILE, f"../{pdf.FILE}", f"../{pdf.FILE}"]
    assert (site / pdf.FILE).is_file()
    # The same site, built again without one.
    (tmp_path / pdf.FILE).write_bytes(b"of an earlier build")
    assert small_book.run(source, tmp_path).returncode == 0
    assert offers(tmp_path) == []
    assert not (tmp_path / pdf.FILE).exists()


def test_without_chromium_one_line_says_what_to_install(source, tmp_path):
    nowhere = {"CHROMIUM_PATH": "", "PATH": str(tmp_path)}
    tool = [sys.executable, small_book.TOOLS / "pdf.py"]
    asked = subprocess.run(tool, env=os.environ | nowhere, capture_output=True, text=True)
    assert (asked.returncode, asked.stderr) == (1, f"{pdf.MISSING}\n")
    done = small_book.run(source, tmp_path / "site", CONVBOOK_PDF="yes", **nowhere)
    assert done.returncode != 0
    assert pdf.MISSING in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_a_browser_that_is_there_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM_PATH", raising=False)
    assert pdf.chromium() == ""
    program = tmp_path / "google-chrome"
    program.touch(mode=0o755)
    assert pdf.chromium() == str(program)
    monkeypatch.setenv("CHROMIUM_PATH", str(tmp_path / "lost"))
    assert pdf.chromium() == ""
    monkeypatch.setenv("CHROMIUM_PATH", str(program))
    monkeypatch.setenv("PATH", "")
    assert pdf.chromium() == str(program)
