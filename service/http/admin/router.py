"""The routes below `/admin`: what `goodserve models` does, for whoever holds an admin key.

No route takes a body: all that one asks stands in its path, and for trials in the query.
"""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from model.artifact.labels import LABEL_PATTERN
from model.artifact.repository import ModelRepository
from model.artifact.version import NAME_PATTERN, VERSION_PATTERN
from service.http.admin.changes import Changes, check_admin, label_of, name_of, version_of
from service.http.admin.schemas import ModelState, ModelStates, TrialOptions
from service.http.openapi import ANYWHERE, problems


def _part(pattern: str, description: str) -> Any:  # noqa: ANN401  FastAPI's own
    return Path(description=description, json_schema_extra={"pattern": f"^{pattern}$"})


Name = Annotated[str, _part(NAME_PATTERN.pattern, "of a model")]
Version = Annotated[str, _part(VERSION_PATTERN.pattern, "of that model")]
Label = Annotated[str, _part(LABEL_PATTERN.pattern, "other than stable and canary")]


def admin_router(repository: ModelRepository) -> APIRouter:
    """Make the routes that change a repository."""
    router = APIRouter(
        prefix="/admin",
        tags=["Admin"],
        dependencies=[Depends(check_admin)],
        responses={**ANYWHERE, **problems(401, 403, 404, 409, 422, 429)},
    )
    changes = Changes(repository)
    _add_states(router, changes)
    _add_activation(router, changes)
    _add_labels(router, changes)
    _add_trials(router, changes)
    return router


def _add_states(router: APIRouter, changes: Changes) -> None:
    @router.get("/models")
    async def admin_models() -> ModelStates:
        """List the models of which a version is active."""
        return await changes.states()

    @router.post("/models/{name}/default")
    async def make_default(request: Request, name: Name) -> ModelState:
        """Let a model answer where a request names none."""
        change = partial(changes.repository.make_default, name_of(name))
        return await changes.make(request, "default", name, change)

    @router.post("/models/{name}/deactivate")
    async def deactivate(request: Request, name: Name) -> ModelState:
        """Serve a model no more; its versions stay. The default one cannot go."""
        change = partial(changes.deactivate, name_of(name))
        return await changes.make(request, "deactivate", name, change)


def _add_activation(router: APIRouter, changes: Changes) -> None:
    @router.post("/models/{name}/versions/{version}/activate")
    async def activate(request: Request, name: Name, version: Version) -> ModelState:
        """Make a version its model's active one; it answers as soon as it has passed its checks."""
        wanted = version_of(name, version)
        change = partial(changes.activate, wanted)
        return await changes.make(request, "activate", wanted, change)

    @router.post("/models/{name}/rollback")
    async def rollback(request: Request, name: Name) -> ModelState:
        """Make the version active again that was so before."""
        change = partial(changes.repository.rollback, name_of(name))
        return await changes.make(request, "rollback", name, change)


def _add_labels(router: APIRouter, changes: Changes) -> None:
    @router.put("/models/{name}/versions/{version}/labels/{label}", name="set")
    async def set_label(request: Request, name: Name, version: Version, label: Label) -> ModelState:
        """Let a label name a version of its model, and no other one any more."""
        wanted = version_of(name, version)
        change = partial(changes.repository.set_label, wanted, label_of(label))
        return await changes.make(request, f"label {label}", wanted, change)

    @router.delete("/models/{name}/labels/{label}", name="remove")
    async def remove_label(request: Request, name: Name, label: Label) -> ModelState:
        """Let a label of a model name nothing."""
        change = partial(changes.repository.remove_label, name_of(name), label_of(label))
        return await changes.make(request, f"unlabel {label}", name, change)


def _add_trials(router: APIRouter, changes: Changes) -> None:
    @router.post("/models/{name}/versions/{version}/canary")
    async def canary(
        request: Request, name: Name, version: Version, options: Annotated[TrialOptions, Query()]
    ) -> ModelState:
        """Try a version on a part of the requests, in place of any other one on trial."""
        wanted = version_of(name, version)
        change = partial(changes.begin_trial, wanted, options)
        return await changes.make(request, "canary", wanted, change)

    @router.post("/models/{name}/promote")
    async def promote(request: Request, name: Name) -> ModelState:
        """Make the version active that is on trial."""
        change = partial(changes.repository.promote, name_of(name))
        return await changes.make(request, "promote", name, change)

    @router.post("/models/{name}/abandon")
    async def abandon(request: Request, name: Name) -> ModelState:
        """End a trial; the active version answers every request again."""
        change = partial(changes.repository.end_canary, name_of(name))
        return await changes.make(request, "abandon", name, change)
