"""The page's files as they are served: types, policy, caching, and nothing from elsewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.http.page.files import FOLDER, is_held, read_files
from tests.service.fakes import fake_repository
from tests.service.models import fake_app_on, served

TEXTS = {path.name: path.read_text() for path in FOLDER.iterdir()}
# Where the SVG namespace is named; browsers load nothing from there.
NAMESPACE = "http://www.w3.org/2000/svg"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve the page beside a model of fakes."""
    folder = tmp_path_factory.mktemp("models")
    fake_repository(folder)
    with served(fake_app_on(folder)) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html"),
        ("/docs", "text/html"),
        ("/favicon.ico", "image/svg+xml"),
        ("/page/main.js", "text/javascript"),
        ("/page/style.css", "text/css"),
    ],
)
def test_each_path_gives_its_file(client: httpx.Client, path: str, media_type: str) -> None:
    """With the type that a browser insists on, an ETag, and a policy that allows no other host."""
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["etag"]
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_a_browser_has_is_not_sent_again(client: httpx.Client) -> None:
    """The ETag of an answer brings 304 without a body; another ETag brings the file."""
    etag = client.get("/page/main.js").headers["etag"]

    again = client.get("/page/main.js", headers={"if-none-match": etag})
    other = client.get("/page/main.js", headers={"if-none-match": '"another"'})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag
    assert other.status_code == 200


def test_head_gives_no_body(client: httpx.Client) -> None:
    """Those who watch a site ask so."""
    answer = client.head("/")

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("name", ["nothing.js", "..%2ffiles.py", "%2e%2e"])
def test_only_the_page_s_files_are_given(client: httpx.Client, name: str) -> None:
    """Any other name is a 404 as problem details."""
    answer = client.get(f"/page/{name}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_is_no_part_of_the_api(client: httpx.Client) -> None:
    """The description names what programs ask for, and no file of the page."""
    paths = set(client.get("/openapi.json").json()["paths"])

    assert {"/predict", "/models"} <= paths
    assert not paths & {"/", "/docs", "/favicon.ico", "/page/{name}"}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_file_names_no_other_host(name: str) -> None:
    """Everything comes from the service: the page works without a network."""
    assert "://" not in TEXTS[name].replace(NAMESPACE, "")


@pytest.mark.parametrize("name", sorted(name for name in TEXTS if name.endswith(".js")))
def test_a_script_makes_no_markup_of_text(name: str) -> None:
    """Labels and file names come from users."""
    unsafe = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"

    assert re.findall(unsafe, TEXTS[name]) == []


@pytest.mark.parametrize("name", sorted(name for name in TEXTS if name.endswith(".html")))
def test_a_page_loads_only_files_that_there_are(name: str) -> None:
    """No script or style stands in the HTML, and what it links to is served."""
    linked = re.findall(r'(?:href|src)="page/([^"]+)"', TEXTS[name])

    assert set(linked) <= set(read_files())
    assert linked
    assert not re.search(r'<script(?! type="module" src=)|<style|\sstyle=|\son\w+=', TEXTS[name])


@pytest.mark.parametrize(
    ("header", "expected"),
    [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("", False)],
)
def test_an_etag_is_found_in_a_list(header: str, expected: bool) -> None:  # noqa: FBT001
    """Weakly compared, for a proxy that compresses weakens it."""
    assert is_held('"a"', header) is expected


def test_files_that_the_page_has_no_use_for_stay_out(tmp_path: Path) -> None:
    """An editor's left-over is not published."""
    (tmp_path / "main.js").write_text("1")
    (tmp_path / "main.js~").write_text("2")

    assert list(read_files(tmp_path)) == ["main.js"]
