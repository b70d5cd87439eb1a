"""From what a run stored to one HTML file."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.results.answers import RunAnswers
from training.results.html.channels import channel_groups
from training.results.html.confusion import confusion
from training.results.html.curves import charts
from training.results.html.gallery import gallery
from training.results.html.heat import HeatMap, heat_map
from training.results.reliability import reliability
from training.results.report import Report
from training.results.run import Run
from training.results.trained import TrainedModel
from training.settings.fit import FitSettings, flat

# Names of classes and folders come from outside: everything that is filled in is escaped.
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_page(run: Run) -> Path:
    """Draw the report of a finished run into its folder; give its path.

    Raises:
        CheckpointError: the run is not finished, or one of its files is damaged.
    """
    page = draw_page(run.folder.name, run.settings(), run.load_model(), run.load_answers())
    return run.save_page(page)


def draw_page(
    name: str, settings: FitSettings, trained: TrainedModel, answers: RunAnswers | None
) -> str:
    """Give the report as HTML.

    Args:
        name: of the run.
        settings: it was started with.
        trained: its network and the report on it.
        answers: None in a run of an earlier version: then what they show is left out.
    """
    report = trained.report
    return _TEMPLATES.get_template("report.html").render(
        name=name,
        settings=flat(settings),
        report=report,
        minutes=sum(epoch.seconds for epoch in report.epochs) / 60,
        charts=charts([layer.name for layer in report.layers], report.epochs),
        heat_maps=_heat_maps(trained),
        judged=None if answers is None else _judged(report, answers),
    )


def _heat_maps(trained: TrainedModel) -> list[HeatMap]:
    blocks = zip(trained.report.layers, trained.network.layers(), strict=True)
    return [
        heat_map(layer.name, block.assignment().detach().numpy(), layer.assignment_entropy)
        for layer, block in blocks
    ]


def _judged(report: Report, answers: RunAnswers) -> dict[str, Any]:
    """Draw what the answers show: the test split's in sum, the validation split's one by one."""
    temperature, test = report.calibration.temperature, answers.test
    layers = [layer.name for layer in report.layers]
    return {
        "before": reliability(test.probabilities(1.0), test.labels),
        "after": reliability(test.probabilities(temperature), test.labels),
        "confusion": confusion(report.labels, test.scores.argmax(1), test.labels),
        "gallery": gallery(answers, temperature, report.labels, layers),
        "channels": channel_groups(answers, report.labels, layers),
    }
