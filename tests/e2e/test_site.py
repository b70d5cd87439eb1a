"""The documents as a site: it builds strictly, leads nowhere wrong, loads nothing from outside."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from service import client
from service.app import create_app
from service.settings import Settings
from tests.conftest import ROOT
from tests.e2e.browser import chromium

pytest.importorskip("material", reason="the extra `docs` is not installed")

# Attributes by which a browser fetches something of its own accord.
_LOADING = {
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
}
_OUTSIDE_IN_CSS = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//")


class Parts(HTMLParser):
    """What a page links to, loads, and can be linked to."""

    def __init__(self, path: Path) -> None:
        """Read a page."""
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors = {""}
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links and anchors."""
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if (tag, name) in _LOADING and value:
                self.loaded.append(value)
            if (tag, name) == ("a", "href") and value:
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it as `make docs` does; a warning is an error there."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Parts]:
    """Read every page of the site."""
    return {path: Parts(path) for path in site.rglob("*.html")}


def lost_links(pages: dict[Path, Parts]) -> list[str]:
    """List the links, pictures and scripts whose file or anchor is not there."""
    lost = []
    for page, parts in pages.items():
        for link in [*parts.links, *parts.loaded]:
            target, anchor = urlsplit(link), unquote(urlsplit(link).fragment)
            if target.scheme or target.netloc:
                continue
            path = page if not target.path else (page.parent / unquote(target.path)).resolve()
            path = path / "index.html" if path.is_dir() else path
            known = pages.get(path)
            if not path.exists() or (known is not None and anchor not in known.anchors):
                lost.append(f"{page.name}: {link}")
    return lost


def test_every_link_and_anchor_leads_somewhere(pages: dict[Path, Parts]) -> None:
    """Also those that the theme and the references write, which mkdocs does not check."""
    without_404 = {path: parts for path, parts in pages.items() if path.name != "404.html"}

    assert len(without_404) > 30
    assert sum(len(parts.links) for parts in without_404.values()) > 1000
    assert lost_links(without_404) == []


def test_a_lost_link_is_found(tmp_path: Path) -> None:
    """The check above does find a file and an anchor that are not there."""
    page = tmp_path / "page.html"
    page.write_text('<a href="none.html">x</a><a href="#none">y</a><p id="a"><a href="#a">z</a>')

    assert lost_links({page: Parts(page)}) == ["page.html: none.html", "page.html: #none"]


def test_no_page_names_a_script_style_or_picture_elsewhere(
    site: Path, pages: dict[Path, Parts]
) -> None:
    """No font, script, style or picture of another host; nor from within a style sheet."""
    loaded = {link for parts in pages.values() for link in parts.loaded}

    assert {link for link in loaded if urlsplit(link).netloc} == set()
    for path in site.rglob("*.css"):
        assert _OUTSIDE_IN_CSS.search(path.read_text()) is None, path.name


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder as any web server would."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_browser_asks_nobody_else_and_finds_what_it_searches(site: Path) -> None:
    """Pages of four kinds and a search in Chromium: no foreign request, no error, the right one."""
    asked, complaints = list[str](), list[str]()
    with served(site) as url, chromium() as browser:
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for name in ("tutorial", "architecture", "reference/http", "reference/service.client"):
            page.goto(f"{url}/{name}.html")
        is_drawn = page.goto(f"{url}/architecture.html") and page.locator("figure svg").count()
        page.locator(".md-search__input").click()
        page.keyboard.type("crosses discs squares")
        found = page.locator(".md-search-result__link").first
        found.wait_for()
        link = found.get_attribute("href") or ""

    assert [each for each in asked if not each.startswith((url, "data:", "blob:"))] == []
    assert complaints == []
    assert is_drawn == 2
    assert "/tutorial.html" in link


def text_of(site: Path, page: str) -> str:
    """Read a page without its tags."""
    return re.sub(r"<[^>]+>", "", (site / "reference" / page).read_text())


def test_the_references_are_those_of_the_code(site: Path) -> None:
    """Every operation, setting, command and exported name of the client stands in them."""
    operations = create_app(Settings(device="cpu")).framework.openapi()["paths"]
    http, settings = text_of(site, "http.html"), text_of(site, "settings.html")
    python, commands = text_of(site, "service.client.html"), text_of(site, "commands.html")

    wanted = {f"{m.upper()} {path}" for path, each in operations.items() for m in each}
    flags = {f"--{name.replace('_', '-')}" for name in Settings.model_fields} - {"--metrics-folder"}

    assert len(wanted) > 30
    assert {each for each in wanted if each not in http} == set()
    assert {each for each in flags if each not in settings} == set()
    assert {each for each in client.__all__ if each not in python} == set()
    assert "goodserve models canary" in commands
    assert "goodserve-train fit" in commands
    assert str(ROOT) not in settings + commands
