"""Finding a key by what a caller shows."""

import pytest

from service.keys.key import Keys, KeyScope, MadeKey, make_key
from service.keys.ring import KeyRing
from tests.service.fakes import Clock

SHOP = make_key("shop", [KeyScope.PREDICT], rate=1, burst=2)
OPS = make_key("ops", [KeyScope.ADMIN])


def ring_of(*made: MadeKey, clock: Clock | None = None) -> KeyRing:
    """Hold some keys."""
    return KeyRing(Keys(keys=tuple(each.entry for each in made)), clock=clock or Clock())


def test_a_key_is_found_by_its_text() -> None:
    """Each gives its own entry."""
    ring = ring_of(SHOP, OPS)

    for made in (SHOP, OPS):
        held = ring.find(made.text.encode())
        assert held is not None
        assert held.key == made.entry


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "gs_",
        SHOP.text[:-1],
        SHOP.text + "x",
        SHOP.text[:-1] + ("a" if SHOP.text[-1] != "a" else "b"),
        SHOP.text.upper(),
        SHOP.text[:16] + OPS.text[16:],
        make_key("shop", [KeyScope.PREDICT]).text,
        SHOP.entry.sha256,
        "\xff" * len(SHOP.text),
        "a" * 60_000,
    ],
    # Keys are drawn: their texts would be other names in each process of the tests.
    ids=list("abcdefghijk"),
)
def test_anything_else_is_nobodys(shown: str) -> None:
    """A letter less or other, another key's secret, the hash itself, and noise."""
    assert ring_of(SHOP, OPS).find(shown.encode("latin-1")) is None


def test_replacing_keeps_what_was_used_of_a_rate() -> None:
    """Reading the file again is no way to a fresh burst; a key that is gone is gone."""
    clock = Clock()
    ring = ring_of(SHOP, OPS, clock=clock)
    held = ring.find(SHOP.text.encode())
    assert held is not None
    assert held.bucket is not None
    assert [held.bucket.take() for _ in range(2)] == [0, 0]

    ring.replace(Keys(keys=(SHOP.entry,)))

    held = ring.find(SHOP.text.encode())
    assert held is not None
    assert held.bucket is not None
    assert held.bucket.take() > 0
    assert ring.find(OPS.text.encode()) is None
