"""A folder of photos, in small: every way to train is judged on the same test images."""

from pathlib import Path

import pytest

from benchmarks.photos import main
from tests.pictures import write_folder


def test_every_way_gets_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Colours are told apart by a small net of ours; n and seconds stand beside."""
    data = write_folder(tmp_path / "colours", per_class=60)
    fit = "--epochs 2 --batch-size 16 --widths 8 --pool-before 1 --image-size 16"

    status = main([f"folder:{data}", "--image-size", "16", "--cnn-epochs", "1", "--fit", fit])

    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][2:]
    cnn, ours = ([cell.strip() for cell in row.split("|")[1:-1]] for row in rows)
    assert status == 0
    assert cnn[0] == "plain CNN, 1 epochs, 16 pixels"
    assert ours[0] == f"`fit {fit}`"
    assert cnn[3] == ours[3] == "18"
    assert float(ours[2].removesuffix("%")) > 60
