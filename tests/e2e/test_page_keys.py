"""The page where there are keys, in a real browser: who enters which key may do what."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from model.artifact.labels import Canary, Stopped
from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from service.keys.file import add_key
from service.keys.key import KeyScope, make_key
from tests.e2e.browser import Visit, axe_script, chromium
from tests.e2e.server import Server, running
from tests.model.artifact.tiny import tiny_model

pytest.importorskip("playwright.sync_api", reason="there is no Playwright here")
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

SHOP = make_key("shop", [KeyScope.PREDICT])
OPS = make_key("ops", [KeyScope.ADMIN, KeyScope.PREDICT])
FIRST, SECOND = VersionId("tiny", "1"), VersionId("tiny", "2")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> ModelRepository:
    """Publish two versions of a model of a few nodes."""
    repository = ModelRepository(tmp_path_factory.mktemp("models"))
    for seed in range(2):
        tiny = tiny_model(seed)
        repository.publish("tiny", tiny.model, tiny.manifest)
    repository.activate(FIRST)
    return repository


@pytest.fixture(scope="module")
def server(
    repository: ModelRepository, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Serve them to whoever holds one of two keys."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    for made in (SHOP, OPS):
        add_key(path, made.entry)
    with running(repository.root, "--workers", "1", "--keys-file", str(path)) as server:
        yield server


@pytest.fixture(scope="module")
def page_visit(server: Server) -> Iterator[Visit]:
    """Open a browser with a tab."""
    with chromium() as browser:
        context = browser.new_context()
        yield Visit(context, server.url)
        context.close()


@pytest.fixture
def visit(page_visit: Visit, repository: ModelRepository) -> Iterator[Visit]:
    """Open the page without a key, with the first version active; nothing may have gone wrong."""
    repository.activate(FIRST)
    page_visit.open()
    page_visit.page.evaluate("sessionStorage.clear()")
    page_visit.open()
    yield page_visit
    page_visit.ended_well()


def enter(page: "Page", key: str) -> None:
    """Type a key where the page asks for it."""
    expect(page.locator("#key-said")).to_contain_text("This service needs a key.")
    page.get_by_label("key", exact=True).fill(key)
    page.get_by_role("button", name="use it").click()
    expect(page.locator("#versions tbody tr")).to_have_count(2)


def test_an_admin_activates_and_rolls_back(visit: Visit, repository: ModelRepository) -> None:
    """By buttons in the table of versions, which follow what is active."""
    page = visit.page
    enter(page, OPS.text)
    expect(page.get_by_role("button", name="activate tiny/1")).to_have_count(0)

    page.get_by_role("button", name="activate tiny/2").click()

    expect(page.locator("#changed")).to_have_text("tiny/2 is active.")
    assert repository.active() == SECOND
    expect(page.locator("#serving")).to_have_text("tiny/2 serves")
    page.get_by_role("button", name="roll back from tiny/2").click()
    expect(page.locator("#changed")).to_have_text("tiny/1 is active again.")
    assert repository.active() == FIRST
    expect(page.locator("#serving")).to_have_text("tiny/1 serves")


def test_an_admin_sets_and_removes_a_label(visit: Visit, repository: ModelRepository) -> None:
    """It stands beside the version; what no label can be is refused in the service's words."""
    page = visit.page
    enter(page, OPS.text)
    page.get_by_label("let the label").fill("night")
    page.get_by_label("name", exact=True).select_option("tiny/2")
    page.get_by_role("button", name="set it").click()

    expect(page.locator("#versions tr", has_text="tiny/2")).to_contain_text("night")
    assert repository.state().models["tiny"].labels == {"night": "2"}  # type: ignore[union-attr]
    page.get_by_role("button", name="remove night from tiny/2").click()
    expect(page.locator("#changed")).to_have_text("night names nothing any more.")
    page.get_by_label("let the label").fill("../7")
    page.get_by_role("button", name="set it").click()
    expect(page.locator("#unchanged")).not_to_be_empty()

    assert repository.state().models["tiny"].labels == {}  # type: ignore[union-attr]


def begin_trial(page: "Page", percent: str, *, shadow: bool = False) -> None:
    """Fill in the form that puts the second version on trial, and send it."""
    page.get_by_label("try", exact=True).select_option("tiny/2")
    page.get_by_label("on", exact=True).fill(percent)
    page.get_by_label("only compare").set_checked(shadow)
    page.get_by_role("button", name="start the trial").click()


def canary(repository: ModelRepository) -> Canary | None:
    """Say which version is on trial, and how."""
    state = repository.state()
    assert state is not None
    return state.models["tiny"].canary


