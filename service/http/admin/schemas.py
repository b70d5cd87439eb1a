"""The wire types of the admin endpoints."""

from pydantic import BaseModel, ConfigDict, Field

from model.artifact.active import Active
from model.artifact.labels import Canary, Stopped


class TrialOptions(BaseModel):
    """How a version is tried; in the query."""

    model_config = ConfigDict(extra="forbid")

    percent: float = Field(5, ge=0, le=100, description="of the requests that name no version")
    shadow: bool = Field(
        default=False, description="only compare: the active version answers all requests"
    )
    max_disagreement: float | None = Field(
        None, gt=0, lt=1, description="part of the images whose first class may differ; null: any"
    )
    max_failures: float = Field(
        0.01, gt=0, lt=1, description="part of its requests that may fail by its own fault"
    )


class ModelState(BaseModel):
    """Which version of a model is active, and what its labels name."""

    name: str
    active: str | None = Field(description="the version that answers; null: the model is off")
    previous: list[str] = Field(description="those active before, the last one last")
    labels: dict[str, str] = Field(description="the version that each label names")
    canary: Canary | None = Field(description="the version on trial")
    stopped: Stopped | None = Field(description="the last trial that ended without success")
    is_default: bool = Field(description="whether it answers where a request names no model")


class ModelStates(BaseModel):
    """Every model of which a version is active, the default one first."""

    models: list[ModelState]


def model_state(state: Active | None, name: str) -> ModelState:
    """Describe one model."""
    history = state.models.get(name) if state is not None else None
    return ModelState(
        name=name,
        active=history.active if history else None,
        previous=list(history.previous) if history else [],
        labels=history.all_labels if history else {},
        canary=history.canary if history else None,
        stopped=history.stopped if history else None,
        is_default=state is not None and state.default == name,
    )


def model_states(state: Active | None) -> ModelStates:
    """Describe every model of which a version is active."""
    names = [version.name for version in state.versions] if state is not None else []
    return ModelStates(models=[model_state(state, name) for name in names])
