"""`active.json`: read, and changed on the condition that nobody else has changed it."""

import json
from collections.abc import Callable

from pydantic import ValidationError

from model.artifact.active import Active
from model.artifact.storage import MANIFEST_FILE, Storage
from model.artifact.version import (
    ConflictError,
    RepositoryError,
    UnknownVersionError,
    VersionId,
)

ACTIVE_FILE = "active.json"

# A file of names is small: one that is not is read no further.
_MOST_BYTES = 1 << 20
_MOST_TRIES = 20


def read_active(storage: Storage) -> tuple[Active | None, str | None]:
    """Read `active.json`; None where nothing was activated yet.

    Returns:
        Its content, and the revision of the file.

    Raises:
        RepositoryError: it is damaged or cannot be read.
    """
    try:
        content, revision = storage.read(ACTIVE_FILE, _MOST_BYTES)
        return Active.model_validate_json(content), revision
    except FileNotFoundError:
        return None, None
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        message = f"{ACTIVE_FILE} cannot be read: {why}; activate a version to replace it"
        raise RepositoryError(message) from error


def change_active(
    storage: Storage,
    change: Callable[[Active | None], Active],
    *,
    mends: bool = False,
    naming: VersionId | None = None,
) -> Active:
    """Replace `active.json` by what is made of it; hold `writing()`.

    It is done again where somebody else has changed the file meanwhile, as other machines may.

    Args:
        storage: of the repository.
        change: makes the following state of the present one; None: nothing was activated yet.
        mends: whether a damaged file counts as none.
        naming: the version that the change names and that nobody needed before.

    Raises:
        ConflictError: others are always faster.
        UnknownVersionError: the version was deleted at the same time.
        RepositoryError: the file is damaged, or `change` refuses.
        OSError: it cannot be written; `active.json` is as it was.
    """
    for _ in range(_MOST_TRIES):
        try:
            state, revision = read_active(storage)
        except RepositoryError:
            if not mends:
                raise
            state, revision = None, storage.revision(ACTIVE_FILE)
        following = change(state)
        if following == state:
            return following
        # What is not used is left out, so that a service from before there was such a thing
        # reads on.
        used = following.model_dump(mode="json", exclude_defaults=True)
        content = json.dumps({"format": following.format, **used}, indent=1).encode() + b"\n"
        try:
            storage.replace(ACTIVE_FILE, content, revision)
        except ConflictError:
            continue
        if naming is not None:
            _check_there(storage, naming, state, following)
        return following
    message = f"{storage.place}/{ACTIVE_FILE} is being changed by others; try again"
    raise ConflictError(message)


def _check_there(
    storage: Storage, named: VersionId, before: Active | None, following: Active
) -> None:
    """Take a change back that names a version which was deleted meanwhile.

    Where writers keep each other out there is none. Elsewhere whoever deletes looks at
    `active.json` when the version is gone, and puts it back if it is named by then.
    """
    if storage.revision(f"{named}/{MANIFEST_FILE}") is not None:
        return
    if before is not None:
        change_active(storage, lambda now: before if now == following or now is None else now)
    message = f"{named} was deleted while it was being named; see whether it is still there"
    raise UnknownVersionError(message)
