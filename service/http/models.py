"""`GET /models`: what the repository holds, what serves, and what is on trial."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from fastapi import APIRouter

from model.artifact.active import Active
from model.artifact.repository import ModelRepository
from model.artifact.version import RepositoryError, VersionId
from service.http.openapi import ANYWHERE
from service.http.published import published
from service.http.schemas import Limits, ModelName, Models, TrialInfo, VersionInfo
from service.predict.lanes import Lanes
from service.predict.states import state_of
from service.predict.trials import Trials
from service.predict.watcher import Watcher


@dataclass(frozen=True)
class Fixed:
    """What does not change while the process lives.

    Attributes:
        device: on which sessions run.
        limits: of one request.
    """

    device: str
    limits: Limits


def models_router(
    repository: ModelRepository, lanes: Lanes, watcher: Watcher, trials: Trials, fixed: Fixed
) -> APIRouter:
    """Make the route that lists the versions."""
    router = APIRouter(tags=["Service"], responses=ANYWHERE)

    @router.get("/models", response_model_exclude_none=True)
    async def models() -> Models:
        """List what the repository holds, what serves, and what is on trial."""
        state, versions = await asyncio.to_thread(_published, repository)
        cold = _cold(state, lanes)
        return Models(
            serving=ModelName.of(lanes.active.id) if lanes.active else None,
            loaded=[ModelName.of(each) for each in lanes.serving],
            device=fixed.device,
            versions=[
                info.model_copy(
                    update={
                        "is_active": version in lanes.serving or version in cold,
                        "state": state_of(version, lanes, watcher, trials),
                        "refused": watcher.refusals.reason(str(version)),
                    }
                )
                for version, info in versions
            ],
            limits=fixed.limits,
            trials=_trials(state, trials),
        )

    return router


def _published(
    repository: ModelRepository,
) -> tuple[Active | None, list[tuple[VersionId, VersionInfo]]]:
    """Read what is known of every version; it reads the disk.

    Raises:
        NotReadyError: the versions cannot be listed.
    """
    try:
        state = repository.state()
    except RepositoryError:
        state = None  # what serves goes on serving, and readiness says why
    return state, [(each, _version(repository, each, state)) for each in published(repository)]


def _cold(state: Active | None, lanes: Lanes) -> Collection[VersionId]:
    """Name the active versions that will answer once their models are first named."""
    loaded = {version.name for version in lanes.serving}
    return [v for v in state.versions if v.name not in loaded] if state is not None else []


def _version(repository: ModelRepository, version: VersionId, state: Active | None) -> VersionInfo:
    info = VersionInfo(
        name=version.name,
        version=version.version,
        is_active=False,
        state="unloaded",
        aliases=_aliases(version, state),
    )
    try:
        manifest = repository.manifest(version)
    except RepositoryError as error:
        return info.model_copy(update={"problem": str(error)})
    accuracy = manifest.accuracy
    return info.model_copy(
        update={
            "labels": list(manifest.labels),
            "image_height": manifest.image_height,
            "image_width": manifest.image_width,
            "accuracy": accuracy.value if accuracy else None,
            "accuracy_n": accuracy.n if accuracy else None,
            "created": manifest.created.isoformat(),
        }
    )


def _aliases(version: VersionId, state: Active | None) -> list[str]:
    history = state.models.get(version.name) if state is not None else None
    named = history.all_labels.items() if history is not None else ()
    return sorted(label for label, each in named if each == version.version)


def _trials(state: Active | None, trials: Trials) -> list[TrialInfo]:
    """Word the trial of each model that has one, or had one that failed."""
    found = []
    for name, history in state.models.items() if state is not None else ():
        trial, canary, stopped = trials.of(name), history.canary, history.stopped
        if canary is not None:
            failure = trial.failure if trial is not None and trial.canary == canary else None
            found.append(
                TrialInfo(
                    name=name,
                    version=canary.version,
                    percent=canary.percent,
                    shadow=canary.shadow,
                    failure=failure,
                )
            )
        elif stopped is not None:
            found.append(TrialInfo(name=name, version=stopped.version, failure=stopped.reason))
    return found
