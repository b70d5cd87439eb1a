"""Who changed what, or tried to: a line in the log for each."""

import logging

from service.http.endpoint import Scope
from service.logs import AUDIT

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
        "of": of,
        "outcome": outcome,
        "client": client[0] if client else "unknown",
    }
    words = " ".join(f"{name}={value}" for name, value in fields.items())
    _log.info("audit: %s", words, extra={"fields": fields})
