"""Comparisons for real: small networks on drawn pictures, each in a process of its own."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.pictures import write_folder
from tests.training.compare.settings import fit_settings
from training.__main__ import main
from training.compare.compare import PLOT, RESULT, TABLE, compare
from training.compare.end_to_end import train_end_to_end
from training.compare.local import train_locally
from training.compare.options import CompareOptions
from training.compare.result import Comparison
from training.compare.variants import BACKPROPAGATION, FULL, UNIFORM, Plan, plan
from training.errors import ConfigError

FLAGS = (
    "--widths 8,8,12 --pool-before 3 --regions 2 --image-size 16 --epochs 2 --batch-size 8 "
    "--precision float32 --threads 1 --backprop-rates 0.01"
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a small training folder."""
    return write_folder(tmp_path / "data", per_class=16)


def planned(data: Path, *rates: float) -> Plan:
    """Plan a comparison of a small network."""
    return plan(fit_settings(data), rates)


def test_a_comparison_is_printed_and_stored(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row for each variant, costs with each that was trained, a plot that is well-formed."""
    out = tmp_path / "out"
    only = f"{FULL},without shortcuts,{BACKPROPAGATION}"
    arguments = ["compare", f"folder:{data}", "--out", str(out), "--only", only, *FLAGS.split()]

    assert main(arguments) == 0

    found = Comparison.model_validate_json((out / RESULT).read_bytes())
    names = [FULL, UNIFORM, "without shortcuts", BACKPROPAGATION]
    assert [row.name for row in found.rows] == names
    assert [row.cost is None for row in found.rows] == [False, True, False, False]
    assert all(len(row.epochs) == 2 for row in found.rows if row.cost)
    assert (out / TABLE).read_text() in capsys.readouterr().out
    assert ET.fromstring((out / PLOT).read_text()).tag.endswith("svg")  # noqa: S314  our own
    assert main(arguments) == 2
    assert "holds a comparison already" in capsys.readouterr().err


def test_uniform_layer_weights_need_no_second_training(data: Path) -> None:
    """They are read from the full method's network: same parameters, no cost."""
    full, uniform = train_locally(planned(data, 0.01).variants[0])

    assert (full.name, uniform.name) == (FULL, UNIFORM)
    assert full.cost is not None
    assert full.cost.images_per_s == pytest.approx(8 / full.cost.seconds_per_step)
    assert uniform.cost is None
    assert uniform.n_test == full.n_test
    assert uniform.parameters == full.parameters


def test_backpropagation_keeps_the_rate_that_is_best_on_validation(data: Path) -> None:
    """Others are told, and only the best is tested."""
    [row] = train_end_to_end(planned(data, 1e-6, 0.01).variants[-1])

    assert set(row.tried) == {1e-6, 0.01}
    assert row.validation == max(row.tried.values())
    assert row.tried[row.learning_rate] == row.validation
    assert row.validation == row.epochs[-1]


def test_what_is_known_is_kept_after_each_variant(data: Path) -> None:
    """A comparison that is stopped later has lost one variant, and not all."""
    kept = list[list[str]]()
    options = CompareOptions(only=(FULL, "without shortcuts"))

    compare(
        fit_settings(data),
        options,
        say=lambda _: None,
        keep=lambda found: kept.append([row.name for row in found.rows]),
    )

    assert kept == [[FULL, UNIFORM], [FULL, UNIFORM, "without shortcuts"]]


def test_what_cannot_be_trained_is_left_out_with_its_reason(data: Path) -> None:
    """A fixed partition needs a channel per class; the other variants go on."""
    settings = fit_settings(data, widths=(2,), pool_before=(1,))
    options = CompareOptions(only=("fixed partition", "without similarity"))

    found = compare(settings, options, say=lambda _: None)

    assert [row.name for row in found.rows] == ["without similarity"]
    assert "2 channels, 3 classes" in found.left_out["fixed partition"]


def test_an_unknown_variant_is_refused(data: Path) -> None:
    """The message names those that there are."""
    options = CompareOptions(only=("fulll",))

    with pytest.raises(ConfigError, match="no variants fulll; there are full, without entropy"):
        compare(fit_settings(data), options, say=print)
