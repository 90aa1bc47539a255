"""A real browser: the system's Chromium, driven by Playwright."""

import os
import shutil

import mounting
import pytest
from playwright.sync_api import sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def browser():
    path = os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def mount(browser):
    """``mount(explorer)`` opens a page on which that explorer is live; errors on it fail the test."""
    contexts, faults = [], []

    def mounted(explorer, width=1200, theme="light", **context):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **context))
        page = contexts[-1].new_page()
        page.set_default_timeout(5000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        # Nothing may be fetched: the page and all it needs is this one answer.
        page.route("**/*", lambda route: faults.append(route.request.url) or route.abort())
        page.route(
            "http://book.test/",
            lambda route: route.fulfill(body=mounting.html(explorer, theme), content_type="text/html; charset=utf-8"),
        )
        page.goto("http://book.test/")
        page.wait_for_selector(".explorer-is-live", state="attached")
        return page

    yield mounted
    for context in contexts:
        context.close()
    assert faults == []
