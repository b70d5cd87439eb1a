"""The examples of docs/examples, run as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from benchmarks.servers import free_port
from model.artifact.repository import BUNDLED_REPOSITORY
from tests.conftest import ROOT
from tests.e2e.server import running

EXAMPLES = ROOT / "docs" / "examples"
LARGEST_PICTURE_BYTES = 60_000


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command with this environment's programs first on the path; return what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"PATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Take the tour; give its folder and what it printed."""
    folder = tmp_path_factory.mktemp("tour")
    port = str(free_port())
    return folder, run(EXAMPLES / "tour.sh", folder, cwd=folder, PORT=port)


def test_the_tour_explains_an_answer(toured: tuple[Path, str]) -> None:
    """The network finds the unseen disc, and its layers sum to each class's goodness."""
    _, said = toured
    rows = [line.split() for line in said.splitlines()]
    top = next(place for place, row in enumerate(rows) if row[:2] == ["class", "probability"]) + 1

    assert rows[top][0] == "disc"
    for row in rows[top : top + 3]:
        *parts, goodness = map(float, row[2:])
        assert sum(parts) == pytest.approx(goodness, abs=0.005)


def test_the_tour_swaps_without_losing_a_request(toured: tuple[Path, str]) -> None:
    """Both versions answer in turn, and the roll-back brings the first one back."""
    _, said = toured

    answers = [line for line in said.splitlines() if line.endswith("none refused")]

    assert [line.partition("by ")[2].partition(",")[0] for line in answers] in (
        ["shapes/1", "shapes/2", "shapes/1"],
        ["shapes/1", "shapes/2", "shapes/1", "shapes/2"],  # it may ask once before the roll-back
    )
    assert "* shapes/1" in said


def test_scores_come_apart_in_python(toured: tuple[Path, str]) -> None:
    """Channels and positions add up to each layer's contribution; the example asserts it."""
    folder, _ = toured

    said = run(
        EXAMPLES / "take_apart.py",
        "runs/first",
        "unseen/disc/0.png",
        cwd=folder,
        PYTHONPATH=str(ROOT),
    )

    assert said.startswith("disc, probability")
    assert [line.partition(":")[0] for line in said.splitlines()[1:]] == [
        "stem",
        "block2",
        "block3",
    ]


def test_the_readmes_picture_is_what_the_program_draws(tmp_path: Path) -> None:
    """The bundled model's answer to the drawn horse gives docs/answer.png again."""
    run(EXAMPLES / "draw_horse.py", "horse.png", cwd=tmp_path)
    with running(BUNDLED_REPOSITORY) as server:
        asked = ("horse.png", "--url", server.url, "--top-k", "5", "--json")
        answer = run(EXAMPLES / "ask.py", *asked, cwd=tmp_path)
    (tmp_path / "answer.json").write_text(answer)

    run(EXAMPLES / "chart.py", "answer.json", "horse.png", "chart.png", cwd=tmp_path)

    assert json.loads(answer)["predictions"][0]["label"] == "horse"
    committed = ROOT / "docs" / "answer.png"
    assert committed.stat().st_size < LARGEST_PICTURE_BYTES
    with Image.open(tmp_path / "chart.png") as drawn, Image.open(committed) as kept:
        assert drawn.size == kept.size
        # Not to the byte: another processor rounds otherwise, and an edge moves by a pixel.
        difference = ImageChops.difference(drawn.convert("RGB"), kept.convert("RGB"))
        assert max(ImageStat.Stat(difference).mean) < 0.5


def test_a_refused_picture_is_explained(tmp_path: Path) -> None:
    """The client prints the problem's detail and fails."""
    (tmp_path / "text.png").write_text("no picture")
    with running(BUNDLED_REPOSITORY) as server:
        found = subprocess.run(
            [sys.executable, EXAMPLES / "ask.py", "text.png", "--url", server.url],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert found.returncode == 1
    assert "400 Not an image" in found.stderr
