"""Where the repository and the site are, and what the pages owe to that, as a Sphinx extension.

Neither address is written down in the repository: a copy of it, wherever it lies, makes pages that point to itself.

- The repository's comes from ``CONVBOOK_REPOSITORY``, from what GitHub Actions sets, or from the git remote
  ``origin``. With one that the services can open, pages get launch buttons (Binder and Colab for a notebook), a
  button to the repository and one to its issues. Without one there are none.
- The site's comes from ``CONVBOOK_URL``, from Read the Docs, or is that of GitHub Pages. With one, pages name their
  canonical address, and there is a sitemap.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

BINDER = "https://mybinder.org"
COLAB = "https://colab.research.google.com"
# The hosts that the theme has buttons for and Binder opens. Colab opens notebooks on the first alone.
HOSTS = ("github.com", "gitlab.com")
# git@github.com:owner/name, which git reads as ssh://git@github.com/owner/name
SCP = re.compile(r"(?:[^@/:]+@)?([^/:]+):(?!//)(.+)")


class Repository(NamedTuple):
    """A repository that the services can open, and the branch that they are to take."""

    host: str
    owner: str
    name: str
    branch: str = "main"

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"https://{self.host}/{self.owner}/{self.name}"


def parse(address: str, branch: str = "main") -> Repository | None:
    """The repository at an address in any of git's forms, or None where no service could open it.

    Only the host and the path are taken: credentials in an address go no further.
    """
    match = SCP.fullmatch(address.strip())
    try:
        parts = urlsplit(f"ssh://{match[1]}/{match[2]}" if match else address.strip())
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    path = re.fullmatch(r"/+([\w.-]+)/([\w.-]+?)(?:\.git)?/*", parts.path, re.ASCII)
    if parts.scheme not in ("http", "https", "ssh", "git") or host not in HOSTS or not path:
        return None
    if {path[1], path[2]} & {".", ".."}:
        return None
    return Repository(host, path[1], path[2], branch)


def git(folder: Path, *command: str) -> str:
    """What git says, or nothing: there may be no git, no repository, no remote."""
    try:
        done = subprocess.run(["git", "-C", folder, *command], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def branch_of(environment: Mapping[str, str], folder: Path) -> str:
    """The branch that the buttons open: the one that is built, if the repository has it, or else main."""
    # A pull request is built from a reference that is no branch: take the one that it is for.
    named = environment.get("GITHUB_BASE_REF") or environment.get("GITHUB_REF_NAME")
    if named:
        return named
    here = git(folder, "symbolic-ref", "--short", "HEAD")
    pushed = here and git(folder, "rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{here}")
    return here if pushed else "main"


def repository(environment: Mapping[str, str], folder: Path) -> Repository | None:
    """The repository that the book in ``folder`` is built from."""
    branch = branch_of(environment, folder)
    named = environment.get("CONVBOOK_REPOSITORY")
    if named:
        found = parse(named, branch)
        if not found:
            raise ValueError(
                f"CONVBOOK_REPOSITORY: got {without_credentials(named)!r}, expected the address of a repository on "
                f"{' or '.join(HOSTS)}, such as https://github.com/owner/name; unset it to build without buttons"
            )
        return found
    if environment.get("GITHUB_REPOSITORY"):
        server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
        return parse(f"{server}/{environment['GITHUB_REPOSITORY']}", branch)
    # A folder inside another repository is not that repository: its notebooks would be looked for in the wrong place.
    top = git(folder, "rev-parse", "--show-toplevel")
    if top and Path(top).resolve() == folder.resolve():
        return parse(git(folder, "remote", "get-url", "origin"), branch)
    return None


def without_credentials(address: str) -> str:
    """An address as it may be shown."""
    return re.sub(r"[^/@]*@", "", address)


def site(environment: Mapping[str, str]) -> str:
    """The address that the site will have, with a slash at its end, or nothing where it is not known."""
    for variable in ("CONVBOOK_URL", "READTHEDOCS_CANONICAL_URL"):
        url = environment.get(variable, "").strip()
        if url:
            if not re.fullmatch(r"https?://[^\s/?#@\"<>]+(/[^\s?#\"<>]*)?", url):
                raise ValueError(f"{variable}: got {url!r}, expected an address such as https://example.org/book/")
            return url.rstrip("/") + "/"
    hosted = environment.get("GITHUB_SERVER_URL") == "https://github.com"
    found = parse(f"https://github.com/{environment.get('GITHUB_REPOSITORY', '')}") if hosted else None
    if not found:
        return ""
    host = f"{found.owner.lower()}.github.io"
    return f"https://{host}/" if found.name.lower() == host else f"https://{host}/{found.name}/"


def theme_options(found: Repository | None) -> dict[str, Any]:
    """The options of the theme that make the buttons."""
    if not found:
        return {"use_repository_button": False, "use_issues_button": False}
    launch = {"notebook_interface": "jupyterlab", "binderhub_url": BINDER}
    if found.host == "github.com":
        launch["colab_url"] = COLAB
    return {
        "repository_url": found.url,
        "repository_branch": found.branch,
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": launch,
    }


# --- the Sphinx extension -------------------------------------------------------------------------------------


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    from sphinx.errors import ConfigError

    try:
        found, url = repository(os.environ, Path(app.srcdir)), site(os.environ)
    except ValueError as error:
        raise ConfigError(str(error)) from error

    def set_addresses(app: Any, config: Any) -> None:
        config.html_theme_options.update(theme_options(found))
        config.html_baseurl = url
        if url:
            config.sitemap_url_scheme = "{link}"
            config.sitemap_excludes = ["search.html", "genindex.html", "prf-prf.html"]

    def only_notebooks_are_launched(app: Any, pagename: str, template: str, context: Any, doctree: Any) -> None:
        """The theme has launch buttons for Markdown that is run, too, which Colab cannot open."""
        if not context.get("page_source_suffix", "").endswith(".ipynb"):
            buttons = context["header_buttons"]
            context["header_buttons"] = [button for button in buttons if button.get("label") != "launch-buttons"]

    app.connect("config-inited", set_addresses)
    app.connect("html-page-context", only_notebooks_are_launched, priority=900)
    # It warns where it has no address.
    if url:
        app.setup_extension("sphinx_sitemap")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
