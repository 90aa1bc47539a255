"""The buttons and addresses of the pages come from where the book lies, and never point nowhere."""

import functools
import os
import re
import subprocess
from urllib.parse import urlsplit
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
import small_book
from docutils.core import publish_doctree
from matplotlib.colors import to_rgb
from small_book import PAGES, address, cards, page

from convbook import figures


def git(folder, *command):
    known = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    author = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *command], cwd=folder, env=known | author, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    """An empty repository on the branch ``draft``, which has no remote."""
    git(tmp_path, "init", "--initial-branch=draft")
    git(tmp_path, "commit", "--allow-empty", "--message=first")
    return tmp_path


# --- the repository -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        "https://github.com/some-one/the.book",
        "https://github.com/some-one/the.book.git",
        "https://github.com/some-one/the.book/",
        "http://www.github.com/some-one/the.book",
        "HTTPS://GitHub.com/some-one/the.book",
        "https://name:secret@github.com/some-one/the.book.git",
        "https://secret@github.com:443/some-one/the.book.git",
        "ssh://git@github.com/some-one/the.book.git",
        "ssh://git@github.com:22/some-one/the.book.git",
        "git://github.com/some-one/the.book.git",
        "git@github.com:some-one/the.book.git",
        "git@github.com:/some-one/the.book.git",
        "github.com:some-one/the.book",
        " https://github.com/some-one/the.book\n",
    ],
)
def test_an_address_is_understood_in_all_of_gits_forms(form):
    found = address.parse(form, "main")
    assert found == ("github.com", "some-one", "the.book", "main")
    assert found.url == "https://github.com/some-one/the.book"


@pytest.mark.parametrize(
    "form",
    [
        "",
        "some-one/the.book",
        "/srv/git/some-one/the.book.git",
        "../the.book",
        "file:///srv/git/some-one/the.book.git",
        "C:\\books\\the.book",
        "https://github.com",
        "https://github.com/some-one",
        "https://github.com/some-one/the.book/tree/main",
        "https://github.com/../the.book",
        'https://github.com/some-one/"><script>',
        "https://example.org/some-one/the.book.git",
        "https://github.com.example.org/some-one/the.book.git",
        "https://example.org/github.com/some-one/the.book",
        "https://github.com@example.org/some-one/the.book",
        "git@example.org:some-one/the.book.git",
        "https://bitbucket.org/some-one/the.book",
        "https://gitlab.com/a/group/the.book",
        "ftp://github.com/some-one/the.book",
        "https://[github.com/some-one/the.book",
    ],
)
def test_an_address_that_no_service_can_open_is_none(form):
    assert address.parse(form) is None


def test_the_remote_names_the_repository(checkout):
    assert address.repository({}, checkout) is None
    git(checkout, "remote", "add", "origin", "https://name:secret@gitlab.com/some-one/book.git")
    assert address.repository({}, checkout) == ("gitlab.com", "some-one", "book", "main")
    git(checkout, "remote", "set-url", "origin", "/srv/git/book.git")
    assert address.repository({}, checkout) is None


def test_the_branch_is_the_one_that_is_built_if_the_repository_has_it(checkout):
    git(checkout, "remote", "add", "origin", "git@github.com:some-one/book.git")
    assert address.repository({}, checkout).branch == "main"
    git(checkout, "update-ref", "refs/remotes/origin/draft", "HEAD")
    assert address.repository({}, checkout).branch == "draft"
    git(checkout, "checkout", "--detach")
    assert address.repository({}, checkout).branch == "main"
    assert address.repository({"GITHUB_REF_NAME": "a/b"}, checkout).branch == "a/b"
    assert address.repository({"GITHUB_REF_NAME": "7/merge", "GITHUB_BASE_REF": "next"}, checkout).branch == "next"


def test_a_folder_inside_another_repository_is_not_that_repository(checkout):
    git(checkout, "remote", "add", "origin", "git@github.com:some-one/home.git")
    inside = checkout / "books"
    inside.mkdir()
    assert address.repository({}, checkout) is not None
    assert address.repository({}, inside) is None


def test_the_environment_comes_before_the_remote_and_our_own_variable_before_others(checkout):
    git(checkout, "remote", "add", "origin", "git@github.com:remote/book.git")
    actions = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "actions/book"}
    own = {"CONVBOOK_REPOSITORY": "https://github.com/own/book"}
    assert address.repository({}, checkout).owner == "remote"
    assert address.repository(actions, checkout).owner == "actions"
    assert address.repository(actions | own, checkout).owner == "own"
    assert address.repository(actions | {"CONVBOOK_REPOSITORY": ""}, checkout).owner == "actions"
    assert address.repository(actions | {"GITHUB_SERVER_URL": "https://git.example.org"}, checkout) is None


def test_an_address_that_is_asked_for_by_name_and_not_understood_is_refused_without_its_password(tmp_path):
    with pytest.raises(
        ValueError, match=r"^CONVBOOK_REPOSITORY: got 'https://example.org/one/book', expected"
    ) as error:
        address.repository({"CONVBOOK_REPOSITORY": "https://name:secret@example.org/one/book"}, tmp_path)
    assert "secret" not in str(error.value)


def test_without_git_there_is_no_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert address.repository({}, tmp_path) is None


