"""What a served model promises: names, shapes and dtypes of its ONNX graph, and its manifest.

The graph takes raw pixels, for normalisation lives inside it, so that training and serving
cannot drift.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.image import Pixels

INPUT_NAME = "images"
SCORES, PROBABILITIES, CONTRIBUTIONS = "scores", "probabilities", "contributions"
BATCH_AXIS = "N"
# How far a golden score may lie from the stored one, as a part of the largest score: another
# processor or batch size adds in another order.
GOLDEN_TOLERANCE = 1e-3
# Contributions sum to the score within this part of the sum of their absolute values.
SUM_TOLERANCE = 1e-5

Scores = NDArray[np.float32]
Predict = Callable[[Pixels], tuple[Scores, Scores, Scores]]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ContractError(Exception):
    """A model is not what its manifest or the contract says; the message tells where."""


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )


class TensorSpec(_Frozen):
    """One input or output: its name, dtype and shape, `"N"` being the batch axis."""

    name: str
    dtype: Literal["uint8", "float32"]
    shape: tuple[int | str, ...]


class Layer(_Frozen):
    """One layer as explanations name it.

    Attributes:
        name: unique in the model.
        channels: of its activity.
        weight: its contribution to the combined score, after its validation loss.
        validation_loss: its own cross-entropy on the validation split, in nats.
        test_accuracy: its own, as a fraction.
    """

    name: str
    channels: int = Field(ge=1)
    weight: float = Field(ge=0, le=1)
    validation_loss: float
    test_accuracy: float = Field(ge=0, le=1)


class Accuracy(_Frozen):
    """The fraction of `n` test images that the model gets right."""

    value: float = Field(ge=0, le=1)
    n: int = Field(ge=1)
    per_class: tuple[float | None, ...]


class Golden(_Frozen):
    """A picture drawn by the program, and the scores the model must give it again.

    Attributes:
        png: base64 of a PNG of the model's image size.
        scores: K floats.
    """

    png: str
    scores: tuple[float, ...]

    @classmethod
    def of(cls, pixels: Pixels, scores: Scores) -> Self:
        """Store `(H, W, 3)` uint8 pixels with their `(K,)` scores."""
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
        png = base64.b64encode(buffer.getvalue()).decode()
        return cls(png=png, scores=tuple(float(score) for score in scores))

    def pixels(self) -> Pixels:
        """Decode the picture: `(H, W, 3)`, uint8.

        Raises:
            ContractError: it is no PNG.
        """
        try:
            data = base64.b64decode(self.png, validate=True)
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                return np.asarray(image.convert("RGB"), dtype=np.uint8)
        except (binascii.Error, OSError, SyntaxError, ValueError) as error:
            message = f"a golden input is no readable PNG: {error}"
            raise ContractError(message) from error


class Manifest(_Frozen):
    """Everything that is known about one exported model.

    Attributes:
        format: of this manifest.
        created: when the model was exported.
        labels: K class names, in the order of the scores.
        image_height: rows of the input.
        image_width: columns of the input.
        input: the graph's one input.
        outputs: the graph's outputs.
        layers: L layers, first to last.
        temperature: of the probabilities.
        accuracy: on the test split, read once.
        training: the settings of the run.
        software: versions of what trained and exported the model.
        data_sha256: fingerprint of the data set.
        model_sha256: of `model.onnx`.
        model_size_bytes: of `model.onnx`.
        golden: inputs with their expected scores.
    """

    format: Literal[1] = 1
    created: datetime
    labels: tuple[str, ...] = Field(min_length=2)
    image_height: int = Field(ge=1)
    image_width: int = Field(ge=1)
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    layers: tuple[Layer, ...] = Field(min_length=1)
    temperature: float = Field(gt=0)
    accuracy: Accuracy
    training: dict[str, Any]
    software: dict[str, str]
    data_sha256: Sha256
    model_sha256: Sha256
    model_size_bytes: int = Field(ge=1)
    golden: tuple[Golden, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            message = "labels are not unique"
            raise ValueError(message)
        expected_input = input_spec(self.image_height, self.image_width)
        expected_outputs = output_specs(len(self.layers), len(self.labels))
        if self.input != expected_input or self.outputs != expected_outputs:
            message = (
                f"input and outputs must be {expected_input} and {expected_outputs} for "
                f"{len(self.labels)} labels, {len(self.layers)} layers and this image size"
            )
            raise ValueError(message)
        if any(len(golden.scores) != len(self.labels) for golden in self.golden):
            message = f"every golden input needs {len(self.labels)} scores"
            raise ValueError(message)
        return self


def input_spec(height: int, width: int) -> TensorSpec:
    """Describe the input: raw RGB pixels."""
    return TensorSpec(name=INPUT_NAME, dtype="uint8", shape=(BATCH_AXIS, height, width, 3))


def output_specs(num_layers: int, num_classes: int) -> tuple[TensorSpec, ...]:
    """Describe the outputs: scores, probabilities, and the layers' contributions."""
    per_class = (BATCH_AXIS, num_classes)
    per_layer = (BATCH_AXIS, num_layers, num_classes)
    return (
        TensorSpec(name=SCORES, dtype="float32", shape=per_class),
        TensorSpec(name=PROBABILITIES, dtype="float32", shape=per_class),
        TensorSpec(name=CONTRIBUTIONS, dtype="float32", shape=per_layer),
    )


def check_answers(manifest: Manifest, predict: Predict) -> None:
    """Run the golden inputs and hold the answers against the manifest.

    Args:
        manifest: says what must come out.
        predict: takes `(N, H, W, 3)` uint8, gives scores `(N, K)`, probabilities `(N, K)`
            and contributions `(N, L, K)`.

    Raises:
        ContractError: a picture has the wrong size, a score is not reproduced, or the
            contributions do not sum to the scores.
    """
    size = (manifest.image_height, manifest.image_width, 3)
    pictures = [golden.pixels() for golden in manifest.golden]
    for picture in pictures:
        if picture.shape != size:
            message = f"a golden input has shape {picture.shape}, the model takes {size}"
            raise ContractError(message)
    scores, probabilities, contributions = predict(np.stack(pictures))
    expected = np.array([golden.scores for golden in manifest.golden])
    _check_scores(scores, expected)
    _check_sums(scores, contributions)
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        message = "the probabilities of a golden input do not sum to 1"
        raise ContractError(message)


def _check_scores(scores: Scores, expected: NDArray[np.float64]) -> None:
    limit = GOLDEN_TOLERANCE * max(1.0, float(np.abs(expected).max()))
    worst = float(np.abs(scores - expected).max())
    if not worst <= limit:  # also where worst is nan
        message = (
            f"golden inputs do not reproduce: a score is off by {worst:.3g}, the limit is "
            f"{limit:.3g}; the model is not the one that was exported"
        )
        raise ContractError(message)


def _check_sums(scores: Scores, contributions: Scores) -> None:
    off = np.abs(contributions.sum(axis=1) - scores)
    limit = SUM_TOLERANCE * np.abs(contributions).sum(axis=1) + np.finfo(np.float32).tiny
    if not (off <= limit).all():
        message = f"contributions do not sum to the score: off by up to {float(off.max()):.3g}"
        raise ContractError(message)
