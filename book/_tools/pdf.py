"""The whole book as one PDF, printed from the built pages by Chromium, as a Sphinx extension.

With ``CONVBOOK_PDF`` set (``make pdf``) a build ends by printing ``FILE`` into the site, and every page has a button
that leads to it. Without it there is neither. ``python book/_tools/pdf.py`` tells whether there is a browser.

The articles of all pages are joined to one document: anchors get the name of their page in front, and links from
page to page lead to them. It is printed twice: the first print tells the page numbers of the contents.
"""

from __future__ import annotations

import functools
import html
import io
import os
import posixpath
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

FILE = "convolutional-networks-run.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = (
    "the PDF is printed by Chromium, and there is none where it was looked for: install it (on Debian and Ubuntu: "
    "sudo apt install chromium), or name it: CHROMIUM_PATH=/path/to/chromium make pdf"
)
# What a page has for hands, and the code that it hides, which for the most part draws.
LEFT_OUT = "script, .headerlink, .copybtn, .prev-next-area, .toggle-button, .explorer-live, details.hide.above-input"
IDENTIFIERS = ("aria-labelledby", "aria-describedby", "headers", "for")
# Of the page, before it is scaled.
PAPER = {"format": "A4", "scale": 0.8, "margin": {"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"}}
FOOTER = '<div style="font: 8px sans-serif; width: 100%; text-align: center"><span class="pageNumber"></span></div>'
STYLE = """
html, body { background: white; scroll-padding: 0; overflow: visible; }
body { display: block; }
.bd-article { padding: 0 !important; max-width: none; overflow: visible !important; }
.whole-book-page { break-before: page; }
h1, h2, h3, h4, h5, .admonition-title, .caption { break-after: avoid; }
h1 { margin-top: 0 !important; }
figure, img, table, .sd-card, .katex-display, .claim-note, .admonition-title { break-inside: avoid; }
p, li, pre { orphans: 3; widows: 3; }
pre { white-space: pre-wrap !important; overflow: visible !important; }
div.highlight, div.cell_output, div.math, .pst-scrollable-table-container { overflow: visible !important; }
details > summary { display: none !important; }
/* A shadow is printed as a picture as large as what throws it. */
:not(#_) { box-shadow: none !important; text-shadow: none !important; }
.whole-book-cover { height: 235mm; display: flex; flex-direction: column; justify-content: center; }
.whole-book-cover .title { font-size: 3.2rem; font-weight: 600; line-height: 1.2; }
.whole-book-contents li { display: flex; justify-content: space-between; list-style: none; }
.whole-book-contents ul { padding: 0; }
.whole-book-contents .caption { font-weight: 600; margin: 1.5rem 0 .5rem; }
"""


def chromium() -> str:
    """The path of the browser, or nothing."""
    named = os.environ.get("CHROMIUM_PATH")
    return next(filter(None, map(shutil.which, [named] if named else BROWSERS)), "")


# --- the document ---------------------------------------------------------------------------------------------


def resolved(page: str, link: str) -> str:
    """The path of what a link on a page leads to, from the root of the site."""
    path = unquote(urlsplit(link).path)
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page


def place(page: str, anchor: str = "") -> str:
    """The name that an anchor of a page has in the document."""
    return "--".join(filter(None, (page.removesuffix(".html").replace("/", "-"), unquote(anchor))))


def relocate(article: Tag, page: str, pages: list[str], url: str) -> None:
    """Make an article part of the document: names and addresses that hold from the root of the site."""
    for unused in article.select(LEFT_OUT):
        unused.decompose()
    for tag in article.find_all(True):
        if tag.get("id"):
            tag["id"] = place(page, tag["id"])
        for attribute in IDENTIFIERS:
            if tag.get(attribute):
                names = tag[attribute] if isinstance(tag[attribute], list) else tag[attribute].split()
                tag[attribute] = " ".join(place(page, name) for name in names)
        if tag.get("src") and not urlsplit(tag["src"]).scheme:
            tag["src"] = resolved(page, tag["src"])
            # Everything is printed, seen or not.
            tag.attrs.pop("loading", None)
    for details in article.find_all("details"):
        details["open"] = ""
    for link in article.find_all("a", href=True):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            continue
        target = resolved(page, link["href"])
        if target in pages:
            link["href"] = f"#{place(target, parts.fragment)}"
        elif url:
            link["href"] = f"{url}{target}"
        else:
            link.unwrap()


