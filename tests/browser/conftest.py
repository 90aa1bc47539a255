"""A browser and the built site, for the tests in this folder.

The browser is the system's: ``CHROMIUM_PATH`` names one, else Chromium or Chrome is looked for. The site is
``_build/html``, or the folder that ``CONVBOOK_SITE`` names. Without one of them the tests are skipped and say so; with
``CI`` in the environment they fail.

``open_page(path, theme="light", width=1200)`` opens a page of the site and gives Playwright's ``Page``; when the test
ends, whatever the page printed as an error, could not load, or asked of another host is an error of the test.

``mount(explorer)`` opens a page with nothing on it but that explorer, live, and holds it to the same.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ipywidgets import DOMWidget
from playwright.sync_api import Browser, Page

from browser import mounting, visits

SITE = Path(os.environ.get("CONVBOOK_SITE") or Path(__file__).resolve().parents[2] / "_build" / "html").resolve()
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


refused: set[str] = set()


def refuse(reason: str) -> None:
    """Skip, and say why once at the end; where the tests must run, fail."""
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(reason, pytrace=False)
    refused.add(reason)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for all the tests that were skipped."""
    for reason in sorted(refused):
        terminalreporter.write_line(f"tests/browser was skipped: {reason}", yellow=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes a ``path`` on every page of the site."""
    if "path" in metafunc.fixturenames:
        # With nothing built there is one test that says so.
        metafunc.parametrize("path", visits.pages(SITE) or ["index.html"])


@pytest.fixture(scope="package")
def site() -> Path:
    """The folder of the built site."""
    if not (SITE / "index.html").is_file():
        refuse(f"there is no site in {SITE}; run: make book")
    return SITE


@pytest.fixture(scope="package")
def executable() -> str:
    """The browser's program."""
    named = os.environ.get("CHROMIUM_PATH")
    if named:
        found = shutil.which(named)
        assert found, f"CHROMIUM_PATH is {named}, which is no program"
        return found
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        refuse(
            "the tests in a browser need Chromium or Chrome; install it (on Debian: sudo apt install chromium) "
            "or name it in CHROMIUM_PATH"
        )
    return found


@pytest.fixture(scope="package")
def address(site: Path) -> Iterator[str]:
    """Where the site is served, with a slash at the end."""
    with visits.serve(site) as served:
        yield served


@pytest.fixture(scope="package")
def seen(
    request: pytest.FixtureRequest, executable: str, address: str
) -> Iterator[Callable[[str], dict[str, visits.Visit]]]:
    """What was seen of a page, by theme. The pages that the chosen tests need are visited side by side, each once."""
    wanted = dict.fromkeys(
        item.callspec.params["path"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "seen" in item.fixturenames and hasattr(item, "callspec")
    )
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
    found: dict[str, Future[dict[str, visits.Visit]]] = {}

    def visit(path: str) -> Future[dict[str, visits.Visit]]:
        if path not in found:
            found[path] = pool.submit(visits.visit_in_both_themes, executable, address, path)
        return found[path]

    for path in wanted:
        visit(path)
    yield lambda path: visit(path).result()
    pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="package")
def browser(executable: str) -> Iterator[Browser]:
    """A running browser. It ends with this folder's tests: those of the notebooks have an event loop of their own."""
    with visits.launch(executable) as launched:
        yield launched


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Open a page of the site: ``open_page(path, theme="light", width=1200)``."""
    opened = []

    def opener(path: str, theme: str = "light", width: int = visits.WIDE) -> Page:
        context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": visits.HEIGHT})
        page = context.new_page()
        opened.append((path, visits.watch(page, address)))
        visits.goto(page, address + path)
        return page

    yield opener
    for context in browser.contexts:
        context.close()
    faults = [f"{path}: {fault}" for path, log in opened for fault in log.faults()]
    assert not faults, "\n".join(faults)


@pytest.fixture
def mount(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Show an explorer alone: ``mount(explorer, width=1200, theme="light", **context)``."""
    address = "http://explorer.test/"
    contexts, logs = [], []

    def mounted(explorer: DOMWidget, width: int = visits.WIDE, theme: str = "light", **context: Any) -> Page:
        viewport = {"width": width, "height": visits.HEIGHT}
        contexts.append(browser.new_context(color_scheme=theme, viewport=viewport, **context))
        page = contexts[-1].new_page()
        page.set_default_timeout(5000)
        logs.append(visits.watch(page, address))
        body = mounting.html(explorer, theme)
        page.route(address, lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"))
        page.goto(address)
        page.wait_for_selector(".explorer-is-live", state="attached")
        return page

    yield mounted
    for context in contexts:
        context.close()
    faults = [fault for log in logs for fault in log.faults()]
    assert not faults, "\n".join(faults)
