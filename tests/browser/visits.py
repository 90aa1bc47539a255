"""What a reader's browser sees of a page, gathered on one visit for many tests."""

import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

WIDE, NARROW, HEIGHT = 1200, 360, 900
THEMES = ("light", "dark")
# What myst-nb writes in place of a widget.
EXPLORER = 'script[type="application/vnd.jupyter.widget-view+json"]'
TEXT = {".css", ".html", ".js", ".json", ".map", ".mjs", ".svg", ".txt", ".xml"}

# The theme looks 300 milliseconds after a resize which boxes scroll, and gives these a tab stop; later where the
# processor has other work.
SETTLED = 500
SCROLL_BY_KEYBOARD = """() => [...document.querySelectorAll("pre, .output, .jp-RenderedHTMLCommon")].every(
    (box) => box.scrollWidth <= box.clientWidth || box.tabIndex === 0)"""

# Solutions and hidden code are part of a page: a reader opens them.
OPEN_ALL = """() => {
    for (const box of document.querySelectorAll("details")) box.open = true;
    for (const button of document.querySelectorAll(".toggle-button-hidden")) button.click();
}"""

# Four of five elements of a lesson are words of code, and each takes axe its time. They have few colours, which have a
# test of their own; for the rest a box of code is as good without.
PLAIN_CODE = """() => {
    for (const box of document.querySelectorAll(".highlight pre")) box.textContent = box.textContent;
}"""

WIDTHS = """() => {
    const {scrollWidth, clientWidth} = document.documentElement;
    const out = scrollWidth <= clientWidth ? [] : [...document.querySelectorAll("body *")].filter(
        (element) => element.getBoundingClientRect().right > clientWidth + 0.5);
    const name = (element) => element.tagName.toLowerCase() + (element.id && "#" + element.id)
        + [...element.classList].map((c) => "." + c).join("");
    return [scrollWidth, clientWidth, out.slice(0, 5).map(name)];
}"""

SCROLL_THROUGH = """async () => {
    for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
        scrollTo({top: y, behavior: "instant"});
        await new Promise((next) => setTimeout(next, 20));
    }
    scrollTo({top: 0, behavior: "instant"});
}"""


@dataclass
class Log:
    """What went wrong while a page was open, and what it asked for."""

    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Everything that went wrong, each with what it is."""
        kinds = {"console": self.console, "page error": self.errors, "failed request": self.failed,
                 "foreign request": self.foreign}  # fmt: skip
        return [f"{kind}: {what}" for kind, found in kinds.items() for what in found]


@dataclass
class Visit:
    """A page as it was seen in one theme, at both widths."""

    path: str
    log: Log
    theme: str
    title: str = ""
    headings: list[str] = field(default_factory=list)
    has_explorer: bool = False
    neighbours: dict[str, str] = field(default_factory=dict)
    widths: dict[int, tuple[int, int, list[str]]] = field(default_factory=dict)
    violations: dict[int, list[str]] = field(default_factory=dict)


def pages(site: Path) -> list[str]:
    """Every page of a built site, by its path there; folders with an underscore hold the theme's own files."""
    found = (path.relative_to(site) for path in site.rglob("*.html"))
    return sorted(path.as_posix() for path in found if not any(part.startswith("_") for part in path.parts))


class _Files(http.server.SimpleHTTPRequestHandler):
    # Connections are kept: a page asks for dozens of files.
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing: the browser notes what fails."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        """Say nothing: a browser that closes may leave a file half sent."""


@contextmanager
def serve(site: Path) -> Iterator[str]:
    """Serve a folder on a free port of this machine, and give its address."""
    with _Server(("127.0.0.1", 0), functools.partial(_Files, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def launch(executable: str) -> Iterator[Browser]:
    """Start a browser that reaches this machine and nothing else."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=[
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-gpu",
                "--disable-sync",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ],
        )
        yield browser
        browser.close()


