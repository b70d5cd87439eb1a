"""Reports: frozen, free of NaN, and equal to what comes back from their JSON."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.trained import SmallModel
from tests.training.networks import network
from training.results.measure import report_on
from training.results.report import Calibration, EpochReport, LayerReport, Report, SplitReport
from training.results.run import Run
from training.results.table import end_lines, split_lines

SHARE = st.floats(0, 1)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(0, exclude_min=True, allow_infinity=False)
SPLITS = st.builds(
    SplitReport,
    n=st.integers(1, 10**6),
    loss=NUMBER,
    accuracy=SHARE,
    per_class=st.tuples(SHARE, st.none()),
    per_layer=st.tuples(SHARE),
    images_per_class=st.tuples(st.integers(0, 10**6), st.just(0)),
    balanced_accuracy=SHARE,
    majority_accuracy=SHARE,
)
CALIBRATIONS = st.builds(
    Calibration,
    loss_per_layer=st.tuples(NUMBER),
    layer_weights=st.tuples(SHARE),
    layer_weight_temperature=POSITIVE,
    temperature=POSITIVE,
)
EPOCHS = st.builds(
    EpochReport,
    epoch=st.integers(1, 999),
    seconds=st.floats(0, 1e6),
    train_loss_per_layer=st.tuples(NUMBER),
    calibration=CALIBRATIONS,
    validation=SPLITS,
    images_per_s=st.floats(0, 1e6),
    assignment_entropy_per_layer=st.tuples(SHARE),
)
REPORTS = st.builds(
    Report,
    labels=st.just(("cat", "dog")),
    data_sha256=st.just("0" * 64),
    layers=st.tuples(
        st.builds(
            LayerReport, name=st.text(), channels=st.integers(1, 999), assignment_entropy=NUMBER
        )
    ),
    epochs=st.tuples(EPOCHS),
    calibration=CALIBRATIONS,
    validation=SPLITS,
    test=SPLITS,
)


@given(REPORTS)
def test_a_report_comes_back_equal_from_its_json(report: Report) -> None:
    """To the last bit of every number."""
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_a_number_that_is_none_is_refused() -> None:
    """JSON has no NaN: it must not come so far."""
    with pytest.raises(ValidationError, match="loss"):
        SplitReport(n=1, loss=float("nan"), accuracy=0, per_class=(0,), per_layer=(0,))


def test_a_report_of_format_2_is_still_read(small_models: list[SmallModel]) -> None:
    """It has no counts and no baseline; the run behind it cannot be trained again for them."""
    content = json.loads((small_models[0].run / "report.json").read_bytes()) | {"format": 2}
    for split in (content["validation"], content["test"]):
        for name in ("images_per_class", "balanced_accuracy", "majority_accuracy"):
            del split[name]

    report = Report.model_validate_json(json.dumps(content))

    assert report.test.balanced_accuracy is None
    assert list(end_lines(report))[1].startswith("  class blue")


def test_accuracy_stands_beside_what_needs_no_look_at_the_image() -> None:
    """Of 8 cats and 2 dogs, a network that always says cat is right 8 times, balanced one half."""
    net = network()
    goodness = torch.zeros(10, 3, 4)
    goodness[:, :, 0] = 1
    labels = torch.tensor([0] * 8 + [1] * 2)

    found = report_on(net, goodness, labels)

    assert found.images_per_class == (8, 2, 0, 0)
    assert found.per_class == (1.0, 0.0, None, None)
    assert found.accuracy == found.majority_accuracy == pytest.approx(0.8)
    assert found.balanced_accuracy == pytest.approx(0.5)


def test_a_run_reports_every_epoch_and_the_one_test(small_models: list[SmallModel]) -> None:
    """The file beside the weights is the report that evaluation and export read."""
    run = small_models[0].run

    report = Report.model_validate_json((run / "report.json").read_bytes())

    assert report == Run(run).load_model().report
    assert [epoch.epoch for epoch in report.epochs] == [1, 2]
    assert sum(report.calibration.layer_weights) == pytest.approx(1)
    assert report.labels == ("blue", "green", "red")


def test_the_table_names_layer_weights(small_models: list[SmallModel]) -> None:
    """Layer by layer and class by class, in words."""
    report = Run(small_models[0].run).load_model().report

    lines = list(split_lines(report, report.test))

    weight = report.calibration.layer_weights[0]
    assert lines[0].startswith(f"accuracy {report.test.accuracy:.2%} (n = {report.test.n})")
    assert lines[1].startswith("  balanced over the classes ")
    assert "always the most frequent class " in lines[1]
    assert f"layer weight {weight:.3f}  assignment entropy" in lines[2]
    assert lines[-1].endswith(f"(n = {report.test.images_per_class[-1]})")
    assert [line.split()[:2] for line in lines[2:]] == [
        ["layer", "stem"],
        ["layer", "block2"],
        ["class", "blue"],
        ["class", "green"],
        ["class", "red"],
    ]
