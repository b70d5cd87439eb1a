"""What is kept of a key, and what is refused."""

import hashlib
import json
import math

import pytest

from service.keys.key import KEY_LENGTH, Keys, KeyScope, KeysError, make_key, parse_keys

BOTH = (KeyScope.PREDICT, KeyScope.ADMIN)


def test_only_the_hash_of_a_key_is_kept() -> None:
    """Its secret part is nowhere in what is written; `sha256sum` gives the same hash."""
    text, entry = make_key("shop", BOTH, rate=5)

    written = Keys(keys=(entry,)).model_dump_json()
    handle, _, secret = text.removeprefix("gs_").partition("_")

    assert secret not in written
    assert entry.id == handle
    assert entry.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert parse_keys(written, "here").keys == (entry,)


def test_keys_are_long_and_never_the_same() -> None:
    """256 random bits each: the same name gives another key."""
    made = {make_key("shop", BOTH).text for _ in range(100)}

    assert len(made) == 100
    assert {len(text) for text in made} == {KEY_LENGTH}
    assert KEY_LENGTH - len("gs_0123456789ab_") == math.ceil(256 / 6)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("A B", {}, "name: String should match"),
        ("../x", {}, "name: String should match"),
        ("shop\n", {}, "name: String should match"),
        ("shop", {"scopes": ()}, "scopes: "),
        ("shop", {"rate": 0}, "rate: Input should be greater than 0"),
        ("shop", {"rate": math.inf}, "rate: Input should be a finite number"),
        ("shop", {"burst": 3}, "burst 3 without a rate"),
    ],
)
def test_what_makes_no_key_is_said(name: str, given: dict[str, object], message: str) -> None:
    """Bad names, no scope, and numbers that limit nothing."""
    with pytest.raises(KeysError, match=message):
        make_key(name, **{"scopes": BOTH, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format: Input should be 1"),
        ({"more": 1}, "more: Extra inputs"),
        ({"keys": [{"name": "shop"}]}, "keys.0.id: Field required"),
    ],
)
def test_a_damaged_file_names_the_place(change: dict[str, object], message: str) -> None:
    """The field and what is wrong, and where the keys were to be."""
    content = json.dumps({"format": 1, "keys": [], **change})

    with pytest.raises(KeysError, match=f"k.json holds no keys: {message}"):
        parse_keys(content, "k.json")


def test_names_and_ids_are_there_once() -> None:
    """Two keys of one name could not be told apart in the log, nor revoked apart."""
    entry = make_key("shop", BOTH).entry
    twice = json.dumps({"keys": [json.loads(entry.model_dump_json())] * 2})

    with pytest.raises(KeysError, match="2 keys have the name 'shop'"):
        parse_keys(twice, "k.json")
    with pytest.raises(KeysError, match="there is a key 'shop' already; revoke it first"):
        Keys(keys=(entry,)).with_key(make_key("shop", BOTH).entry)
    with pytest.raises(KeysError, match="there is no key 'bank'; there are: shop"):
        Keys(keys=(entry,)).without("bank")
