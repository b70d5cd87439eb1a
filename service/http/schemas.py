"""The wire types of requests and answers."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from model.artifact.version import VersionId
from service.predict.states import State

DEFAULT_TOP_K = 5
TopK = Annotated[int, Field(ge=1, description="how many classes to give; at most all K")]
Confidence = Annotated[
    float | None,
    Field(
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="also give the set of classes that holds the true one with this probability",
    ),
]
_SET = Field(
    None,
    description="with confidence: the classes among which the true one is, most probable first; "
    "null for an answer given early",
)
_SETTLED_AT = Field(
    None, description="with explain=true: from where on the layers so far name the same class"
)
_FAMILIARITY = Field(
    None,
    description="percentage of the validation images that are less familiar; null where the "
    "layers ran in two parts",
)
_IS_FAMILIAR = Field(None, description="whether that is at least the service's --familiar-from")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Options(_Closed):
    """What a caller may choose, in the query or in the body; the body wins."""

    top_k: TopK = DEFAULT_TOP_K
    explain: bool = False
    confidence: Confidence = None


class ExplainOptions(_Closed):
    """What a caller of `/explain` may choose, in the query."""

    classes: tuple[str, ...] = Field(
        (), description="classes to take apart, separated by commas; by default the top one"
    )
    contrast: tuple[str, ...] = Field(
        (),
        description="two classes, A,B or one after the other: what speaks for A rather than B",
    )
    channels: Annotated[int, Field(ge=0, le=100)] = Field(
        5, description="how many of the strongest channels to give"
    )
    layer: str | None = Field(None, description="with Accept: image/png, the layer to draw")
    confidence: Confidence = None


class ModelName(BaseModel):
    """The version that answered."""

    name: str
    version: str

    @classmethod
    def of(cls, version: VersionId) -> Self:
        """Word a version."""
        return cls(name=version.name, version=version.version)


class LayerContribution(BaseModel):
    """What one layer adds to a class's goodness; negative speaks against."""

    layer: str
    contribution: float


class SettledAt(BaseModel):
    """The first layer from which on the running sum of contributions names the answer."""

    layer: str
    index: int = Field(description="its place among the layers, from 0")


class ClassScore(BaseModel):
    """One class: its goodness is the sum of the layers' contributions."""

    label: str
    probability: float
    goodness: float
    layers: list[LayerContribution] | None = Field(None, description="with explain=true")


class Prediction(BaseModel):
    """One image's answer: the most probable class, and the top ones."""

    label: str
    probability: float
    classes: list[ClassScore]
    layers_used: int = Field(description="layers that ran: all, unless it stopped early")
    familiarity: float | None = _FAMILIARITY
    is_familiar: bool | None = _IS_FAMILIAR
    conformal_set: list[str] | None = _SET
    settled_at: SettledAt | None = _SETTLED_AT


class PredictResponse(BaseModel):
    """The images' answers in their order, all from one version."""

    model: ModelName
    predictions: list[Prediction]


class LayerMap(BaseModel):
    """One layer's part in a score, by the positions of its own grid."""

    layer: str
    contribution: float = Field(description="the sum of the map")
    map: list[list[float]]


class ChannelPart(BaseModel):
    """One channel's part in a score."""

    layer: str
    channel: int
    assignment: float = Field(description="how far it speaks for the class, 0 to 1")
    activity: float = Field(description="standard deviations above its usual activity")
    contribution: float


class Parts(BaseModel):
    """A class's score, or the difference of two, taken apart."""

    label: str | None
    contrast: list[str] | None
    goodness: float = Field(description="the sum of the layers' contributions")
    residual: float = Field(description="difference to the score, as a part of the absolute parts")
    layers: list[LayerMap]
    map: list[list[float]] = Field(description="all layers, on the input's grid")
    channels: list[ChannelPart]


class Explanation(BaseModel):
    """One image's answer, taken apart."""

    label: str
    probability: float
    classes: list[ClassScore]
    settled_at: SettledAt
    familiarity: float | None = _FAMILIARITY
    is_familiar: bool | None = _IS_FAMILIAR
    conformal_set: list[str] | None = _SET
    evidence: list[Parts]


class ExplainResponse(BaseModel):
    """The images' answers in their order, all from one version."""

    model: ModelName
    explanations: list[Explanation]


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="urn:goodserve:problem: and the kind, for programs")
    title: str = Field(description="the kind in words")
    status: int = Field(description="as the answer's")
    detail: str = Field(description="the value, the limit and the remedy, for people")
    request_id: str | None = Field(None, description="as in the header X-Request-Id and in the log")


class RefusedVersion(BaseModel):
    """A version that was to become active and did not pass its checks."""

    version: str
    reason: str


class Ready(BaseModel):
    """Whether `/predict` answers, by which version, and what was refused since."""

    status: str
    model: ModelName | None = None
    refused: RefusedVersion | None = None
    trouble: str | None = Field(None, description="why it should get no traffic now")


class Live(BaseModel):
    """The process answers."""

    status: str = "alive"


class VersionInfo(BaseModel):
    """One published version."""

    name: str
    version: str
    is_active: bool
    state: State = Field(description="in the process that answers")
    refused: str | None = Field(None, description="why it failed its checks")
    aliases: list[str] = Field([], description="the labels that name it, stable and canary too")
    labels: list[str] | None = Field(None, description="its classes")
    image_height: int | None = None
    image_width: int | None = None
    accuracy: float | None = None
    accuracy_n: int | None = None
    created: str | None = None
    problem: str | None = Field(None, description="why its manifest cannot be read")


class TrialInfo(BaseModel):
    """A version on trial, or the last one whose trial failed."""

    name: str
    version: str
    percent: float | None = Field(None, description="of the requests that name no version")
    shadow: bool | None = Field(None, description="whether it is only compared")
    failure: str | None = Field(None, description="why the trial was stopped")


class Limits(BaseModel):
    """What one request may hold; more is refused with 413, too many explanations with 422."""

    images: int
    request_bytes: int
    image_bytes: int
    image_pixels: int = Field(description="width times height of one image")
    request_pixels: int = Field(description="of all images of a request")
    explanations: int = Field(description="images times classes to take apart, of `/explain`")


class Models(BaseModel):
    """What serves, and what the repository holds."""

    serving: ModelName | None = Field(description="answers where a request names no model")
    loaded: list[ModelName] = Field(description="what answers for its name without loading first")
    device: str
    limits: Limits
    versions: list[VersionInfo]
    trials: list[TrialInfo]
