"""Models that are loaded when a request first names them."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence

from model.artifact.active import Active
from model.artifact.repository import ModelRepository
from model.artifact.version import RepositoryError, VersionId
from service.errors import ConflictError, DeadlineError, NotFoundError, NotReadyError
from service.predict.lanes import Lanes, Wanted
from service.predict.refusals import PASSING
from service.predict.watcher import Watcher

log = logging.getLogger("goodserve")


class OnDemand:
    """Sees to it that a model which a request names is loaded, if there is one."""

    def __init__(self, repository: ModelRepository, lanes: Lanes, watcher: Watcher) -> None:
        """Load from a repository into lanes, by the watcher, who remembers what was refused."""
        self._repository = repository
        self._lanes = lanes
        self._watcher = watcher
        self._loads: dict[str, asyncio.Task[str | None]] = {}

    async def ensure(self, wanted: Wanted, timeout_s: float | None = None) -> Wanted:
        """Wait until a lane answers for a model.

        Args:
            wanted: the model.
            timeout_s: seconds that the caller will wait; the model is loaded even if it leaves.

        Returns:
            The same with a label's version in its place.

        Raises:
            NotFoundError: there is no such model, or no such version or label of it.
            ConflictError: the version was refused.
            DeadlineError: the model was not loaded in time.
            NotReadyError: the repository cannot be read just now, or the machine lacks files or
                memory for it.
        """
        if wanted.label is not None:
            wanted = await self._resolved(wanted.name, wanted.label)
        if self._lanes.of(wanted) is not None:
            return wanted
        name = wanted.name or self._lanes.default
        if name is None:
            return wanted  # nothing is served yet, which leasing says
        version, state = await asyncio.to_thread(self.find, name, wanted.version)
        if wanted.version is not None:
            of, load = str(version), self._watcher.load(version)
        else:
            assert state is not None  # noqa: S101  it says which version is active
            of, load = name, self._watcher.bring_up(state, name)
        refused = await self._loaded(of, load, timeout_s)
        if refused is not None:
            known = self._watcher.refusals.get(of)
            if known is None or known.kind in PASSING:
                # Deleted meanwhile: then it is not found; or the repository is away.
                await asyncio.to_thread(self.find, name, wanted.version)
                detail = f"{version} could not be loaded just now: {refused}"  # logged before
                raise NotReadyError("not-ready", detail)
            detail = f"{version} was refused: {refused}"
            raise ConflictError("version-refused", detail)
        return wanted

    async def _loaded(
        self, of: str, load: Coroutine[None, None, str | None], timeout_s: float | None
    ) -> str | None:
        """Load a model once for all who wait for it, and after the last of them has left."""
        if of in self._loads:
            load.close()
        else:
            self._loads[of] = asyncio.create_task(load)
            self._loads[of].add_done_callback(lambda _: self._loads.pop(of))
        loading = self._loads[of]
        await asyncio.wait({loading}, timeout=timeout_s)
        if not loading.done():
            detail = "the deadline passed while the model was loaded, which goes on"
            raise DeadlineError("deadline-passed", detail)
        return loading.result()

    async def _resolved(self, name: str | None, label: str) -> Wanted:
        """Put a label's version in its place.

        Raises:
            NotFoundError: it names none.
            NotReadyError: the repository cannot be read just now.
        """
        state = self._watcher.state
        version = state.resolve(name, label) if state is not None else None
        if version is None:  # it may have been set just now
            try:
                state = await asyncio.to_thread(self._repository.state)
            except RepositoryError as error:
                raise _unreadable(error) from error
            version = state.resolve(name, label) if state is not None else None
        if version is None:
            of = "the default model" if name is None else repr(name)
            detail = (
                f"no version of {of} has the label {label!r}; GET /models lists those there are"
            )
            raise NotFoundError("unknown-model", detail)
        return Wanted(version.name, version.version)

    def find(self, name: str, version: str | None) -> tuple[VersionId, Active | None]:
        """Look a model up in the repository: which version, and what is active beside.

        Raises:
            NotFoundError: there is no such model, or no such version of it.
            NotReadyError: the repository cannot be read just now.
        """
        try:
            versions = self._repository.versions()
            state = self._repository.state()
        except RepositoryError as error:
            raise _unreadable(error) from error
        self._check_is_there(state, versions)
        known = {each for each in versions if each.name == name}
        active = state.of(name) if state is not None else None
        named = active if version is None else VersionId(name, version)
        if named is None:
            hint = "activate a version of it" if known else "GET /models lists those there are"
            detail = f"no version of a model {name!r} is active; {hint}"
            raise NotFoundError("unknown-model", detail)
        if named not in known:
            detail = f"there is no version {named}; GET /models lists those there are"
            raise NotFoundError("unknown-model", detail)
        return named, state

    def _check_is_there(self, state: Active | None, versions: Sequence[VersionId]) -> None:
        """Refuse to say of a repository that has gone that it has no such model: it may return.

        Raises:
            NotReadyError: it held models before, or names one, and now there is none.
        """
        is_emptied = state is None and self._watcher.state is not None
        if is_emptied or (state is not None and not versions):
            message = "the repository held models and seems to be away"
            raise _unreadable(RepositoryError(message))


def _unreadable(error: RepositoryError) -> NotReadyError:
    """Tell the log why models cannot be looked up, and callers that they cannot."""
    log.error("models cannot be looked up: %s", error)
    detail = "models that are not loaded cannot be looked up just now; the log says why"
    return NotReadyError("not-ready", detail)
