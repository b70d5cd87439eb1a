"""Keys of the environment and of a file, and what happens when the file changes."""

import asyncio
import logging
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.keys.file import add_key, revoke_key
from service.keys.key import Keys, KeyScope, KeysError, make_key
from service.keys.live import LiveKeys, live_keys
from service.settings import Settings

pytestmark = pytest.mark.anyio

SHOP, OPS = make_key("shop", [KeyScope.PREDICT]), make_key("ops", [KeyScope.ADMIN])


async def until(condition: Callable[[], object]) -> float:
    """Wait until something holds; say how many seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < 60
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def has(keys: LiveKeys, text: str) -> bool:
    """Tell whether a key is found."""
    return keys.ring.find(text.encode()) is not None


@contextmanager
def no_file_to_spare() -> Iterator[None]:
    """Let this process open no file: it fails as where too many are open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_without_a_setting_there_are_no_keys() -> None:
    """And then nothing is looked at."""
    assert live_keys(Settings()) is None


def test_a_setting_without_keys_lets_nobody_in() -> None:
    """It says who may ask, and names none."""
    keys = live_keys(Settings(api_keys="{}"))

    assert keys is not None
    assert not has(keys, SHOP.text)


def test_both_sources_count(tmp_path: Path) -> None:
    """The environment's text is that of a keys file; a name in both is refused."""
    path = tmp_path / "keys.json"
    add_key(path, SHOP.entry)
    text = Keys(keys=(OPS.entry,)).model_dump_json()

    keys = LiveKeys(Settings(keys_file=path, api_keys=text))

    assert has(keys, SHOP.text)
    assert has(keys, OPS.text)
    with pytest.raises(KeysError, match=r"GOODSERVE_API_KEYS and .*2 keys have the name 'shop'"):
        LiveKeys(Settings(keys_file=path, api_keys=path.read_text()))
    with pytest.raises(KeysError, match="GOODSERVE_API_KEYS holds no keys"):
        LiveKeys(Settings(api_keys="secret"))
    with pytest.raises(KeysError, match="cannot be read"):
        LiveKeys(Settings(keys_file=tmp_path / "none"))


async def test_a_changed_file_is_read_within_a_second(tmp_path: Path) -> None:
    """A new key is taken, a revoked one is refused, without a restart."""
    path = tmp_path / "keys.json"
    add_key(path, SHOP.entry)
    keys = LiveKeys(Settings(keys_file=path))

    async with keys.running():
        add_key(path, OPS.entry)
        added_s = await until(lambda: has(keys, OPS.text))
        revoke_key(path, "shop")
        revoked_s = await until(lambda: not has(keys, SHOP.text))

    assert max(added_s, revoked_s) < 10  # within a second, where others do not keep the core


@pytest.mark.parametrize("damage", ["{", "", None])
async def test_a_damaged_file_keeps_the_old_keys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str | None
) -> None:
    """Half written, empty or gone: the old ones go on, the log says so once, a good one heals."""
    path = tmp_path / "keys.json"
    add_key(path, SHOP.entry)
    good = path.read_text()
    keys = LiveKeys(Settings(keys_file=path))

    with caplog.at_level(logging.INFO, "goodserve"):
        async with keys.running():
            if damage is None:
                path.unlink()
            else:
                path.write_text(damage)
            await until(lambda: "the old keys go on" in caplog.text)
            await asyncio.sleep(1.1)
            still_there = has(keys, SHOP.text)
            path.write_text(good)
            await until(lambda: "was read again: shop" in caplog.text)

    assert still_there
    assert has(keys, SHOP.text)
    assert caplog.text.count("the old keys go on") == 1


async def test_a_file_that_could_not_be_opened_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It has not changed since, and yet the key that was revoked goes; the log says so once."""
    path = tmp_path / "keys.json"
    add_key(path, SHOP.entry)
    add_key(path, OPS.entry)
    keys = LiveKeys(Settings(keys_file=path))

    async with keys.running():
        revoke_key(path, "shop")
        with no_file_to_spare():
            await until(lambda: "the old keys go on" in caplog.text)
            await asyncio.sleep(1.1)
        still_there = has(keys, SHOP.text)
        await until(lambda: not has(keys, SHOP.text))

    assert still_there
    assert has(keys, OPS.text)
    assert caplog.text.count("cannot be read: Too many open files") == 1


async def test_keys_whose_rates_have_no_place_yet_are_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The folder that the processes share was away for a moment."""
    path, shared = tmp_path / "keys.json", tmp_path / "shared"
    shared.mkdir()
    add_key(path, SHOP.entry)
    limited = make_key("limited", [KeyScope.PREDICT], rate=5)
    keys = LiveKeys(Settings(keys_file=path, metrics_folder=shared))

    async with keys.running():
        shared.rmdir()
        add_key(path, limited.entry)
        await until(lambda: "the old keys go on" in caplog.text)
        shared.mkdir()
        await until(lambda: has(keys, limited.text))

    assert has(keys, SHOP.text)
