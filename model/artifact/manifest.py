"""What is known about one exported model: its manifest, stored beside the ONNX file.

The graph takes raw pixels, for normalisation lives inside it, so that training and serving
cannot drift.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from model.artifact.anytime import Anytime
from model.artifact.conformal import ConformalScale
from model.artifact.evidence import EVIDENCE_FILE, EvidenceGraph
from model.artifact.familiarity import FamiliarityScale
from model.artifact.holdout import HOLDOUT_FILE, Holdout
from model.artifact.image import Pixels
from model.artifact.outputs import (
    FAMILIARITY,
    ContractError,
    Frozen,
    Scores,
    TensorSpec,
    check_outputs,
    input_spec,
)
from model.artifact.sha256 import Sha256

# What base64, the header and Pillow raise on text that is no sound PNG.
_UNREADABLE = (
    binascii.Error,
    struct.error,
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
)


class Layer(Frozen):
    """One layer as explanations name it.

    Attributes:
        name: unique in the model.
        channels: of its activity.
        weight: its layer weight w_l in the combined score, after its validation loss.
        validation_loss: its own cross-entropy on the validation split, in nats.
        test_accuracy: its own, as a fraction; None where the test split was not read.
    """

    name: str
    channels: int = Field(ge=1)
    weight: float = Field(ge=0, le=1)
    validation_loss: float
    test_accuracy: Annotated[float, Field(ge=0, le=1)] | None


class Accuracy(Frozen):
    """The fraction of `n` test images that the model gets right."""

    value: float = Field(ge=0, le=1)
    n: int = Field(ge=1)
    per_class: tuple[float | None, ...]


class Golden(Frozen):
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

    def pixels(self, height: int, width: int) -> Pixels:
        """Decode the picture: `(height, width, 3)`, uint8.

        Raises:
            ContractError: it is no PNG, or has another size, which is checked before decoding.
        """
        try:
            data = base64.b64decode(self.png, validate=True)
            # Before Pillow opens it: its own limit on pixels raises another error, or warns.
            _check_size(_declared_size(data), (width, height))
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                _check_size(image.size, (width, height))  # a second header may say otherwise
                return np.asarray(image.convert("RGB"), dtype=np.uint8)
        except _UNREADABLE as error:
            message = f"a golden input is no readable PNG: {error}"
            raise ContractError(message) from error


def _declared_size(png: bytes) -> tuple[int, int]:
    """Read width and height from a PNG's first chunk, its header."""
    width, height = struct.unpack_from(">II", png, 16)
    return width, height


def _check_size(found: tuple[int, int], wanted: tuple[int, int]) -> None:
    if found != wanted:
        message = (
            f"a golden input has {found[1]} x {found[0]} pixels, the model takes "
            f"{wanted[1]} x {wanted[0]}"
        )
        raise ContractError(message)


class Parent(Frozen):
    """The version that a version was made of.

    Attributes:
        version: its name and number, such as `cifar10/4`.
        manifest_sha256: of its manifest, which identifies it wherever it lies.
    """

    version: str
    manifest_sha256: Sha256


class Manifest(Frozen):
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
        accuracy: on the test split, read once; None for a run that has not finished.
        training: the settings of the run.
        software: versions of what trained and exported the model.
        data_sha256: fingerprint of the data set.
        model_sha256: of `model.onnx`.
        model_size_bytes: of `model.onnx`.
        golden: inputs with their expected scores.
        anytime: the network cut in two, where it may stop early.
        evidence: the graph that takes scores apart, where there is one.
        familiarity: how validation images score, where the graph has that output.
        conformal: how large sets must be to hold the true class, where that was calibrated.
        holdout: validation images that are kept, to hold the next version against.
        code_sha256: of the code that trained and exported the model; a release's number alone
            does not tell one checkout from another.
        parent: what it was made of: by `fit --from`, or by publishing a version anew.
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
    accuracy: Accuracy | None
    training: dict[str, Any]
    software: dict[str, str]
    data_sha256: Sha256
    model_sha256: Sha256
    model_size_bytes: int = Field(ge=1)
    golden: tuple[Golden, ...] = Field(min_length=1)
    # What came later are fields that default to none, so that older versions stay valid.
    anytime: Anytime | None = None
    evidence: EvidenceGraph | None = None
    familiarity: FamiliarityScale | None = None
    conformal: ConformalScale | None = None
    holdout: Holdout | None = None
    code_sha256: Sha256 | None = None
    parent: Parent | None = None

    def to_json(self) -> bytes:
        """Write it as `manifest.json` holds it.

        Without what came later and is not used: a goodserve of before refuses fields unknown to it.
        """
        later = {n for n, field in type(self).model_fields.items() if field.default is None}
        unused = {name for name in later if getattr(self, name) is None}
        return self.model_dump_json(indent=1, exclude=unused).encode() + b"\n"

    @property
    def graphs(self) -> Mapping[str, str]:
        """The sha256 of every file beside the model's, by its name."""
        files = {} if self.anytime is None else dict(self.anytime.files)
        if self.evidence is not None:
            files[EVIDENCE_FILE] = self.evidence.sha256
        if self.holdout is not None:
            files[HOLDOUT_FILE] = self.holdout.sha256
        return files

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            message = "labels are not unique"
            raise ValueError(message)
        expected = input_spec(self.image_height, self.image_width)
        if self.input != expected:
            message = f"the input must be {expected} for this image size"
            raise ValueError(message)
        try:
            check_outputs(self.outputs, len(self.layers), len(self.labels))
        except ContractError as error:
            raise ValueError(str(error)) from error
        if any(len(golden.scores) != len(self.labels) for golden in self.golden):
            message = f"every golden input needs {len(self.labels)} scores"
            raise ValueError(message)
        names = {spec.name for spec in self.outputs}
        if (self.familiarity is None) == (FAMILIARITY in names):
            message = f"the output {FAMILIARITY!r} and its scale belong together"
            raise ValueError(message)
        if self.evidence is not None and len(self.evidence.grids) != len(self.layers):
            message = f"evidence of {len(self.evidence.grids)} layers, there are {len(self.layers)}"
            raise ValueError(message)
        if self.anytime is not None and self.anytime.prefix_layers >= len(self.layers):
            message = (
                f"a prefix of {self.anytime.prefix_layers} layers leaves none of the "
                f"{len(self.layers)} to stop before"
            )
            raise ValueError(message)
        return self
