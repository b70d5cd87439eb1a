"""The keys in hand: found by what a caller shows, in constant time, some microseconds each."""

import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.keys.key import HANDLE_LENGTH, KEY_LENGTH, PREFIX, Key, Keys, KeyScope, digest
from service.keys.rate import Bucket, Cell, OpenCell, own_cell

_NOBODYS = bytes(32)


@dataclass(frozen=True)
class Held:
    """A key that may be used now."""

    key: Key
    sha256: bytes
    bucket: Bucket | None


class KeyRing:
    """Finds keys; all of them can be replaced at once, between two requests."""

    def __init__(
        self,
        keys: Keys,
        open_cell: OpenCell = own_cell,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hold these keys; `open_cell` gives each id the place where its requests are counted."""
        self._open_cell = open_cell
        self._clock = clock
        self._cells: dict[str, Cell] = {}
        self._held: Mapping[bytes, Held] = {}
        self.replace(keys)

    def replace(self, keys: Keys) -> None:
        """Hold these keys and no others; what a key has used of its rate stays used."""
        self._held = {f"{PREFIX}{key.id}".encode(): self._hold(key) for key in keys.keys}

    def find(self, shown: bytes) -> Held | None:
        """Find the key that a caller shows; None where it is nobody's."""
        if len(shown) != KEY_LENGTH:
            return None
        held = self._held.get(shown[:HANDLE_LENGTH])
        # The same work whether the id is known or not; the id is no secret, but need not be told.
        expected = _NOBODYS if held is None else held.sha256
        return held if hmac.compare_digest(digest(shown), expected) else None

    def allows(self, scope: KeyScope) -> bool:
        """Tell whether any key has a scope."""
        return any(scope in held.key.scopes for held in self._held.values())

    def _hold(self, key: Key) -> Held:
        return Held(key, bytes.fromhex(key.sha256), self._bucket(key))

    def _bucket(self, key: Key) -> Bucket | None:
        if key.rate is None:
            return None
        if key.id not in self._cells:
            self._cells[key.id] = self._open_cell(key.id)
        return Bucket(key.rate, key.most_at_once, self._cells[key.id], self._clock)