# --- the site -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ""),
        ({"CONVBOOK_URL": "https://example.org"}, "https://example.org/"),
        ({"CONVBOOK_URL": "https://example.org/a/book/"}, "https://example.org/a/book/"),
        ({"READTHEDOCS_CANONICAL_URL": "https://book.readthedocs.io/en/latest/"}, "https://book.readthedocs.io/en/latest/"),
        ({"CONVBOOK_URL": "", "READTHEDOCS_CANONICAL_URL": "https://b.org/"}, "https://b.org/"),
        ({"CONVBOOK_URL": "https://a.org/", "READTHEDOCS_CANONICAL_URL": "https://b.org/"}, "https://a.org/"),
        ({"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "One/Book"}, "https://one.github.io/Book/"),
        ({"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "One/one.github.io"}, "https://one.github.io/"),
        ({"GITHUB_SERVER_URL": "https://git.example.org", "GITHUB_REPOSITORY": "one/book"}, ""),
        ({"GITHUB_REPOSITORY": "one/book"}, ""),
    ],
)  # fmt: skip
def test_the_site_knows_its_address(environment, expected):
    assert address.site(environment) == expected


@pytest.mark.parametrize(
    "url", ["example.org", "ftp://example.org", "https://", 'https://a.org/">', "https://a.org/?b"]
)
def test_an_address_of_the_site_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match=r"^CONVBOOK_URL: got "):
        address.site({"CONVBOOK_URL": url})


# --- the pages ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Builds the small book with some variables set, and gives its site."""
    source = tmp_path_factory.mktemp("source")
    small_book.write(source)

    @functools.cache
    def build(**environment):
        site = tmp_path_factory.mktemp("site")
        done = small_book.run(source, site, **environment)
        assert done.returncode == 0, done.stderr
        return site

    return build


def buttons(site, name):
    """What the buttons of a page's header lead to, by their titles."""
    header = page(site, name).select(".article-header-buttons a[href]")
    return {link["title"]: link["href"] for link in header if urlsplit(link["href"]).netloc}


def test_pages_have_buttons_that_open_their_notebook_in_the_repository(build):
    site = build(
        GITHUB_SERVER_URL="https://github.com", GITHUB_REPOSITORY="one/Book", GITHUB_REF_NAME="draft"
    )  # fmt: skip
    repository = {"Source repository": "https://github.com/one/Book"}
    for name in PAGES:
        found = buttons(site, name)
        assert found.pop("Open an issue").startswith("https://github.com/one/Book/issues/new?")
        assert found == repository | {
            "book/lesson": {
                "Launch on Binder": "https://mybinder.org/v2/gh/one/Book/draft?urlpath=lab/tree/book/lesson.ipynb",
                "Launch on Colab": "https://colab.research.google.com/github/one/Book/blob/draft/book/lesson.ipynb",
            }
        }.get(name, {})


def test_colab_has_no_button_where_it_cannot_open_the_repository(build):
    site = build(CONVBOOK_REPOSITORY="https://name:secret@gitlab.com/one/book.git", GITHUB_REF_NAME="main")
    found = buttons(site, "book/lesson")
    assert found["Launch on Binder"] == "https://mybinder.org/v2/gl/one%2Fbook/main?urlpath=lab/tree/book/lesson.ipynb"
    assert "Launch on Colab" not in found
    assert not [file for file in site.rglob("*.html") if "secret" in file.read_text(encoding="utf-8")]


def test_without_addresses_there_are_no_buttons_no_canonical_address_and_no_sitemap(build):
    site = build()
    for name in PAGES:
        assert buttons(site, name) == {}
        assert page(site, name).select('link[rel="canonical"]') == []
        assert not re.search(r"mybinder|colab", (site / f"{name}.html").read_text(encoding="utf-8"))
    assert not (site / "sitemap.xml").exists()


def test_with_its_address_the_site_has_canonical_addresses_and_a_sitemap(build):
    site = build(CONVBOOK_URL="https://example.org/book")
    for name in PAGES:
        links = page(site, name).select('link[rel="canonical"]')
        assert [link["href"] for link in links] == [f"https://example.org/book/{name}.html"]
    listed = [element.text for element in ElementTree.parse(site / "sitemap.xml").iter() if element.tag.endswith("loc")]
    assert sorted(listed) == sorted(f"https://example.org/book/{name}.html" for name in PAGES)


# --- what others show of a page -------------------------------------------------------------------------------


def tags(site, name):
    """The content of a page's ``meta`` elements."""
    found = page(site, name).find_all("meta", content=True)
    return {tag.get("name") or tag.get("property"): tag["content"] for tag in found}


DESCRIPTIONS = {
    "index": "What is in it.",
    "book/lesson": 'Why "stride" & < padding?',
    "book/run": "Text that is run.",
    "search": "What is in it.",
    "genindex": "What is in it.",
}


def test_every_page_has_its_first_paragraph_as_description(build):
    site = build()
    for name, expected in DESCRIPTIONS.items():
        assert tags(site, name)["description"] == expected
        assert not [tag for tag in tags(site, name) if tag.startswith("og:")]


def test_with_its_address_every_page_of_text_has_a_card(build):
    site = build(CONVBOOK_URL="https://example.org/book")
    for name in PAGES:
        found = tags(site, name)
        assert found["description"] == found["og:description"] == DESCRIPTIONS[name]
        assert found["og:title"] == page(site, name).h1.find(string=True)
        assert found["og:site_name"] == "A small book"
        assert found["og:url"] == f"https://example.org/book/{name}.html"
        card = plt.imread(site / found["og:image"].removeprefix("https://example.org/book/"))
        assert card.shape[:2] == (int(found["og:image:height"]), int(found["og:image:width"]))
        # The drawing in its corner: the kernel's colour.
        kernel = np.abs(card[..., :3] - to_rgb(figures.KERNEL)).max(axis=2) < 0.01
        assert kernel.sum() > 5000


def test_a_long_description_is_cut_at_a_word():
    document = publish_doctree("word " * 100)
    assert cards.description(document) == "word " * 39 + "…"
    assert cards.description(publish_doctree("")) == ""
