"""`active.json`: read, and changed on the condition that nobody else has changed it."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress

from pydantic import BaseModel, StrictInt, ValidationError

from model.artifact.active import Active
from model.artifact.storage import MANIFEST_FILE, Found, Storage
from model.artifact.version import (
    ConflictError,
    DamagedError,
    RepositoryError,
    UnknownVersionError,
    VersionId,
)

ACTIVE_FILE = "active.json"

# A file of names is small: one that is not is read no further.
_MOST_BYTES = 1 << 20
_MOST_TRIES = 20
_LONGEST_NAME = 63


class _Head(BaseModel):
    """What files of all formats but the first one have."""

    format: StrictInt


def read_active(storage: Storage) -> tuple[Active | None, str | None]:
    """Read `active.json`; None where nothing was activated yet.

    Returns:
        Its content, and the revision of the file.

    Raises:
        DamagedError: it does not say what is active.
        RepositoryError: it cannot be read, or a later goodserve has written it.
    """
    found = _found(storage)
    return (None, None) if found is None else (_parsed(found.content), found.revision)


def change_active(
    storage: Storage,
    change: Callable[[Active | None], Active],
    *,
    mends: Callable[[str], object] | None = None,
    naming: VersionId | None = None,
) -> Active:
    """Replace `active.json` by what is made of it; hold `writing()`.

    It is done again where somebody else has changed the file meanwhile, as other machines may.

    Args:
        storage: of the repository.
        change: makes the following state of the present one; None: nothing was activated yet.
        mends: hears what became of a damaged file, which then counts as none, and of which a copy
            is kept; None: it is an error.
        naming: the version that the change names and that nobody needed before.

    Raises:
        ConflictError: others are always faster.
        UnknownVersionError: the version was deleted at the same time.
        RepositoryError: the file is damaged or cannot be read, or `change` refuses.
        OSError: it cannot be written; `active.json` is as it was.
    """
    for _ in range(_MOST_TRIES):
        found, mended = _found(storage), None
        try:
            state = None if found is None else _parsed(found.content)
        except DamagedError as error:
            if mends is None or found is None:
                raise
            state, mended = None, _kept(storage, found.content, error)
        following = change(state)
        if following == state:
            return following
        # What is not used is left out, so that a service from before there was such a thing
        # reads on.
        used = following.model_dump(mode="json", exclude_defaults=True)
        content = json.dumps({"format": following.format, **used}, indent=1).encode() + b"\n"
        try:
            storage.replace(ACTIVE_FILE, content, None if found is None else found.revision)
        except ConflictError:
            continue
        if mends is not None and mended is not None:
            mends(mended)
        if naming is not None:
            _check_there(storage, naming, state, following)
        return following
    message = f"{storage.place}/{ACTIVE_FILE} is being changed by others; try again"
    raise ConflictError(message)


def _found(storage: Storage) -> Found | None:
    try:
        return storage.read(ACTIVE_FILE, _MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"{ACTIVE_FILE} cannot be read: {error.strerror}"
        raise RepositoryError(message) from error


def _parsed(content: bytes) -> Active:
    try:
        return Active.model_validate_json(content)
    except ValidationError as error:
        why = _why_later(content, error)
        if why is not None:
            # Activating must not replace what a later goodserve understands.
            message = f"{ACTIVE_FILE} cannot be read: {why}; a later goodserve may have written it"
            raise RepositoryError(message) from error
        message = f"{ACTIVE_FILE} cannot be read: {_worded(error)}; activate a version to mend it"
        raise DamagedError(message) from error


def _why_later(content: bytes, error: ValidationError) -> str | None:
    """Say by what a file seems to be a later goodserve's; None where it is damaged."""
    known = Active.model_fields["format"].default
    try:
        found = _Head.model_validate_json(content).format
    except ValidationError:
        return None
    if found > known:
        return f"it is of format {found}, and {known} is the last one known here"
    # What is added without another format is a field that is not known yet.
    is_known = any(each["type"] != "extra_forbidden" for each in error.errors(include_url=False))
    return None if is_known else f"{_place(error)} is not known here"


def _worded(error: ValidationError) -> str:
    """Say in one line what is wrong first, as of a manifest."""
    said = str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
    place = _place(error)
    return " ".join(f"{place}: {said}".split()) if place else said


def _place(error: ValidationError) -> str:
    return ".".join(str(part)[:_LONGEST_NAME] for part in error.errors(include_url=False)[0]["loc"])


def _kept(storage: Storage, content: bytes, error: DamagedError) -> str:
    """Keep a damaged file's content beside it; say where, and what is lost.

    Raises:
        OSError: it cannot be written.
    """
    # By its content: another damaged file does not replace this copy, and a second try finds it.
    copy = f"{ACTIVE_FILE}.damaged-{hashlib.sha256(content).hexdigest()[:8]}"
    if storage.revision(copy) is None:
        with suppress(ConflictError):  # somebody else has just kept the same
            storage.replace(copy, content, None)
    why = str(error).partition(";")[0]
    return (
        f"{why}; it is kept as {copy}, and counts no more: what was active under other names, "
        "labels, trials and what was active before"
    )


def _check_there(
    storage: Storage, named: VersionId, before: Active | None, following: Active
) -> None:
    """Take a change back that names a version which was deleted meanwhile.

    Where writers keep each other out there is none. Elsewhere whoever deletes looks at
    `active.json` when the version is gone, and puts it back if it is named by then.
    """
    # Read: a revision is None, too, where the look itself fails, and the change is good then.
    try:
        storage.read(f"{named}/{MANIFEST_FILE}")
    except FileNotFoundError:
        pass
    except OSError:
        return
    else:
        return
    if before is not None:
        change_active(storage, lambda now: before if now == following or now is None else now)
    message = f"{named} was deleted while it was being named; see whether it is still there"
    raise UnknownVersionError(message)
