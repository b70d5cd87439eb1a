"""The page while a version is on trial, in a real browser: one version per answer."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from model.artifact.labels import Canary
from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.version import VersionId
from tests.e2e.browser import Visit
from tests.e2e.server import Server, running

pytest.importorskip("playwright.sync_api", reason="there is no Playwright here")
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ACTIVE, ALIKE, PLAIN = (VersionId("cifar10", number) for number in "123")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> ModelRepository:
    """Publish the bundled model twice with its evidence, and once without."""
    bundled = ModelRepository(BUNDLED_REPOSITORY)
    active = bundled.active()
    assert active is not None
    stored = bundled.read(active)
    repository = ModelRepository(tmp_path_factory.mktemp("models"))
    for fields in ({}, {}, {"evidence": None}):
        manifest = stored.manifest.model_copy(update=fields)
        graphs = {name: stored.graphs[name] for name in manifest.graphs}
        repository.publish("cifar10", stored.model, manifest, graphs)
    repository.activate(ACTIVE)
    return repository


@pytest.fixture(scope="module")
def server(repository: ModelRepository) -> Iterator[Server]:
    """Serve them."""
    with running(repository.root, "--workers", "1") as server:
        yield server


@pytest.fixture
def visit(browser: "Browser", server: Server) -> Iterator[Visit]:
    """Open a tab; at the end nothing may have gone wrong."""
    context = browser.new_context()
    visit = Visit(context, server.url)
    yield visit
    visit.ended_well()
    context.close()


def begin(server: Server, repository: ModelRepository, version: VersionId, percent: float) -> None:
    """Put a version on trial, and wait until it answers."""
    canary = Canary(version=version.version, percent=percent, since=datetime.now(UTC))
    repository.begin_canary(version.name, canary)
    for _ in range(600):
        listed = httpx.get(f"{server.url}/models").json()["versions"]
        states = {each["version"]: each["state"] for each in listed}
        if states[version.version] == "serving":
            return
        time.sleep(0.05)
    raise AssertionError(states)


def answered(page: "Page") -> str:
    """Ask about a drawn sample, and say which version answered once everything is shown."""
    page.get_by_role("button", name="horse", exact=True).click()
    expect(page.locator("#images .said")).to_have_text(re.compile("%$"))
    expect(page.locator("#residual:not([hidden]), #note:not([hidden])")).to_have_count(1)
    found = re.search(r"answered by (cifar10/\d)", page.locator("#answered").inner_text())
    assert found is not None
    return found[1]


def test_one_version_answers_and_explains(
    visit: Visit, server: Server, repository: ModelRepository
) -> None:
    """Each visit is drawn once: nothing is asked twice, and no answer is called outdated."""
    begin(server, repository, ALIKE, percent=50)
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    seen: list[str] = []
    # Until both have answered, and a few times more than chance might be right about.
    while len(seen) < 6 or (len(set(seen)) == 1 and len(seen) < 40):
        page = visit.open()
        expect(page.locator("#versions tr", has_text="cifar10/2")).to_contain_text("on trial")
        asked.clear()
        seen.append(answered(page))
        posts = [re.sub(r"[?].*", "", url).rpartition("/")[2] for url in asked]
        assert (posts.count("predict"), posts.count("explain")) == (1, 1)
        expect(page.locator("#residual")).to_contain_text("sum to the score")
        expect(page.locator("#outdated")).to_be_hidden()

    assert set(seen) == {"cifar10/1", "cifar10/2"}


def test_no_version_is_shown_with_another_one_s_evidence(
    visit: Visit, server: Server, repository: ModelRepository
) -> None:
    """The one on trial has none, and says so, though the active one would give its own."""
    begin(server, repository, PLAIN, percent=100)
    page = visit.open()
    expect(page.locator("#versions tr", has_text="cifar10/3")).to_contain_text("on trial")

    assert answered(page) == "cifar10/3"

    expect(page.locator("#note")).to_contain_text("Layers only: cifar10/3 has no graph")
    expect(page.locator("#overlay")).to_be_hidden()
