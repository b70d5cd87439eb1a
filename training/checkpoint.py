"""The files of a run: settings, log, the checkpoint to resume from, the trained model."""

import io
import json
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from model.artifact.files import write_atomically
from model.network.stack import ForwardForwardNetwork, NetworkSpec
from training.config import FitSettings, describe
from training.errors import CheckpointError


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on as if it had never stopped.

    Chance needs no place here: every generator is seeded by seed, epoch and step.

    Attributes:
        epoch: the epoch in progress, from 0.
        step: steps of it already taken.
        loss_sum: `(L,)`, the local losses of those steps, added up.
        network: the network's state dict.
        optimizers: every layer's optimizer state dict.
        history: the log's epoch events so far.
        fingerprint: sha256 of the data the run began on.
    """

    epoch: int
    step: int
    loss_sum: Tensor
    network: dict[str, Tensor]
    optimizers: list[dict[str, Any]]
    history: list[dict[str, Any]]
    fingerprint: str


@dataclass(frozen=True)
class TrainedModel:
    """A calibrated network with what is known about it.

    Attributes:
        network: in evaluation mode, on the CPU, float32.
        labels: K class names.
        results: validation and test results, as `training.evaluate` reports them.
        fingerprint: sha256 of the data it was trained on.
    """

    network: ForwardForwardNetwork
    labels: tuple[str, ...]
    results: dict[str, Any]
    fingerprint: str


class Run:
    """One run's folder."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read or written yet."""
        self.folder = folder
        self._settings = folder / "settings.json"
        self._checkpoint = folder / "checkpoint.pt"
        self._model = folder / "model.pt"
        self._log = folder / "log.jsonl"

    def refuse_existing(self) -> None:
        """Make sure that starting here would overwrite nothing.

        Raises:
            CheckpointError: a run is there already.
        """
        if any(path.exists() for path in (self._settings, self._checkpoint, self._model)):
            message = f"{self.folder} holds a run already; add --resume or name another folder"
            raise CheckpointError(message)

    def start(self, settings: FitSettings) -> None:
        """Make the folder and store the settings.

        Raises:
            CheckpointError: a run is there already.
        """
        self.refuse_existing()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log.unlink(missing_ok=True)
        write_atomically(self._settings, settings.model_dump_json(indent=2).encode())

    def settings(self) -> FitSettings:
        """Read the settings the run began with.

        Raises:
            CheckpointError: there is no run, or its settings do not parse.
        """
        try:
            return FitSettings.model_validate_json(self._settings.read_bytes())
        except OSError as error:
            message = f"{self.folder} holds no run to read: {error.strerror}"
            raise CheckpointError(message) from error
        except ValidationError as error:
            message = f"{self._settings} is damaged: {describe(error)}"
            raise CheckpointError(message) from error

    def is_finished(self) -> bool:
        """Tell whether training came to its end."""
        return self._model.exists()

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint, atomically."""
        _save(self._checkpoint, vars(checkpoint))

    def load(self) -> Checkpoint | None:
        """Read the last checkpoint; None where the run stopped before its first."""
        if not self._checkpoint.exists():
            return None
        try:
            return Checkpoint(**_load(self._checkpoint))
        except TypeError as error:
            message = f"{self._checkpoint} is no checkpoint: {error}"
            raise CheckpointError(message) from error

    def save_model(self, model: TrainedModel) -> None:
        """Store the trained model, atomically."""
        content = {
            "spec": asdict(model.network.spec),
            "network": model.network.state_dict(),
            "labels": list(model.labels),
            "results": model.results,
            "fingerprint": model.fingerprint,
        }
        _save(self._model, content)

    def load_model(self) -> TrainedModel:
        """Read the trained model.

        Raises:
            CheckpointError: training has not come to its end, or the file is damaged.
        """
        if not self.is_finished():
            message = f"{self.folder} holds no trained model yet; finish it with fit --resume"
            raise CheckpointError(message)
        content = _load(self._model)
        network = ForwardForwardNetwork(NetworkSpec(**content["spec"]), seed=0)
        network.load_state_dict(content["network"])
        return TrainedModel(
            network.eval(), tuple(content["labels"]), content["results"], content["fingerprint"]
        )

    def rewrite_log(self, events: list[dict[str, Any]]) -> None:
        """Cut the log back to what the checkpoint knows, so that no epoch stands there twice."""
        write_atomically(self._log, "".join(_line(e) for e in events).encode())

    def log(self, event: dict[str, Any]) -> None:
        """Append one event to the log, one JSON object a line."""
        with self._log.open("a") as file:
            file.write(_line(event))


def _line(event: dict[str, Any]) -> str:
    return json.dumps(event, allow_nan=False) + "\n"


def _save(path: Path, content: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def _load(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        message = f"{path} is damaged: {str(error).partition(chr(10))[0]}"
        raise CheckpointError(message) from error
    return content
