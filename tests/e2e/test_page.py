"""The page in a real browser, before the real service: what a person does, and what follows."""

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from model.artifact.conformal import ConformalScale
from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from tests.e2e.browser import Visit
from tests.e2e.server import Server, running
from tests.pictures import blended, coloured, encoded
from tests.trained import SmallModel

pytest.importorskip("playwright.sync_api", reason="there is no Playwright here")
from playwright.sync_api import Locator, expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES = {label: encoded(coloured(label, 1)) for label in ("red", "green", "blue")}
FULL, OTHER, PLAIN, BROKEN = (VersionId("colours", number) for number in "1234")


@pytest.fixture(scope="module")
def repository(
    small_models: list[SmallModel], tmp_path_factory: pytest.TempPathFactory
) -> ModelRepository:
    """Publish two versions with evidence, one without, and one that no service takes."""
    first, second = small_models[:2]
    scale = ConformalScale.of(np.arange(1, 100) / 100)
    full = first.manifest.model_copy(update={"conformal": scale})
    bare = {"evidence": None, "anytime": None, "conformal": None}
    plain = first.manifest.model_copy(update=bare)
    broken = plain.model_copy(update={"golden": second.manifest.golden})
    repository = ModelRepository(tmp_path_factory.mktemp("models"))
    repository.publish("colours", first.model, full, first.graphs)
    repository.publish("colours", *second.published)
    repository.publish("colours", first.model, plain)
    repository.publish("colours", first.model, broken)
    return repository


@pytest.fixture(scope="module")
def server(repository: ModelRepository) -> Iterator[Server]:
    """Serve them."""
    repository.activate(FULL)
    with running(repository.root, "--workers", "1") as server:
        yield server


@pytest.fixture
def visit(browser: "Browser", server: Server, repository: ModelRepository) -> Iterator[Visit]:
    """Open the page, with the first version serving; at the end nothing may have gone wrong."""
    activate(server, repository, FULL)
    context = browser.new_context()
    visit = Visit(context, server.url)
    visit.open()
    yield visit
    visit.ended_well()
    context.close()


def activate(server: Server, repository: ModelRepository, version: VersionId) -> None:
    """Let another version answer, and wait until it does."""
    repository.activate(version)
    deadline = time.monotonic() + 120
    while httpx.get(f"{server.url}/health/ready").json()["model"]["version"] != version.version:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def choose(page: "Page", *labels: str) -> None:
    """Pick files as in the browser's dialogue, and wait for the answer to the first."""
    files: list[Any] = [
        {"name": f"{label}.png", "mimeType": "image/png", "buffer": PICTURES[label]}
        for label in labels
    ]
    page.set_input_files("#files", files)
    expect(page.locator("#headline")).to_have_text(re.compile(rf"^{labels[0]}, [\d.]+ %$"))
    expect(page.locator("#residual")).to_contain_text("sum to the score")


def numbers(column: Locator) -> list[float]:
    """Read the numbers of a table's column."""
    return [float(text.replace("\u2212", "-")) for text in column.all_inner_texts()]


def asked(server: Server, label: str, **options: str) -> Any:
    """Ask the service itself what the evidence for a picture is."""
    answer = httpx.post(f"{server.url}/explain", content=PICTURES[label], params=options)
    return answer.json()["explanations"][0]["evidence"]


def test_a_chosen_file_is_answered_and_explained(visit: Visit, server: Server) -> None:
    """The bars are the layers' contributions and add up to the score of the service."""
    page = visit.page
    choose(page, "red")

    (evidence,) = asked(server, "red")
    expect(page.locator("#answered")).to_contain_text("answered by colours/1")
    bars = numbers(page.locator("#bars tbody .number"))
    (total,) = numbers(page.locator("#bars tfoot .number"))
    assert bars == pytest.approx([each["contribution"] for each in evidence["layers"]], abs=6e-4)
    assert sum(bars) == pytest.approx(total, abs=2e-3)
    assert total == pytest.approx(evidence["goodness"], abs=6e-4)
    channels = numbers(page.locator("#channels tbody td:last-child"))
    assert channels[:5] == pytest.approx(
        [c["contribution"] for c in evidence["channels"]], abs=6e-4
    )


