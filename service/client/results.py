"""What the service says, typed; fields that this client does not know are left out."""

import os
from typing import Any, Self, TypeVar, get_origin

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.client.errors import GoodserveError

Floats = NDArray[np.float32]
T = TypeVar("T")


class ModelName(msgspec.Struct, frozen=True):
    """The version that answered."""

    name: str
    version: str

    def __str__(self) -> str:
        """Name both, as goodserve's commands do."""
        return f"{self.name}/{self.version}"


class LayerContribution(msgspec.Struct, frozen=True):
    """What one layer adds to a class's goodness; negative speaks against."""

    layer: str
    contribution: float


class SettledAt(msgspec.Struct, frozen=True):
    """The layer from which on the layers so far name the class that is answered."""

    layer: str
    index: int


class ClassScore(msgspec.Struct, frozen=True):
    """One class; with explain=True its goodness is the sum of the layers' contributions."""

    label: str
    probability: float
    goodness: float
    layers: tuple[LayerContribution, ...] | None = None


_NOBODY = ModelName("", "")


class Prediction(msgspec.Struct, frozen=True):
    """One image's answer.

    Attributes:
        label: the most probable class.
        probability: of it.
        classes: the top ones, most probable first.
        layers_used: layers that ran: all, unless the answer was given early.
        familiarity: percentage of the validation images that are less familiar, if it is known.
        is_familiar: whether that is enough for the service.
        conformal_set: with confidence: classes among which the true one is.
        settled_at: with explain=True.
        model: the version that answered.
    """

    label: str
    probability: float
    classes: tuple[ClassScore, ...]
    layers_used: int = 0
    familiarity: float | None = None
    is_familiar: bool | None = None
    conformal_set: tuple[str, ...] | None = None
    settled_at: SettledAt | None = None
    model: ModelName = _NOBODY


class FilePrediction(msgspec.Struct, frozen=True):
    """One file's answer, or why there is none.

    Attributes:
        path: of the file.
        prediction: None where there is none.
        error: None where there is a prediction.
    """

    path: os.PathLike[str]
    prediction: Prediction | None = None
    error: GoodserveError | None = None


class LayerEvidence(msgspec.Struct, frozen=True, eq=False):
    """One layer's part in a score.

    Attributes:
        layer: its name.
        contribution: the sum of the map.
        map: `(h, w)`, float32, on the layer's own grid.
    """

    layer: str
    contribution: float
    map: Floats


class ChannelEvidence(msgspec.Struct, frozen=True):
    """One channel's part in a score.

    Attributes:
        layer: that it is in.
        channel: its number there.
        assignment: how far it speaks for the class, 0 to 1.
        activity: standard deviations above its usual activity.
        contribution: to the score.
    """

    layer: str
    channel: int
    assignment: float
    activity: float
    contribution: float


class Evidence(msgspec.Struct, frozen=True, eq=False):
    """A class's score, or the difference of two, taken apart.

    Attributes:
        label: of the class; None for a contrast.
        contrast: the two classes; None for a class.
        goodness: the sum of the layers' contributions.
        residual: the difference to the score, as a part of the absolute parts.
        layers: each with its map.
        map: `(H, W)`, float32, all layers on the input's grid; it sums to the goodness.
        channels: the strongest ones.
    """

    label: str | None
    contrast: tuple[str, str] | None
    goodness: float
    residual: float
    layers: tuple[LayerEvidence, ...]
    map: Floats
    channels: tuple[ChannelEvidence, ...]


class Explanation(msgspec.Struct, frozen=True, eq=False):
    """One image's answer, taken apart: an `Evidence` for each class, and one for a contrast."""

    label: str
    probability: float
    classes: tuple[ClassScore, ...]
    settled_at: SettledAt
    evidence: tuple[Evidence, ...]
    familiarity: float | None = None
    is_familiar: bool | None = None
    conformal_set: tuple[str, ...] | None = None
    model: ModelName = _NOBODY


class Limits(msgspec.Struct, frozen=True):
    """What one request may hold; `explanations` are images times classes taken apart."""

    images: int = 1
    request_bytes: int = 2**20
    image_bytes: int = 2**20
    explanations: int = 1

    def holding(self, images: int) -> Self:
        """Give the same for at most so many images."""
        return msgspec.structs.replace(self, images=min(images, self.images))


class VersionInfo(msgspec.Struct, frozen=True):
    """One published version; `problem` says why it cannot be read."""

    name: str
    version: str
    is_active: bool
    labels: tuple[str, ...] = ()
    image_height: int | None = None
    image_width: int | None = None
    accuracy: float | None = None
    accuracy_n: int | None = None
    problem: str | None = None


class Models(msgspec.Struct, frozen=True):
    """What serves, and what is published."""

    versions: tuple[VersionInfo, ...]
    loaded: tuple[ModelName, ...] = ()
    serving: ModelName | None = None
    device: str = ""
    limits: Limits = Limits()


class Ready(msgspec.Struct, frozen=True):
    """Whether the service answers, and by which version; `trouble` says why not."""

    status: str
    model: ModelName | None = None
    trouble: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether requests are answered."""
        return self.status == "ready"


class _Predictions(msgspec.Struct):
    model: ModelName
    predictions: list[Prediction]


class _Explanations(msgspec.Struct):
    model: ModelName
    explanations: list[Explanation]


def _array(kind: type, value: Any) -> Any:  # noqa: ANN401  whatever JSON holds
    """Make an array of nested lists."""
    if np.ndarray in (kind, get_origin(kind)):
        return np.array(value, np.float32)
    raise NotImplementedError


_PREDICTIONS = msgspec.json.Decoder(_Predictions)
_EXPLANATIONS = msgspec.json.Decoder(_Explanations, dec_hook=_array)


def predictions_of(body: bytes) -> list[Prediction]:
    """Read an answer of `/predict`; each prediction names the version.

    Raises:
        GoodserveError: it is none.
    """
    found = _decoded(_PREDICTIONS, body)
    for each in found.predictions:
        msgspec.structs.force_setattr(each, "model", found.model)
    return found.predictions


def explanations_of(body: bytes) -> list[Explanation]:
    """Read an answer of `/explain`; each explanation names the version.

    Raises:
        GoodserveError: it is none.
    """
    found = _decoded(_EXPLANATIONS, body)
    for each in found.explanations:
        msgspec.structs.force_setattr(each, "model", found.model)
    return found.explanations


def read(kind: type[T], body: bytes) -> T:
    """Read an answer of one type.

    Raises:
        GoodserveError: it is none.
    """
    return _decoded(msgspec.json.Decoder(kind), body)


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        message = f"what answered is no goodserve that this client knows: {error}"
        raise GoodserveError(message) from error
