"""A key: its name, what it may do and how often. The key's own text is kept nowhere.

A key reads `gs_<id>_<secret>`. The id, 12 hex digits, is no secret: by it an entry is found. The
secret has 256 random bits, so one SHA-256 of the whole text protects it: there is nothing to guess,
which is what slow hashes are for. The id in the text salts the hash.
"""

import hashlib
import math
import re
import secrets
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.errors import describe

PREFIX = "gs_"
_ID_BYTES, _SECRET_BYTES = 6, 32
HANDLE_LENGTH = len(PREFIX) + 2 * _ID_BYTES
KEY_LENGTH = HANDLE_LENGTH + 1 + len(secrets.token_urlsafe(_SECRET_BYTES))
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


class KeysError(Exception):
    """Keys cannot be read or changed; the message says which and why."""


class KeyScope(StrEnum):
    """What a key allows; none includes another."""

    PREDICT = "predict"
    ADMIN = "admin"


class Key(BaseModel):
    """What is known of one key.

    Attributes:
        name: of whoever holds it, for logs.
        id: the part of the key's text by which this entry is found.
        sha256: of the key's whole text.
        scopes: what it allows.
        rate: requests per second, over all processes; None: without limit.
        burst: requests that may come at once; by default those of a second.
        created: when it was made.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=f"^{NAME_PATTERN.pattern}$")]
    id: Annotated[str, Field(pattern=f"^[0-9a-f]{{{2 * _ID_BYTES}}}$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[KeyScope, ...], Field(min_length=1)]
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    burst: Annotated[int, Field(ge=1)] | None = None
    created: datetime

    @model_validator(mode="after")
    def _has_a_rate_for_its_burst(self) -> Self:
        if self.burst is not None and self.rate is None:
            message = f"burst {self.burst} without a rate limits nothing; give a rate, too"
            raise ValueError(message)
        return self

    @property
    def most_at_once(self) -> int:
        """Say how many requests may come at once."""
        return self.burst or max(1, math.ceil(self.rate or 1))


class Keys(BaseModel):
    """The keys that there are: the content of a keys file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    keys: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        for what in ("name", "id"):
            for value, count in Counter(getattr(key, what) for key in self.keys).items():
                if count > 1:
                    message = f"{count} keys have the {what} {value!r}; each must be there once"
                    raise ValueError(message)
        return self

    def with_key(self, key: Key) -> Self:
        """Give these keys and one more.

        Raises:
            KeysError: there is one of that name.
        """
        if any(each.name == key.name for each in self.keys):
            message = f"there is a key {key.name!r} already; revoke it first, or take another name"
            raise KeysError(message)
        return type(self)(keys=(*self.keys, key))

    def without(self, name: str) -> Self:
        """Give these keys less one.

        Raises:
            KeysError: there is none of that name.
        """
        left = tuple(key for key in self.keys if key.name != name)
        if len(left) == len(self.keys):
            known = ", ".join(key.name for key in self.keys) or "none"
            message = f"there is no key {name!r}; there are: {known}"
            raise KeysError(message)
        return type(self)(keys=left)


class MadeKey(NamedTuple):
    """A new key: its text, which nobody can give again, and what is kept of it."""

    text: str
    entry: Key


def make_key(
    name: str, scopes: Collection[KeyScope], rate: float | None = None, burst: int | None = None
) -> MadeKey:
    """Make a key by the system's own randomness.

    Raises:
        KeysError: the name is bad, there is no scope, or a number is out of range.
    """
    found = secrets.token_hex(_ID_BYTES)
    text = f"{PREFIX}{found}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    given = {
        "name": name,
        "id": found,
        "sha256": digest(text.encode()).hex(),
        "scopes": sorted(set(scopes)),
        "rate": rate,
        "burst": burst,
        "created": datetime.now(UTC).replace(microsecond=0),
    }
    try:
        return MadeKey(text, Key.model_validate(given))
    except ValidationError as error:
        raise KeysError(describe(error, "key")) from error


def digest(text: bytes) -> bytes:
    """Hash a key's text: 32 bytes."""
    return hashlib.sha256(text).digest()


def parse_keys(content: bytes | str, where: str) -> Keys:
    """Read the content of a keys file.

    Args:
        content: JSON.
        where: it stands, for the message.

    Raises:
        KeysError: it is damaged.
    """
    try:
        return Keys.model_validate_json(content)
    except ValidationError as error:
        message = f"{where} holds no keys: {describe(error, 'the whole')}"
        raise KeysError(message) from error
