"""Changes of the repository: one at a time, off the event loop, each noted with who made it.

They change `active.json` alone. Each process of each service that reads the repository notices by
itself, checks the version and swaps: nothing here needs a lane.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from fastapi import Request

from model.artifact.labels import Canary, checked_label
from model.artifact.place import without_place
from model.artifact.repository import ModelRepository
from model.artifact.version import (
    BrokenVersionError,
    RepositoryError,
    UnknownVersionError,
    VersionId,
)
from model.artifact.version import ConflictError as OthersFirstError
from service.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OurFaultError,
    UnprocessableError,
)
from service.http import audit
from service.http.admin.schemas import (
    ModelState,
    ModelStates,
    TrialOptions,
    model_state,
    model_states,
)
from service.keys.key import KeyScope
from service.keys.ring import Held

log = logging.getLogger("goodserve")

T = TypeVar("T")


def check_admin(request: Request) -> None:
    """Let whoever holds an admin's key pass.

    Raises:
        ForbiddenError: the key is no admin's, or there are no keys at all.
    """
    held: Held | None = request.scope.get(audit.HELD)
    if held is None:
        detail = (
            "the admin endpoints are off, for nobody holds a key: goodserve keys new NAME --scope "
            "admin makes one, and --keys-file names its file to the service"
        )
        raise ForbiddenError("admin-off", detail)
    # `Gate` has looked already, by the path; here it holds whatever the path is.
    if KeyScope.ADMIN not in held.key.scopes:
        raise ForbiddenError("missing-scope", "this needs the scope admin")


class Changes:
    """Changes one repository."""

    def __init__(self, repository: ModelRepository) -> None:
        """Change this one."""
        self.repository = repository
        # Each change waits for the repository's lock in a thread, and threads are few.
        self._turn = asyncio.Lock()

    async def make(
        self, request: Request, action: str, of: VersionId | str, change: Callable[[], object]
    ) -> ModelState:
        """Make one, and tell how the model fares after it.

        Args:
            request: that asks for it.
            action: what is done.
            of: the version or the model that it is done to.
            change: does it.

        Raises:
            ServiceError: it could not be made.
        """
        name = of.name if isinstance(of, VersionId) else of
        with audit.noted(request.scope, action, str(of)):
            async with self._turn:
                await asyncio.to_thread(self._translated, str(of), change)
        state = await asyncio.to_thread(self._translated, name, self.repository.state)
        return model_state(state, name)

    async def states(self) -> ModelStates:
        """Tell how every model fares.

        Raises:
            ServiceError: it cannot be read.
        """
        found = await asyncio.to_thread(self._translated, "active.json", self.repository.state)
        return model_states(found)

    def begin_trial(self, wanted: VersionId, options: TrialOptions) -> None:
        """Put a version on trial.

        Raises:
            ConflictError: it is the active one.
            RepositoryError: there is no such version, or the folder may not be written.
        """
        if self.repository.active(wanted.name) == wanted:
            detail = f"{wanted} is active already; there is nothing to try"
            raise ConflictError("already-active", detail)
        now = datetime.now(UTC)
        canary = Canary(version=wanted.version, since=now, **options.model_dump())
        self.repository.begin_canary(wanted.name, canary)

    def activate(self, wanted: VersionId) -> None:
        """Make a version its model's active one; the log hears of an `active.json` that was mended.

        Raises:
            RepositoryError: there is no such version, it is broken, or the folder may not be
                written.
        """
        mended = self.repository.activate(wanted)
        if mended is not None:
            log.warning("%s", mended)

    def deactivate(self, name: str) -> None:
        """Serve a model no more.

        Raises:
            ConflictError: it is the default one.
            RepositoryError: no version of it is active, or the folder may not be written.
        """
        state = self.repository.state()
        if state is not None and name == state.default:
            detail = f"{name} is the default model; make another one the default first"
            raise ConflictError("default-model", detail)
        self.repository.deactivate(name)

    def _translated(self, of: str, change: Callable[[], T]) -> T:
        """Do it, and say what went wrong in the service's words, without the server's paths.

        Raises:
            ServiceError: it could not be done.
        """
        try:
            return change()
        except UnknownVersionError as error:
            detail = without_place(str(error), self.repository.place)
            raise NotFoundError("unknown-model", detail) from error
        except BrokenVersionError as error:
            raise ConflictError("version-refused", f"{of} was refused: {error}") from error
        except OthersFirstError as error:
            detail = without_place(str(error), self.repository.place)
            raise ConflictError("changed-meanwhile", detail) from error
        except RepositoryError as error:
            log.error("%s", error)  # noqa: TRY400  what is wrong is in the text
            detail = "the model repository cannot be read or written; the service's log says why"
            raise OurFaultError("repository-failed", detail) from error


def version_of(name: str, version: str) -> VersionId:
    """Read the version that a path names.

    Raises:
        NotFoundError: no model can have that name, or no version that number.
    """
    try:
        return VersionId(name, version)
    except RepositoryError as error:
        raise NotFoundError("unknown-model", str(error)) from error


def name_of(name: str) -> str:
    """Read the name that a path names.

    Raises:
        NotFoundError: no model can have it.
    """
    return version_of(name, "1").name


def label_of(label: str) -> str:
    """Read the label that a path names.

    Raises:
        UnprocessableError: nobody can set it.
    """
    try:
        return checked_label(label)
    except RepositoryError as error:
        raise UnprocessableError("bad-label", str(error)) from error
