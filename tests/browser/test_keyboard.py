"""A page is read, searched and operated with the keyboard alone."""

import pytest

from browser import visits

LESSON = "book/feature-maps/stride.html"

FOCUSED = """() => {
    const element = document.activeElement;
    if (element === document.body) return null;
    const {outlineStyle, outlineWidth, boxShadow} = getComputedStyle(element);
    const {top, bottom, left, right} = element.getBoundingClientRect();
    window.visited ??= [];
    const again = visited.includes(element);
    visited.push(element);
    return {
        what: element.outerHTML.slice(0, 150),
        again,
        ring: (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none",
        shown: element.checkVisibility({opacityProperty: true, visibilityProperty: true})
            && bottom > 0 && top < innerHeight && right > 0 && left < innerWidth,
    };
}"""

# Rings and bars that come slowly would be looked at half way.
STILL = """*, *::before, *::after {
    transition: none !important; animation: none !important; scroll-behavior: auto !important
}"""

MISSED = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
    .filter((element) => element.checkVisibility({opacityProperty: true, visibilityProperty: true})
        && element.tabIndex >= 0 && !element.disabled && !visited.includes(element))
    .map((element) => element.outerHTML.slice(0, 150))"""


def focused(page):
    """Whether the element with the focus is, or is inside, what a selector names."""
    return lambda selector: page.evaluate("(s) => document.activeElement.closest(s) !== null", selector)


@pytest.mark.parametrize("theme", visits.THEMES)
@pytest.mark.parametrize("width", [visits.NARROW, visits.WIDE])
def test_tab_goes_once_through_everything_that_can_be_operated_and_is_seen_there(theme, width, open_page):
    page = open_page(LESSON, theme, width)
    page.add_style_tag(content=STILL)
    page.keyboard.press("Tab")
    while (stop := page.evaluate(FOCUSED)) and not stop["again"]:
        assert stop["ring"], f"no ring around {stop['what']}"
        assert stop["shown"], f"not on the screen: {stop['what']}"
        page.keyboard.press("Tab")
    assert page.evaluate("visited.length") > 50
    assert page.evaluate(MISSED) == []


def test_the_first_stop_leads_past_the_side_bar(open_page):
    page = open_page(LESSON)
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to main content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused(page)("main")


def test_a_hidden_cell_is_opened_and_closed(open_page):
    page = open_page(LESSON)
    box = page.locator("article details").first
    box.locator("summary").focus()
    page.keyboard.press("Enter")
    assert box.locator("pre").first.is_visible()
    page.keyboard.press("Enter")
    assert not box.locator("pre").first.is_visible()


def test_a_solution_is_opened_and_its_code_scrolls_by_keyboard(open_page):
    page = open_page(LESSON, width=visits.NARROW)
    box = page.locator("article .solution.dropdown").first
    code = box.locator("pre").first
    assert not code.is_visible()
    box.get_by_role("button", name="Toggle hidden content").focus()
    page.keyboard.press("Enter")
    assert code.is_visible()
    visits.settle(page)
    assert code.evaluate("(box) => box.scrollWidth > box.clientWidth")
    assert code.get_attribute("tabindex") == "0"


def test_the_search_opens_takes_words_and_closes(open_page):
    page = open_page(LESSON)
    field = page.locator(".search-button__search-container input[type=search]")
    page.get_by_role("button", name="Search").first.focus()
    page.keyboard.press("Enter")
    assert focused(page)(".search-button__search-container input")
    page.keyboard.press("Escape")
    assert not field.is_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("padding")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=padding")


def test_the_menu_of_downloads_is_opened_walked_and_closed(open_page):
    page = open_page(LESSON)
    button = page.get_by_role("button", name="Download this page")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    assert focused(page)(".dropdown-menu")
    page.keyboard.press("Escape")
    assert button.get_attribute("aria-expanded") == "false"
    assert focused(page)(".dropdown-download-buttons > button")


def test_the_theme_is_changed_and_kept(open_page):
    page = open_page(LESSON)
    theme = "document.documentElement.dataset.theme"
    page.locator(".theme-switch-button:visible").first.focus()
    for _ in range(3):
        if page.evaluate(theme) == "dark":
            break
        page.keyboard.press("Enter")
    assert page.evaluate(theme) == "dark"
    page.reload()
    assert page.evaluate(theme) == "dark"


@pytest.mark.parametrize("side", ["primary", "secondary"])
def test_a_side_bar_of_a_narrow_page_is_opened_walked_and_closed(side, open_page):
    page = open_page(LESSON, width=visits.NARROW)
    page.add_style_tag(content=STILL)
    bar = page.locator(f".bd-sidebar-{side}")
    button = page.locator(f"button.{side}-toggle:visible")
    assert not bar.get_by_role("link").first.is_visible()
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("(s) => document.activeElement.closest(s)", arg=f".bd-sidebar-{side}")
    assert bar.get_by_role("link").first.is_visible()
    page.keyboard.press("Tab")
    assert focused(page)(f".bd-sidebar-{side}")
    page.keyboard.press("Escape")
    assert focused(page)(f"button.{side}-toggle")
    assert not bar.get_by_role("link").first.is_visible()