def watch(page: Page, address: str) -> Log:
    """Note from now on what goes wrong on a page, and what it asks for."""
    log = Log()

    def note_request(url: str) -> None:
        if url.startswith(address):
            log.requested.append(url)
        elif urlsplit(url).scheme not in ("blob", "data"):
            log.foreign.append(url)

    page.on("console", lambda m: log.console.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: log.errors.append(str(error)))
    page.on("request", lambda request: note_request(request.url))
    page.on("websocket", lambda socket: log.foreign.append(socket.url))
    page.on("requestfailed", lambda request: log.failed.append(f"{request.failure}: {request.url}"))
    page.on("response", lambda r: log.failed.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
    return log


def goto(page: Page, url: str) -> None:
    """Open a page and wait until it asks for nothing more, also further down."""
    page.goto(url, wait_until="load")
    page.wait_for_load_state("networkidle")
    page.evaluate(SCROLL_THROUGH)
    page.wait_for_load_state("networkidle")


def violations(page: Page) -> list[str]:
    """What axe-core finds on a page as it is now: its default rules, which hold WCAG A and AA and best practice."""
    # The half of a formula that is hidden from screen readers has the colour of the words around it.
    # Style sheets are not loaded once more: axe asks for what they import at a wrong address, and only a rule that is
    # off by default reads them.
    options = {"resultTypes": ["violations"], "preload": {"assets": ["media"]}}
    found = Axe().run(page, {"exclude": [[".katex-html"]]}, options).response["violations"]
    return [
        " ".join(f"{rule['id']}: {node['target']} {node['html'][:200]} {node['failureSummary']}".split())
        for rule in found
        for node in rule["nodes"]
    ]


def visit(browser: Browser, address: str, path: str, theme: str, widths: tuple[int, ...]) -> Visit:
    """Open a page at the first width, then change to the others, and look at it at each."""
    context = browser.new_context(color_scheme=theme, viewport={"width": widths[0], "height": HEIGHT})
    page = context.new_page()
    log = watch(page, address)
    goto(page, address + path)
    seen = Visit(path, log, page.evaluate("document.documentElement.dataset.theme"))
    seen.title = page.title()
    seen.headings = [heading.inner_text() for heading in page.locator("h1:visible").all()]
    seen.has_explorer = page.locator(EXPLORER).count() > 0
    for rel, name in (("prev", "left-prev"), ("next", "right-next")):
        link = page.locator(f".prev-next-area a.{name}")
        if link.count():
            seen.neighbours[rel] = urljoin(page.url.removeprefix(address), link.get_attribute("href") or "")
    page.evaluate(OPEN_ALL)
    page.evaluate(PLAIN_CODE)
    for width in widths:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        settle(page)
        seen.widths[width] = tuple(page.evaluate(WIDTHS))
        seen.violations[width] = violations(page)
    context.close()
    return seen


def settle(page: Page) -> None:
    """Wait until the theme is done with a change of width, for ten seconds at most: after that the tests will tell."""
    page.wait_for_timeout(SETTLED)
    with suppress(TimeoutError):
        page.wait_for_function(SCROLL_BY_KEYBOARD, timeout=10_000)


def visit_in_both_themes(executable: str, address: str, path: str) -> dict[str, Visit]:
    """Visit a page in a browser of its own: in the light from wide to narrow, in the dark from narrow to wide."""
    with launch(executable) as browser:
        return {
            "light": visit(browser, address, path, "light", (WIDE, NARROW)),
            "dark": visit(browser, address, path, "dark", (NARROW, WIDE)),
        }


def weights(site: Path, address: str, log: Log) -> dict[str, int]:
    """The bytes of every file that was asked for, as a server sends them: text compressed, the rest as it is."""
    found = {}
    for url in set(log.requested):
        name = unquote(urlsplit(url.removeprefix(address)).path)
        file = site / name
        content = file.read_bytes() if file.is_file() else b""  # what is missing, another test reports
        found[name] = len(gzip.compress(content, 6)) if Path(name).suffix in TEXT else len(content)
    return found
