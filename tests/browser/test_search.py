"""The search of the site finds what the glossary explains."""

import re

import pytest

from browser import visits

WORDS = ["stride", "receptive field", "weight sharing"]
RESULTS = "#search-results ul.search li a"


def search(page, words):
    page.locator("article input[type=search], main input[type=search]").first.fill(words)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.get_by_text(re.compile("Search finished|did not match any documents")).wait_for()
    return [link.get_attribute("href") for link in page.locator(RESULTS).all()]


@pytest.mark.parametrize("words", WORDS)
def test_the_glossary_is_among_the_first_five_results_and_its_link_leads_to_the_entry(words, open_page):
    page = open_page("search.html")
    entry = f"book/reference/glossary.html#term-{words.replace(' ', '-')}"
    found = search(page, words)
    assert entry in found[:5]
    page.locator(f'{RESULTS}[href="{entry}"]').first.click()
    page.wait_for_url(f"**/{entry}")
    target = page.locator(":target")
    assert target.inner_text().rstrip("#").strip().lower() == words
    assert target.is_visible()


def test_words_that_are_nowhere_are_said_to_be_nowhere(open_page):
    assert search(open_page("search.html"), "xylophone") == []


@pytest.mark.parametrize("theme", visits.THEMES)
def test_axe_finds_no_violation_among_results(theme, open_page):
    page = open_page("search.html", theme)
    assert search(page, WORDS[0])
    assert visits.violations(page) == []
