"""Labels, which name a version by its part, and the canary: a version on trial."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
)

from model.artifact.version import RepositoryError, VersionId

# Begins with a letter, so that no label can be taken for a version's number.
LABEL_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,62}")
# These two always name the active version and the one on trial, so nobody else may move them.
STABLE, CANARY = "stable", "canary"


def checked_label(text: str) -> str:
    """Take a label that can be set.

    Raises:
        RepositoryError: it has other characters, or always names the same part.
    """
    if not LABEL_PATTERN.fullmatch(text):
        message = f"bad label {text!r}; use a-z, 0-9, '_', '-', a letter first, at most 63"
        raise RepositoryError(message)
    if text == STABLE:
        message = f"{STABLE!r} always names the active version; activate another one to move it"
        raise RepositoryError(message)
    if text == CANARY:
        message = f"{CANARY!r} always names the version on trial; begin a trial to set it"
        raise RepositoryError(message)
    return text


def checked_version(text: str) -> str:
    """Take the number of a version.

    Raises:
        RepositoryError: it is none.
    """
    return VersionId("any", text).version


def _or_value_error(check: Any) -> Any:  # noqa: ANN401  pydantic's own
    def checked(text: str) -> str:
        try:
            found: str = check(text)
        except RepositoryError as error:
            raise ValueError(str(error)) from error
        return found

    return checked


def _checked_name(text: str) -> str:
    return VersionId(text, "1").name


# Checked when read: a bad name would be carried along in a history that ends in an error.
ModelName = Annotated[str, AfterValidator(_or_value_error(_checked_name))]
Version = Annotated[str, AfterValidator(_or_value_error(checked_version))]
Label = Annotated[str, AfterValidator(_or_value_error(checked_label))]


class Canary(BaseModel):
    """A version that is tried on a part of its model's requests.

    Attributes:
        version: that is on trial.
        percent: of the requests that name no version; 0: only those who name it have it.
        shadow: whether the active version answers all the same, and this one is only compared.
        max_disagreement: the part of the images on which its first class may be another than the
            active version's; beyond, the trial ends. None: any.
        max_failures: the part of its requests that may fail by its own fault.
        since: when the trial began; a new trial of the same version is another one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Version
    percent: float = Field(ge=0, le=100)
    shadow: bool = False
    max_disagreement: float | None = Field(default=None, gt=0, lt=1)
    max_failures: float = Field(default=0.01, gt=0, lt=1)
    since: datetime


class Stopped(BaseModel):
    """The trial that ended last without success, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Version
    reason: str
    at: datetime
