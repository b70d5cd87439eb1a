"""What a running service holds."""

from dataclasses import dataclass

from anyio import CapacityLimiter

from model.artifact.repository import ModelRepository
from service.admission import Admission
from service.batching import Batcher
from service.body import BodyLimits
from service.decode import Limits
from service.inference import Answers
from service.metrics import Metrics
from service.registry import Registry


@dataclass(frozen=True)
class Service:
    """Everything that a request needs."""

    repository: ModelRepository
    registry: Registry
    batcher: Batcher[Answers]
    metrics: Metrics
    admission: Admission
    decode_limiter: CapacityLimiter
    body_limits: BodyLimits
    image_limits: Limits
    device: str
