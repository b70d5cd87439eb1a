"""Who changed what, or tried to: a line in the log for each."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import ServiceError
from service.http.endpoint import Scope
from service.keys.ring import Held
from service.logs import AUDIT

# Of the scope: the key of whoever asks, once it was found good for the path.
HELD = "goodserve.key"

_log = logging.getLogger(AUDIT)


def note(scope: Scope, key: str, action: str, of: str, outcome: str) -> None:
    """Write one line; as JSON, each part is a field of its own.

    Args:
        scope: of the request, which knows where it came from.
        key: the name of whoever holds it.
        action: what was asked.
        of: the model, version or path that it was asked of.
        outcome: `done`, or why not.
    """
    client = scope.get("client")
    fields = {
        "key": key,
        "action": action,
        "of": of if of.isprintable() else repr(of),  # a path may hold the end of a line
        "outcome": outcome,
        "client": client[0] if client else "unknown",
    }
    words = " ".join(f"{name}={value}" for name, value in fields.items())
    _log.info("audit: %s", words, extra={"fields": fields})


@contextmanager
def noted(scope: Scope, action: str, of: str) -> Iterator[None]:
    """Note what a block does for the holder of a key, and how it ends; nothing without a key."""
    held: Held | None = scope.get(HELD)
    outcome = "failed"
    try:
        yield
        outcome = "done"
    except ServiceError as error:
        outcome = error.kind
        raise
    finally:
        if held is not None:
            note(scope, held.key.name, action, of, outcome)
