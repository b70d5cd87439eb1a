"""A client of the service: `from service.client import Client, AsyncClient`."""

from service.client.aio import AsyncClient
from service.client.errors import (
    GoodserveError,
    NotFoundError,
    ProblemError,
    RefusedError,
    ServerError,
    TimedOutError,
    TryLaterError,
    UnauthorizedError,
    UnreachableError,
    UnreadableError,
)
from service.client.images import ImageLike
from service.client.options import PredictOptions
from service.client.results import (
    Evidence,
    Explanation,
    FilePrediction,
    LayerEvidence,
    Limits,
    ModelName,
    Models,
    Prediction,
    Ready,
    VersionInfo,
)
from service.client.sync import Client

__all__ = [
    "AsyncClient",
    "Client",
    "Evidence",
    "Explanation",
    "FilePrediction",
    "GoodserveError",
    "ImageLike",
    "LayerEvidence",
    "Limits",
    "ModelName",
    "Models",
    "NotFoundError",
    "PredictOptions",
    "Prediction",
    "ProblemError",
    "Ready",
    "RefusedError",
    "ServerError",
    "TimedOutError",
    "TryLaterError",
    "UnauthorizedError",
    "UnreachableError",
    "UnreadableError",
    "VersionInfo",
]
