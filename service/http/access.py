"""Lets a request in by its key, or turns it away before anything of its body is read."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Response

from service.errors import BusyError, ForbiddenError, ServiceError, UnauthorizedError
from service.http import audit
from service.http.endpoint import Scope
from service.http.problems import Write, problem, problem_of
from service.http.v2.errors import write_error
from service.keys.key import KeyScope
from service.keys.ring import Held, KeyRing

_PREDICT, _ADMIN = frozenset({KeyScope.PREDICT}), frozenset({KeyScope.ADMIN})
_ANY, _NONE = frozenset(KeyScope), frozenset[KeyScope]()
# Probes, and what a browser needs before a person can enter a key.
_OPEN = frozenset(
    {
        *("/", "/docs", "/favicon.ico", "/openapi.json", "/health/live", "/health/ready"),
        *("/v2", "/v2/", "/v2/health/live", "/v2/health/ready"),
    }
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LOADING = re.compile(r"/v2/repository/models/[^/]+/(?:load|unload)/?")


def needed_for(path: str) -> frozenset[KeyScope]:
    """Say which scopes a path needs, any one of them; none: it is open. What is new is not open."""
    if path == "/predict":
        return _PREDICT
    if path in _OPEN or path.startswith("/page/"):
        return _NONE
    if is_admin(path) or _LOADING.fullmatch(path):
        return _ADMIN
    return _ANY if path in ("/models", "/metrics") else _PREDICT


def is_admin(path: str) -> bool:
    """Tell whether a path belongs to the admin endpoints."""
    return path == "/admin" or path.startswith("/admin/")


def no_path(path: str) -> Response | None:
    """Give the answer for a path that no route may have, before anyone decides by it; else None.

    The framework's patterns end in `$`, which also matches before a final line end: it would take
    a path with one for a route that the gate does not see in it.
    """
    if _CONTROL.search(path) is None:
        return None
    write = _write_for(path)
    return write(HTTPStatus.NOT_FOUND, "not-found", "a path has no control characters")


def shown_key(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Find the key that a request shows, as a bearer's token or in X-API-Key."""
    other = None
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            if scheme.lower() == b"bearer":
                return token.strip()
        elif name == b"x-api-key":
            other = value.strip()
    return other


@dataclass(frozen=True)
class Gate:
    """Stands before every path where there are keys.

    Attributes:
        ring: the keys.
        on_denied: hears why somebody was turned away.
        open_metrics: whether `/metrics` needs no key.
    """

    ring: KeyRing
    on_denied: Callable[[str], None]
    open_metrics: bool = True

    def refusal(self, scope: Scope) -> Response | None:
        """Give the answer for a request that may not pass; None where it may.

        The request's key is then in its scope.
        """
        path = scope["path"]
        needed = self.needs(path)
        if not needed:
            return None
        try:
            scope[audit.HELD] = self._let_in(scope, needed)
        except ServiceError as error:
            self.on_denied(error.kind)
            return problem_of(error, _write_for(path))
        return None

    def needs(self, path: str) -> frozenset[KeyScope]:
        """Say which scopes a path needs, any one of them; none: it is open."""
        return _NONE if self.open_metrics and path == "/metrics" else needed_for(path)

    def _let_in(self, scope: Scope, needed: frozenset[KeyScope]) -> Held:
        held = self._found(shown_key(scope["headers"]))
        # Before the scope is looked at: requests that are refused for it count, too. The connection
        # is not paused, as when all are refused: a proxy may send other callers' requests on it.
        wait_s = held.bucket.take() if held.bucket is not None else 0.0
        if wait_s:
            detail = (
                f"the key {held.key.name!r} allows {held.key.rate:g} requests a second, "
                f"{held.key.most_at_once} at once; send fewer"
            )
            raise BusyError("too-often", detail, max(1, math.ceil(wait_s)))
        if needed.isdisjoint(held.key.scopes):
            wanted = " or ".join(sorted(needed))
            audit.note(scope, held.key.name, scope["method"], scope["path"], "missing-scope")
            detail = (
                f"the key {held.key.name!r} has the scope {', '.join(held.key.scopes)}, and this "
                f"needs {wanted}"
            )
            raise ForbiddenError("missing-scope", detail)
        return held

    def _found(self, shown: bytes | None) -> Held:
        if shown is None:
            detail = "this needs a key: send it as Authorization: Bearer ..., or as X-API-Key"
            raise UnauthorizedError("no-key", detail)
        held = self.ring.find(shown)
        if held is None:
            detail = "nobody has this key here; it may be mistyped or revoked"
            raise UnauthorizedError("unknown-key", detail)
        return held


def _write_for(path: str) -> Write:
    return write_error if path == "/v2" or path.startswith("/v2/") else problem
