"""What a trained network said of every image it was judged on: enough to draw a report from.

With it a report can be drawn anew where the data are no longer at hand. Axes: N images, K classes.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.artifact.files import write_atomically
from training.errors import CheckpointError
from training.results.channels import Channels
from training.results.examples import Examples

# Format 1 has neither familiarity nor evidence of the examples, and no channels.
_FORMAT, _READ = 2, {1, 2}


@dataclass(frozen=True)
class SplitAnswers:
    """The scores of one split.

    Attributes:
        scores: `(N, K)`, float32.
        labels: `(N,)`, int64, in `[0, K)`.
    """

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def probabilities(self, temperature: float) -> NDArray[np.float32]:
        """Give the `(N, K)` probabilities at a temperature; 1 is before temperature scaling."""
        scaled = self.scores / np.float32(temperature)
        powers = np.exp(scaled - scaled.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True), dtype=np.float32)


@dataclass(frozen=True)
class RunAnswers:
    """The answers on the validation and the test split.

    Attributes:
        validation: on the images that chose layer weights and temperature.
        test: on the images that nothing was chosen by.
        examples: of the validation split; no test image is kept.
        channels: the strongest ones, with patches of validation images; None in format 1.
    """

    validation: SplitAnswers
    test: SplitAnswers
    examples: Examples
    channels: Channels | None = None

    def save(self, path: Path) -> None:
        """Replace the file, atomically."""
        parts = {
            f"{part}_{name}": array
            for part, holder in vars(self).items()
            if holder is not None
            for name, array in vars(holder).items()
            if array is not None
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, format=np.int64(_FORMAT), **parts)
        write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "RunAnswers":
        """Read the file.

        Raises:
            CheckpointError: it is damaged, or of another format.
        """
        try:
            # From memory: of a damaged file, numpy would leave its own handle open.
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                content = dict(file)
            if int(content["format"]) not in _READ:
                message = f"{path} is of format {content['format']}, not {_FORMAT}"
                raise CheckpointError(message)
            channels = _part(content, "channels")
            return cls(
                validation=SplitAnswers(**_part(content, "validation")),
                test=SplitAnswers(**_part(content, "test")),
                examples=Examples(**_part(content, "examples")),
                channels=Channels(**channels) if channels else None,
            )
        # A damaged file raises by its first broken part: the archive, an array, or a name.
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            message = (
                f"{path} is damaged; take it away, and the report is drawn without single images"
            )
            raise CheckpointError(message) from error


def _part(content: dict[str, Any], part: str) -> dict[str, Any]:
    prefix = f"{part}_"
    return {n.removeprefix(prefix): a for n, a in content.items() if n.startswith(prefix)}
