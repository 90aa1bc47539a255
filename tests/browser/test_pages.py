"""Every page as a browser shows it: whole, alone, light, within its width, and open to everyone."""

import re
from urllib.parse import urlsplit

import pytest

from browser import visits

LIMIT, LIMIT_WITH_EXPLORERS = 350_000, 900_000


def test_nothing_is_printed_as_an_error_or_a_warning(path, seen):
    assert {theme: visit.log.console for theme, visit in seen(path).items()} == {"light": [], "dark": []}


def test_no_script_fails(path, seen):
    assert {theme: visit.log.errors for theme, visit in seen(path).items()} == {"light": [], "dark": []}


def test_no_request_fails(path, seen):
    assert {theme: visit.log.failed for theme, visit in seen(path).items()} == {"light": [], "dark": []}


def test_nothing_is_asked_of_another_host(path, seen):
    assert {theme: visit.log.foreign for theme, visit in seen(path).items()} == {"light": [], "dark": []}


def test_the_theme_is_the_one_the_system_asks_for(path, seen):
    assert {theme: visit.theme for theme, visit in seen(path).items()} == {"light": "light", "dark": "dark"}


@pytest.mark.parametrize("width", [visits.NARROW, visits.WIDE])
def test_no_page_scrolls_sideways(path, width, seen):
    for theme, visit in seen(path).items():
        needed, given, out = visit.widths[width]
        assert needed <= given, f"{theme}: {needed} pixels in {given}, out of which stand {out}"


def test_a_page_has_a_title_and_shows_one_heading_of_the_first_level(path, seen):
    for visit in seen(path).values():
        assert visit.title.strip()
        assert len(visit.headings) == 1
        assert visit.headings[0].strip("# \n")


@pytest.mark.parametrize("width", [visits.NARROW, visits.WIDE])
@pytest.mark.parametrize("theme", visits.THEMES)
def test_axe_finds_no_violation(path, theme, width, seen):
    assert not (found := seen(path)[theme].violations[width]), f"{len(found)}:\n" + "\n".join(found)


@pytest.mark.parametrize("theme", visits.THEMES)
def test_every_colour_of_code_can_be_read(theme, open_page, site):
    """One word of each class that the style of the code knows, in place of the code of a cell."""
    classes = re.findall(r"\.highlight \.(\w+)", (site / "_static" / "pygments.css").read_text(encoding="utf-8"))
    page = open_page("book/feature-maps/stride.html", theme)
    page.evaluate(visits.PLAIN_CODE)
    page.evaluate(
        """(classes) => document.querySelector(".cell_input .highlight pre").replaceChildren(...classes.map((name) => {
            const word = document.createElement("span");
            word.className = name;
            word.textContent = "word " + name + "\\n"; // axe leaves out what is one letter
            return word;
        }))""",
        sorted(set(classes)),
    )
    visits.settle(page)
    assert len(set(classes)) > 30
    assert visits.violations(page) == []


def test_a_page_is_light(path, seen, site, address):
    """First visit on a wide screen, to the bottom of the page; text counts as gzip -6 makes it."""
    visit = seen(path)["light"]
    files = visits.weights(site, address, visit.log)
    limit = LIMIT_WITH_EXPLORERS if visit.has_explorer else LIMIT
    heaviest = sorted(files.items(), key=lambda file: -file[1])[:8]
    weight = sum(files.values())
    assert weight <= limit, f"{weight} bytes, most of them: {heaviest}"


def test_previous_and_next_lead_to_pages_of_the_site(path, seen, site):
    for link in seen(path)["light"].neighbours.values():
        assert (site / urlsplit(link).path).is_file(), link


def test_next_leads_through_the_whole_book(seen, site):
    at, read = "book/intro.html", []
    while at and at not in read:
        read.append(at)
        at = seen(at)["light"].neighbours.get("next")
    assert sorted(read) == [path for path in visits.pages(site) if path.startswith("book/")]


@pytest.mark.parametrize("width", [visits.NARROW, visits.WIDE])
def test_a_link_leads_to_the_section_behind_an_explorer_that_grows(browser, address, width):
    page = browser.new_page(viewport={"width": width, "height": visits.HEIGHT})
    page.goto(f"{address}book/feature-maps/pooling.html#what-does-a-rotation-do")
    page.wait_for_selector(".explorer-is-live", state="attached")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1000)  # as long as it might scroll
    top = page.locator("#what-does-a-rotation-do").evaluate("(section) => section.getBoundingClientRect().top")
    page.close()
    assert 0 <= top < 150


def test_a_table_of_four_columns_fits_a_telephone(browser, address):
    page = browser.new_page(viewport={"width": visits.NARROW, "height": visits.HEIGHT})
    page.goto(f"{address}book/networks/lenet.html")
    table = page.locator("table.table", has_text="trainable subsampling").locator("..")
    needed, given = table.evaluate("(box) => [box.scrollWidth, box.clientWidth]")
    page.close()
    assert needed <= given
