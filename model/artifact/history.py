"""The history of one model: its active version, those before it, and what labels name."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from model.artifact.labels import CANARY, STABLE, Canary, Label, Stopped, Version

_KEPT_PREVIOUS = 50


class History(BaseModel):
    """What names the versions of one model.

    Attributes:
        active: the version that answers for the model's name.
        previous: those that were active before, the last one last.
        labels: the version that each label names; `stable` and `canary` are not among them.
        canary: the version on trial.
        stopped: the last trial, where it ended without success.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    active: Version
    previous: tuple[Version, ...] = ()
    labels: dict[Label, Version] = {}
    canary: Canary | None = None
    stopped: Stopped | None = None

    @model_validator(mode="after")
    def _tries_another_one(self) -> Self:
        if self.canary is not None and self.canary.version == self.active:
            message = f"version {self.active} is active and on trial at once"
            raise ValueError(message)
        return self

    @property
    def all_labels(self) -> dict[str, str]:
        """The version that each label names, `stable` and `canary` included."""
        tried = {CANARY: self.canary.version} if self.canary is not None else {}
        return {STABLE: self.active, **tried, **self.labels}

    def followed_by(self, version: str) -> Self:
        """Give the history once `version` is active; activating what is active changes nothing.

        A trial of that version has then succeeded, and ends.
        """
        if self.active == version:
            return self
        previous = (*self.previous, self.active)[-_KEPT_PREVIOUS:]
        return self._with_active(version, previous)

    def taken_back(self) -> Self:
        """Give the history before its last activation; there must have been one."""
        return self._with_active(self.previous[-1], self.previous[:-1])

    @property
    def needed(self) -> dict[str, str]:
        """Why each version must stay that is active, labelled, on trial, or rolled back to next."""
        labelled = {v: f"the label {label!r} names it" for label, v in self.labels.items()}
        before = dict.fromkeys(self.previous[-1:], "roll-back would return to it")
        tried = {self.canary.version: "it is on trial"} if self.canary is not None else {}
        return {**before, **labelled, **tried, self.active: "it is active"}

    def forgetting(self, version: str) -> Self:
        """Give the history without a version that was active once."""
        previous: list[str] = []
        for each in self.previous:
            # What stood on both sides of it is one step.
            if each != version and previous[-1:] != [each]:
                previous.append(each)
        return self.changed(previous=tuple(previous))

    def changed(self, **fields: Any) -> Self:  # noqa: ANN401  of any field
        """Give a history with other fields, checked."""
        return type(self)(**(dict(self) | fields))

    def _with_active(self, version: str, previous: tuple[str, ...]) -> Self:
        tried = self.canary
        canary = None if tried is not None and tried.version == version else tried
        return self.changed(active=version, previous=previous, canary=canary)
