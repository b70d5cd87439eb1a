"""How the page looks and reads, on the bundled model: phones, dark rooms, screen readers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from model.artifact.repository import BUNDLED_REPOSITORY
from tests.e2e.browser import Visit, axe_script
from tests.e2e.server import Server, running

pytest.importorskip("playwright.sync_api", reason="there is no Playwright here")
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SERIOUS = {"serious", "critical"}
WIDE, PHONE = (1280, 900), (360, 740)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve the bundled model."""
    with running(BUNDLED_REPOSITORY, "--workers", "1") as server:
        yield server


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fetch the accessibility checker."""
    return axe_script(tmp_path_factory.mktemp("axe"))


@pytest.fixture
def visit(browser: "Browser", server: Server, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Open a tab of the size and the colours that a test names; wide and light without."""
    look: Any = getattr(request, "param", (WIDE, "light"))
    (width, height), scheme = look
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    visit = Visit(context, server.url)
    yield visit
    visit.ended_well()
    context.close()


def take_sample(page: "Page", name: str = "horse") -> None:
    """Have the page draw a picture, and wait until all that there is of the answer is shown."""
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.locator("#images .said")).to_have_text(re.compile("%$"))
    expect(page.locator("#residual:not([hidden]), #note:not([hidden])")).to_have_count(1)


def background(page: "Page") -> int:
    """Give the brightness of the page's background, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(re.findall(r"\d+", colour)[1])


def test_a_drawn_sample_is_recognised(visit: Visit) -> None:
    """The horse is a horse, and its bars are the layers of the bundled model."""
    page = visit.open()

    take_sample(page)

    expect(page.locator("#headline")).to_contain_text("horse, ")
    expect(page.locator("#bars tbody th")).to_have_text(["stem", "block2", "block3", "block4"])


@pytest.mark.parametrize("visit", [(PHONE, "light")], indirect=True)
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_phone_needs_no_sideways_scrolling(visit: Visit, path: str) -> None:
    """At 360 pixels everything fits, an answer included."""
    page = visit.open(path)
    if path == "/":
        take_sample(page)
    else:
        expect(page.locator("#types")).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.parametrize(
    ("visit", "is_dark"),
    [((WIDE, "light"), False), ((WIDE, "dark"), True)],
    indirect=["visit"],
)
def test_the_system_s_colours_are_taken(visit: Visit, is_dark: bool) -> None:  # noqa: FBT001
    """Light or dark, as the system says."""
    page = visit.open()

    assert (background(page) < 128) is is_dark


@pytest.mark.parametrize(
    ("visit", "path"),
    [
        ((WIDE, "light"), "/"),
        ((WIDE, "dark"), "/"),
        ((PHONE, "light"), "/"),
        ((WIDE, "light"), "/docs"),
        ((WIDE, "dark"), "/docs"),
    ],
    indirect=["visit"],
)
def test_nothing_serious_keeps_anybody_out(visit: Visit, axe: str, path: str) -> None:
    """axe-core has no serious or critical finding, with an answer on the page."""
    page = visit.open(path)
    if path == "/":
        take_sample(page)
    else:
        expect(page.locator("#types")).to_be_visible()

    page.evaluate(axe)
    found = page.evaluate("axe.run()")

    bad = [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in SERIOUS
    ]
    assert bad == []
    assert found["passes"]


def test_a_keyboard_is_enough(visit: Visit) -> None:
    """Tab reaches the samples; Enter asks, and the arrows go through the classes."""
    page = visit.open()
    sample = page.get_by_role("button", name="ship", exact=True)
    for _ in range(20):
        page.keyboard.press("Tab")
        if sample.evaluate("button => button === document.activeElement"):
            break

    page.keyboard.press("Enter")
    expect(page.locator("#headline")).to_contain_text("ship, ")
    first = page.get_by_role("radio").first
    first.focus()
    page.keyboard.press("ArrowDown")

    second = page.get_by_role("radio").nth(1)
    expect(second).to_be_checked()
    expect(second).to_be_focused()
    label = second.get_attribute("value")
    expect(page.locator("#evidence-title")).to_have_text(f"Evidence for {label}")


def test_the_live_numbers_move(visit: Visit) -> None:
    """An answer given shows in the throughput and the latency within two looks."""
    page = visit.open()
    expect(page.locator("#rate")).to_have_text(re.compile(r"^[\d.]+$"))

    take_sample(page)

    expect(page.locator("#median")).to_have_text(re.compile(r"^[\d.]+ ms$"))


def test_the_description_of_the_api_is_complete_without_a_network(visit: Visit) -> None:
    """`/docs` shows every path and type of openapi.json, with links that lead somewhere."""
    page = visit.open("/docs")
    expect(page.locator("#types")).to_be_visible()
    text = page.locator("main").inner_text()
    description = json.loads(page.evaluate("fetch('openapi.json').then(a => a.text())"))

    for path, methods in description["paths"].items():
        assert all(f"{method.upper()} {path}" in text for method in methods)
    assert all(name in text for name in description["components"]["schemas"])
    lost = """[...document.querySelectorAll("a[href^='#']")].map((a) => a.hash.slice(1))
        .filter((id) => !document.getElementById(id))"""
    assert page.evaluate(lost) == []


def test_numbers_of_two_looks_are_read_apart(visit: Visit) -> None:
    """Rates are what was counted between them; quantiles lie evenly within a bucket."""
    page = visit.open()
    looks = (Path(__file__).parent / "metrics.txt").read_text().split("---\n")

    found = page.evaluate(
        """async ([before, after]) => {
            const { parse, difference } = await import("/page/live.js");
            return difference(parse(before), parse(after), 2);
        }""",
        looks,
    )

    assert found == pytest.approx(
        {
            "rate": 5,
            "failed": 1,
            "median": 35e-3 / 6,
            "slowest": 57.5e-3 / 6,
            "depth": 3,
            "batch": 2.5,
        }
    )