def test_an_admin_starts_a_trial_and_promotes_it(
    visit: Visit, repository: ModelRepository, server: Server
) -> None:
    """The version on trial answers what this page asks, and then everybody."""
    page = visit.page
    enter(page, OPS.text)
    begin_trial(page, "100")

    expect(page.locator("#changed")).to_have_text(
        "tiny/2 is on trial and answers 100 % of the requests."
    )
    begun = canary(repository)
    assert begun is not None
    assert (begun.version, begun.percent, begun.shadow) == ("2", 100, False)
    row = page.locator("#versions tr", has_text="tiny/2")
    expect(row).to_contain_text("on trial, answers 100 %")
    until_tried(server)
    page.get_by_role("button", name="horse", exact=True).click()
    expect(page.locator("#answered")).to_contain_text("answered by tiny/2")
    expect(page.locator("#note")).to_contain_text("tiny/2 has no graph that takes its scores apart")
    expect(page.locator("#outdated")).to_be_hidden()

    page.get_by_role("button", name="promote tiny/2").click()

    expect(page.locator("#changed")).to_have_text("tiny/2 is active.")
    expect(page.locator("#serving")).to_have_text("tiny/2 serves")
    expect(row).not_to_contain_text("on trial")
    assert repository.active() == SECOND
    assert canary(repository) is None


def test_an_admin_ends_a_trial(visit: Visit, repository: ModelRepository) -> None:
    """What is active stays so, and the version can be tried anew."""
    page = visit.page
    enter(page, OPS.text)
    expect(page.locator("#trial-version option")).to_have_text(["tiny/2"])
    begin_trial(page, "12.5", shadow=True)
    row = page.locator("#versions tr", has_text="tiny/2")
    expect(row).to_contain_text("on trial, compared on 12.5 %")
    begun = canary(repository)
    assert begun is not None
    assert (begun.percent, begun.shadow) == (12.5, True)

    page.get_by_role("button", name="end the trial of tiny/2").click()

    expect(page.locator("#changed")).to_have_text("The trial of tiny/2 has ended.")
    expect(row).not_to_contain_text("on trial")
    expect(page.get_by_role("button", name="activate tiny/2")).to_be_visible()
    assert repository.active() == FIRST
    assert canary(repository) is None


def test_a_trial_that_failed_is_told_of(visit: Visit, repository: ModelRepository) -> None:
    """With the reason, to whoever may see the versions."""
    stopped = Stopped(version="2", reason="it answered nobody", at=datetime.now(UTC))
    repository.begin_canary("tiny", Canary(version="2", percent=5, since=stopped.at))
    repository.end_canary("tiny", stopped)
    page = visit.page
    enter(page, SHOP.text)

    expect(page.locator("#stopped")).to_have_text(
        "The trial of tiny/2 was stopped: it answered nobody"
    )


def until_tried(server: Server) -> None:
    """Wait until the version on trial answers."""
    headers = {"Authorization": f"Bearer {OPS.text}"}
    for _ in range(600):
        listed = httpx.get(f"{server.url}/models", headers=headers).json()["versions"]
        if listed[1]["state"] == "serving":
            return
        time.sleep(0.05)
    raise AssertionError(listed)


def test_a_key_to_predict_shows_no_changes(visit: Visit) -> None:
    """Images are answered, and nothing else is offered."""
    page = visit.page
    enter(page, SHOP.text)

    page.get_by_role("button", name="horse", exact=True).click()

    expect(page.locator("#images .said")).to_have_text(re.compile("%$"))
    expect(page.locator("#changes-head")).to_be_hidden()
    expect(page.locator("#label-form")).to_be_hidden()
    expect(page.locator("#trial-form")).to_be_hidden()
    assert page.locator("#versions button").count() == 0


def test_a_key_lasts_as_long_as_its_tab(visit: Visit) -> None:
    """Loaded again the page still has it; another tab does not, and what is forgotten is gone."""
    page = visit.page
    enter(page, OPS.text)
    page.reload()
    expect(page.get_by_role("button", name="activate tiny/2")).to_be_visible()
    assert page.evaluate("localStorage.length + document.cookie.length") == 0

    other = page.context.new_page()
    other.goto(visit.url)
    expect(other.locator("#key-said")).to_contain_text("This service needs a key.")
    other.close()
    page.locator("#key summary").click()
    page.get_by_role("button", name="forget it").click()

    expect(page.locator("#key-said")).to_contain_text("This service needs a key.")
    assert page.evaluate("sessionStorage.length") == 0


def test_a_wrong_key_is_told_so(visit: Visit) -> None:
    """In the service's words, where the key was entered."""
    page = visit.page
    expect(page.locator("#key-said")).to_contain_text("This service needs a key.")

    page.get_by_label("key", exact=True).fill("gs_wrong")
    page.get_by_role("button", name="use it").click()

    expect(page.locator("#key-said")).to_contain_text("nobody has this key here")


def test_the_controls_can_be_used_by_all(visit: Visit, tmp_path: Path) -> None:
    """Axe finds nothing serious with everything open, and a phone needs no sideways scrolling."""
    page = visit.page
    enter(page, OPS.text)
    expect(page.get_by_role("button", name="activate tiny/2")).to_be_visible()
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360

    page.evaluate(axe_script(tmp_path))
    found = page.evaluate("axe.run()")["violations"]

    page.set_viewport_size({"width": 1280, "height": 900})
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