def predicted(server: Server, picture: bytes) -> Any:
    """Ask the service itself, with a set of classes."""
    options = {"explain": "true", "confidence": "0.9"}
    return httpx.post(f"{server.url}/predict", content=picture, params=options).json()[
        "predictions"
    ][0]


def between(server: Server, first: str, second: str) -> bytes:
    """Find a mixture of two colours of which the model is not sure, by halving."""
    low, high, picture = 0.0, 1.0, b""
    for _ in range(12):
        share = (low + high) / 2
        picture = encoded(blended(first, second, share))
        is_first = predicted(server, picture)["label"] == first
        low, high = (share, high) if is_first else (low, share)
    return picture


@pytest.mark.parametrize("is_mixed", [False, True])
def test_the_classes_it_may_be_and_where_it_settled_are_named(
    visit: Visit, server: Server, *, is_mixed: bool
) -> None:
    """The set of the service at 90 %, and the layer from which on nothing changed."""
    page = visit.page
    picture = between(server, "green", "red") if is_mixed else PICTURES["red"]
    said = predicted(server, picture)

    page.set_input_files("#files", {"name": "a", "mimeType": "", "buffer": picture})

    settled = f"decided from {said['settled_at']['layer']} on"
    expect(page.locator("#answered")).to_contain_text(settled)
    members, labels = said["conformal_set"], said["classes"]
    words = ", ".join(members) if len(members) < len(labels) else "any of the 3 classes"
    expect(page.locator("#set")).to_have_text(f"At 90 % confidence: {words}.")
    assert (len(said["conformal_set"]) == 1) == (not is_mixed)


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_several_images_are_each_answered(visit: Visit, kind: str) -> None:
    """Dropped or pasted at once; one that is pressed shows its own answer."""
    page = visit.page

    visit.give(kind, [(f"{label}.png", PICTURES[label]) for label in ("red", "green", "blue")])

    for label in ("red", "green", "blue"):
        item = page.locator("#images li", has_text=f"{label}.png")
        expect(item.locator(".said")).to_have_text(re.compile(rf"^{label} \d+ %$"))
    page.get_by_role("button", name="blue.png").click()
    expect(page.locator("#headline")).to_contain_text("blue, ")
    expect(page.get_by_role("button", name="blue.png")).to_have_attribute("aria-pressed", "true")


def test_the_slider_goes_through_the_layers(visit: Visit, server: Server) -> None:
    """By keyboard, with the layer's name as its value; picture and legend are that layer's."""
    page = visit.page
    choose(page, "red")
    slider, overlay = page.get_by_role("slider", name="layer"), page.locator("#overlay")
    (evidence,) = asked(server, "red")
    assert (slider.get_attribute("aria-valuetext") or "").startswith("all layers, ")
    whole = overlay.evaluate("canvas => canvas.toDataURL()")

    slider.press("ArrowRight")

    layer = evidence["layers"][0]
    assert (slider.get_attribute("aria-valuetext") or "").startswith(f"{layer['layer']}, ")
    most = max(abs(value) for row in layer["map"] for value in row)
    assert float(page.locator("#most").inner_text()) == pytest.approx(most, rel=6e-3)
    assert overlay.evaluate("canvas => canvas.toDataURL()") != whole


def test_what_speaks_for_a_class_is_orange_and_what_speaks_against_is_blue(
    visit: Visit, server: Server
) -> None:
    """The picture is drawn from the numbers: each cell has the colour of its sign."""
    page = visit.page
    choose(page, "red")
    (evidence,) = asked(server, "red")
    cells = [
        (value, row, column)
        for row, values in enumerate(evidence["map"])
        for column, value in enumerate(values)
    ]
    read = """(canvas, [row, column, rows, columns]) => [...canvas.getContext("2d").getImageData(
        (column + 0.5) * canvas.width / columns, (row + 0.5) * canvas.height / rows, 1, 1).data]"""

    for value, row, column in (max(cells), min(cells)):
        place = [row, column, len(evidence["map"]), len(evidence["map"][0])]
        red, _, blue, _ = page.locator("#overlay").evaluate(read, place)
        assert (red > blue) == (value > 0)


