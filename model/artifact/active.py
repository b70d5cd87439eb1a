"""Which version of each model is active, and which were before: the content of `active.json`."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from model.artifact.history import History
from model.artifact.labels import Canary, ModelName, Stopped, checked_label
from model.artifact.version import (
    NeededError,
    RepositoryError,
    UnknownVersionError,
    VersionId,
)


class Active(BaseModel):
    """The active version of every model, and the model that answers where none is named.

    Attributes:
        format: of this file; the first one held the versions of all models in one history.
        default: name of a model among `models`.
        models: a history for each name of which a version is active.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2] = 2
    default: ModelName
    models: dict[ModelName, History]

    @model_validator(mode="before")
    @classmethod
    def _read_the_first_format(cls, given: object) -> object:
        """Take over what the one active version of the first format, and its name, tell."""
        if not isinstance(given, Mapping) or "format" in given or "active" not in given:
            return given
        name, _, version = str(given["active"]).partition("/")
        before = [str(each).partition("/") for each in given.get("previous", ())]
        previous = [old for own, _, old in before if own == name]
        return {
            "format": 2,
            "default": name,
            "models": {name: {"active": version, "previous": previous}},
        }

    @model_validator(mode="after")
    def _has_its_default(self) -> Self:
        if self.default not in self.models:
            message = f"the default model {self.default!r} has no active version"
            raise ValueError(message)
        return self

    @classmethod
    def after(cls, wanted: VersionId, state: Self | None) -> Self:
        """Give the state once `wanted` is active; None: nothing was before, now it alone is."""
        if state is not None:
            return state.followed_by(wanted)
        return cls(default=wanted.name, models={wanted.name: History(active=wanted.version)})

    @property
    def versions(self) -> tuple[VersionId, ...]:
        """Name the active version of every model: the default one's first."""
        names = [self.default, *(name for name in self.models if name != self.default)]
        return tuple(VersionId(name, self.models[name].active) for name in names)

    def of(self, name: str | None = None) -> VersionId | None:
        """Name the active version of a model, or of the default one; None where it has none."""
        name = self.default if name is None else name
        found = self.models.get(name)
        return VersionId(name, found.active) if found is not None else None

    def followed_by(self, wanted: VersionId) -> Self:
        """Give the state once `wanted` is active; no other name is touched."""
        known = self.models.get(wanted.name)
        history = known.followed_by(wanted.version) if known else History(active=wanted.version)
        return self._replaced(wanted.name, history)

    def with_default(self, name: str) -> Self:
        """Give the state in which a model answers where none is named.

        Raises:
            UnknownVersionError: no version of it is active.
        """
        self._known(name)
        return self._with(default=name)

    def without(self, name: str) -> Self:
        """Give the state in which a model is not served.

        Raises:
            UnknownVersionError: no version of it is active.
            RepositoryError: it is the default one.
        """
        self._known(name)
        if name == self.default:
            message = f"{name} is the default model; make another one the default first"
            raise RepositoryError(message)
        return self._with(models={n: h for n, h in self.models.items() if n != name})

    def taken_back(self, name: str | None = None) -> Self:
        """Give the state before a model's last activation; of the default one if none is named.

        Raises:
            UnknownVersionError: none was active before.
        """
        name = self.default if name is None else name
        history = self._known(name)
        if not history.previous:
            message = f"nothing was active before {name}/{history.active}"
            raise UnknownVersionError(message)
        return self._replaced(name, history.taken_back())

    def why_needed(self, version: VersionId) -> str | None:
        """Say what names a version so that it must not be deleted; None where nothing does."""
        history = self.models.get(version.name)
        return history.needed.get(version.version) if history is not None else None

    def forgetting(self, version: VersionId) -> Self:
        """Give the state in which no history names a version, so that it may be deleted.

        Raises:
            NeededError: it is active, labelled, on trial, or the next to be rolled back to.
        """
        why = self.why_needed(version)
        if why is not None:
            message = f"{version} cannot be deleted: {why}"
            raise NeededError(message)
        history = self.models.get(version.name)
        if history is None or version.version not in history.previous:
            return self
        return self._replaced(version.name, history.forgetting(version.version))

    def resolve(self, name: str | None, label: str) -> VersionId | None:
        """Name the version that a label of a model means; None where it means none."""
        name = self.default if name is None else name
        found = self.models.get(name)
        version = found.all_labels.get(label) if found is not None else None
        return VersionId(name, version) if version is not None else None

    def labelled(self, wanted: VersionId, label: str) -> Self:
        """Give the state in which a label names a version.

        Raises:
            UnknownVersionError: no version of that model is active.
            RepositoryError: it is no label that can be set.
        """
        history = self._known(wanted.name)
        labels = {**history.labels, checked_label(label): wanted.version}
        return self._replaced(wanted.name, history.changed(labels=labels))

    def unlabelled(self, name: str, label: str) -> Self:
        """Give the state in which a label names nothing.

        Raises:
            UnknownVersionError: it names nothing now.
        """
        history = self._known(name)
        if label not in history.labels:
            message = f"{name} has no label {label!r}"
            raise UnknownVersionError(message)
        labels = {each: version for each, version in history.labels.items() if each != label}
        return self._replaced(name, history.changed(labels=labels))

    def with_canary(self, name: str, canary: Canary) -> Self:
        """Give the state in which a version is on trial, in place of any other one.

        Raises:
            UnknownVersionError: no version of that model is active.
            RepositoryError: it is the active one.
        """
        history = self._known(name)
        if history.active == canary.version:
            message = f"{name}/{canary.version} is active already; there is nothing to try"
            raise RepositoryError(message)
        return self._replaced(name, history.changed(canary=canary, stopped=None))

    def without_canary(self, name: str, stopped: Stopped | None = None) -> Self:
        """Give the state in which no version of a model is on trial.

        Raises:
            UnknownVersionError: none is.
        """
        self.tried(name)
        changed = self._known(name).changed(canary=None, stopped=stopped)
        return self._replaced(name, changed)

    def tried(self, name: str | None = None) -> VersionId:
        """Name the version of a model, or of the default one, that is on trial.

        Raises:
            UnknownVersionError: none is.
        """
        name = self.default if name is None else name
        canary = self._known(name).canary
        if canary is None:
            message = f"no version of {name} is on trial"
            raise UnknownVersionError(message)
        return VersionId(name, canary.version)

    def _replaced(self, name: str, history: History) -> Self:
        return self._with(models={**self.models, name: history})

    def _known(self, name: str) -> History:
        if name not in self.models:
            message = f"no version of {name} is active"
            raise UnknownVersionError(message)
        return self.models[name]

    def _with(self, **changes: Any) -> Self:  # noqa: ANN401  of any field
        return type(self)(**(dict(self) | changes))
