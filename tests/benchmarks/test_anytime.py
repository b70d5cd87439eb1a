"""The curve of stopping early: real runs of a tiny version, and a picture of them."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.anytime import CONFIDENCES, main
from benchmarks.curve import Point, Scale, draw, spread
from model.artifact.repository import ModelRepository
from tests.model.artifact.tiny import tiny_model, tiny_stages
from tests.pictures import write_folder


def published(root: Path, *, cut: bool) -> Path:
    """Publish and activate a tiny version, cut in two or whole."""
    repository, tiny, stages = ModelRepository(root), tiny_model(0), tiny_stages(0)
    manifest, graphs = (stages.manifest, stages.graphs) if cut else (tiny.manifest, {})
    repository.activate(repository.publish("colours", tiny.model, manifest, graphs))
    return root


def test_every_confidence_is_measured_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each, the first one without stopping; and a picture."""
    data, out = write_folder(tmp_path / "data", per_class=20), tmp_path / "curve.png"
    arguments = [str(published(tmp_path / "models", cut=True)), "--data", f"folder:{data}"]

    status = main([*arguments, "--rounds", "1", "--out", str(out), "--limit", "5"])

    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert status == 0
    assert len(rows) == len(CONFIDENCES)
    assert rows[0].startswith("| off | 0.0% |")
    assert "| +0.00 | 100.00% |" in rows[0]
    with Image.open(out) as picture:
        assert picture.size == (900, 520)


def test_a_version_that_is_not_cut_has_no_curve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says what makes one."""
    assert main([str(published(tmp_path, cut=False)), "--data", "folder:x"]) == 2

    assert "is not cut in two; see goodserve-train anytime" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([410, 1290], Scale(400, 1400, 200, 0, 100)),
        ([86.9, 87.42], Scale(86.8, 87.6, 0.2, 0, 100)),
        ([5.0, 5.0], Scale(5.0, 5.2, 0.2, 0, 100)),
    ],
)
def test_an_axis_has_round_ticks_around_all_values(values: list[float], expected: Scale) -> None:
    """Few of them, at steps of 1, 2 or 5."""
    found = spread(values, 0, 100)

    assert found == pytest.approx(expected)
    assert 2 <= len(found.ticks()) <= 8
    assert found.place(found.high) == 100


def test_points_are_drawn_where_they_lie() -> None:
    """The picture has few colours and is not blank."""
    picture = draw([Point(400, 0.87, "off"), Point(900, 0.86, "0.9")], "a curve")

    assert picture.size == (900, 520)
    assert len(picture.convert("RGB").getcolors() or []) > 3
