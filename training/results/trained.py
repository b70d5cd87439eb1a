"""The trained model of a run: its network, and the report on it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model.artifact.files import write_atomically
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from training.errors import CheckpointError
from training.results.report import InterimReport, Report
from training.results.stored import load_tensors, save_tensors

_REMEDY = "take it away and finish the run again with fit --resume"


@dataclass(frozen=True)
class InterimModel:
    """A calibrated network of a run that may go on.

    Attributes:
        network: in evaluation mode, on the CPU, float32.
        report: on the run so far.
    """

    network: ForwardForwardNetwork
    report: InterimReport


@dataclass(frozen=True)
class TrainedModel(InterimModel):
    """The calibrated network of a finished run.

    Attributes:
        report: on the whole run.
    """

    report: Report


def save_trained(model: TrainedModel, weights: Path, report: Path) -> None:
    """Store a trained model in two files, the weights last: they say that the run is finished."""
    write_atomically(report, model.report.model_dump_json(indent=1).encode() + b"\n")
    network = model.network
    save_tensors(weights, {"spec": asdict(network.spec), "network": network.state_dict()})


def load_trained(weights: Path, report: Path) -> TrainedModel:
    """Read a trained model.

    Raises:
        CheckpointError: a file is missing, damaged, or of another format.
    """
    network = _network(weights, load_tensors(weights, _REMEDY))
    try:
        return TrainedModel(network, Report.model_validate_json(report.read_bytes()))
    except (OSError, ValidationError) as error:
        message = (
            f"{report} is missing or damaged; remove {weights.name} and finish with fit --resume"
        )
        raise CheckpointError(message) from error


def _network(path: Path, content: dict[str, Any]) -> ForwardForwardNetwork:
    try:
        network = ForwardForwardNetwork(_spec(content["spec"]), seed=0)
        network.load_state_dict(content["network"], strict=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        message = f"{path} is damaged: its weights do not fit its network; {_REMEDY}"
        raise CheckpointError(message) from error
    return network.eval()


def _spec(stored: dict[str, Any]) -> NetworkSpec:
    """Read a network's shape; before format 5 all its layers had one number of convolutions."""
    values = dict(stored)
    convolutions = values.get("convolutions", 1)
    of_each = (convolutions,) if isinstance(convolutions, int) else convolutions
    return NetworkSpec(**{**values, "convolutions": of_each})