def test_another_class_and_two_classes_in_contrast(visit: Visit, server: Server) -> None:
    """Each brings its own evidence; the contrast's sum is the difference of the scores."""
    page = visit.page
    choose(page, "red")

    page.get_by_role("radio", name="blue").check()
    expect(page.get_by_role("heading", name="Evidence for blue")).to_be_visible()
    page.get_by_label("in contrast with").select_option("green")

    expect(page.get_by_role("heading", name="Evidence for blue over green")).to_be_visible()
    expect(page.locator("#bars tfoot th")).to_have_text("sum: blue over green")
    expect(page.locator("#residual")).to_be_visible()
    (total,) = numbers(page.locator("#bars tfoot .number"))
    blue, green = (asked(server, "red", classes=each)[0]["goodness"] for each in ("blue", "green"))
    assert total == pytest.approx(blue - green, abs=2e-3)


def test_a_file_that_is_no_image_is_refused_in_words(visit: Visit) -> None:
    """The service's own sentence, as an alert; the other images are not disturbed."""
    page = visit.page
    choose(page, "red")

    visit.give("drop", [("notes.txt", b"nothing to see")])

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("notes.txt: ")
    expect(alert).to_contain_text("not")
    expect(page.locator("#images li", has_text="notes.txt")).to_contain_text("no answer")
    page.get_by_role("button", name="red.png").click()
    expect(alert).to_be_hidden()
    expect(page.locator("#headline")).to_contain_text("red, ")


def test_a_swap_appears_and_the_image_can_be_asked_about_again(
    visit: Visit, server: Server, repository: ModelRepository
) -> None:
    """The panel shows who serves, the answer says that it is an older version's."""
    page = visit.page
    choose(page, "red")

    activate(server, repository, OTHER)

    expect(page.locator("#versions tr.active")).to_contain_text("colours/2")
    expect(page.locator("#serving")).to_have_text("colours/2 serves")
    expect(page.locator("#outdated")).to_contain_text("colours/2 serves now.")
    page.get_by_role("button", name="ask again").click()
    expect(page.locator("#answered")).to_contain_text("answered by colours/2")
    expect(page.locator("#outdated")).to_be_hidden()


def test_a_version_without_evidence_is_explained_by_layers(
    visit: Visit, server: Server, repository: ModelRepository
) -> None:
    """The bars come with the answer itself; a note says how to get the rest."""
    page = visit.page
    activate(server, repository, PLAIN)

    page.set_input_files("#files", {"name": "r", "mimeType": "", "buffer": PICTURES["red"]})

    expect(page.locator("#note")).to_contain_text("Layers only: ")
    expect(page.locator("#overlay")).to_be_hidden()
    expect(page.locator("#strongest")).to_be_hidden()
    expect(page.locator("#set")).to_be_hidden()
    bars = numbers(page.locator("#bars tbody .number"))
    (total,) = numbers(page.locator("#bars tfoot .number"))
    assert sum(bars) == pytest.approx(total, abs=2e-3)


def test_a_refused_version_is_named_with_the_reason(
    visit: Visit, server: Server, repository: ModelRepository
) -> None:
    """The version that served goes on, and the page says why the other one does not."""
    repository.activate(BROKEN)

    expect(visit.page.locator("#refused")).to_contain_text("colours/4 was refused: ")
    expect(visit.page.locator("#versions tr", has_text="colours/4")).to_contain_text("refused")
    expect(visit.page.locator("#serving")).to_have_text("colours/1 serves")
    activate(server, repository, OTHER)