def contents(site: Path, root: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """The parts of the book as the sidebar lists them: a caption, and the pages under it with their titles."""
    soup = BeautifulSoup((site / root).read_text(encoding="utf-8"), "html.parser")
    parts: list[tuple[str, list[tuple[str, str]]]] = [("", [(root, soup.h1.find(string=True).strip())])]
    for entry in soup.select("nav.bd-links .caption, nav.bd-links li > a[href]"):
        if entry.name != "a":
            parts.append((entry.get_text(" ", strip=True), []))
        elif resolved(root, entry["href"]) != root:
            parts[-1][1].append((resolved(root, entry["href"]), entry.get_text(" ", strip=True)))
    return parts


def document(site: Path, root: str, title: str, author: str, url: str = "") -> str:
    """All pages as one, with ``{page of NAME}`` in the contents where a page number belongs."""
    parts = contents(site, root)
    pages = [page for _, listed in parts for page, _ in listed]
    styles: dict[str, None] = {}
    articles = []
    for page in pages:
        soup = BeautifulSoup((site / page).read_text(encoding="utf-8"), "html.parser")
        styles |= {resolved(page, sheet["href"]): None for sheet in soup.select('link[rel="stylesheet"][href]')}
        article = soup.select_one("article.bd-article")
        relocate(article, page, pages, url)
        articles.append(f'<div class="whole-book-page" id="{place(page)}">{article}</div>')
    live = f' on its site, <a href="{url}">{url}</a>' if url else " on its site"
    lines = []
    for caption, listed in parts:
        lines += [f'<p class="caption">{html.escape(caption)}</p>'] if caption else []
        lines += ["<ul>"]
        lines += [
            f'<li><a href="#{place(page)}">{html.escape(name)}</a> <span>{{page of {place(page)}}}</span></li>'
            for page, name in listed
        ]
        lines += ["</ul>"]
    sheets = "".join(f'<link rel="stylesheet" href="{html.escape(sheet)}">' for sheet in styles)
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light">
<head><meta charset="utf-8"><title>{html.escape(title)}</title>{sheets}<style>{STYLE}</style></head>
<body>
<div class="bd-article whole-book-cover">
<p class="title">{html.escape(title)}</p>
<p>{html.escape(author)}</p>
<p>This is the book on paper. What can be moved by hand{live} is a picture here, and the solutions, which are closed
there until you open them, stand open under their exercises: cover them until you have tried. The code that is closed
there, most of which draws figures, is left out.</p>
</div>
<div class="bd-article whole-book-page whole-book-contents"><h1>Contents</h1>{"".join(lines)}</div>
{"".join(articles)}
</body></html>"""


# --- the print ------------------------------------------------------------------------------------------------


@contextmanager
def served(site: Path, text: str) -> Iterator[str]:
    """The address under which the document and the files of the site are served, to this machine alone."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/":
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def printed(site: Path, text: str, browser: str, **options: Any) -> bytes:
    """The document as a PDF."""
    from playwright.sync_api import sync_playwright

    failed = []
    with (
        served(site, text) as root,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser) as window,
    ):
        page = window.new_page()
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.on("response", lambda response: response.ok or failed.append(response.url))
        # A book that needs another host would look different without a network.
        page.route(lambda url: not url.startswith(root), lambda route: route.abort())
        page.goto(root, wait_until="load", timeout=120_000)
        page.evaluate("document.fonts.ready.then(() => true)")
        if failed:
            raise RuntimeError(f"the PDF needs {failed[0]}, which cannot be had from {site}")
        return page.pdf(
            display_header_footer=True, header_template="<div></div>", footer_template=FOOTER, **PAPER, **options
        )


def page_numbers(pdf: bytes) -> dict[str, int]:
    """The page on which each place that a link leads to stands, counted from one."""
    import pikepdf

    with pikepdf.open(io.BytesIO(pdf)) as file:
        pages = {page.objgen: number for number, page in enumerate(file.pages, 1)}
        return {unquote(name[1:]): pages[place[0].objgen] for name, place in file.Root.Dests.items()}


def packed(pdf: bytes) -> bytes:
    """The same PDF, a fraction as large: Chromium does not compress what says how a page is to be read aloud."""
    import pikepdf

    small = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as file:
        file.save(small, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return small.getvalue()


def numbered(text: str, numbers: dict[str, int]) -> str:
    """The document with its page numbers, or with room for them."""
    return re.sub(r"\{page of ([^}]+)\}", lambda match: str(numbers[match[1]]) if numbers else "000", text)


def make(site: Path, root: str, title: str, author: str, url: str = "") -> Path:
    """Print the whole book into its site."""
    browser = chromium()
    if not browser:
        raise RuntimeError(MISSING)
    text = document(site, root, title, author, url)
    numbers = page_numbers(printed(site, numbered(text, {}), browser))
    pdf = packed(printed(site, numbered(text, numbers), browser, outline=True, tagged=True))
    # Never half a file.
    with tempfile.NamedTemporaryFile(dir=site, delete=False) as file:
        file.write(pdf)
    os.chmod(file.name, 0o644)
    return Path(file.name).replace(site / FILE)


# --- the Sphinx extension -------------------------------------------------------------------------------------


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    from sphinx.errors import ExtensionError
    from sphinx.util import logging

    wanted = bool(os.environ.get("CONVBOOK_PDF"))
    if wanted and not chromium():
        raise ExtensionError(MISSING)
    # All pages are written anew when it changes: they link to the PDF, or not.
    app.add_config_value("book_pdf", wanted, "html")

    def link(app: Any, pagename: str, template: str, context: Any, doctree: Any) -> None:
        button = {
            "type": "link",
            "url": context["pathto"](FILE, 1),
            "text": "The whole book (.pdf)",
            "tooltip": "Download the whole book as PDF",
            "icon": "fas fa-file-pdf",
            "label": "download-book-button",
        }
        for group in context["header_buttons"]:
            if wanted and group.get("label") == "download-buttons":
                group["buttons"].append(button)

    def write(app: Any, exception: Exception | None) -> None:
        # One of an earlier build tells of earlier pages.
        (Path(app.outdir) / FILE).unlink(missing_ok=True)
        if exception or not wanted:
            return
        config = app.config
        file = make(Path(app.outdir), f"{config.root_doc}.html", config.html_title, config.author, config.html_baseurl)
        logging.getLogger(__name__).info("the whole book: %s, %.1f MB", file, file.stat().st_size / 1e6)

    app.connect("html-page-context", link, priority=900)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    # Before a long build, and without a traceback around it.
    sys.exit(None if chromium() else MISSING)
