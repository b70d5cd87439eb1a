"""The keys file: made, changed and refused."""

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.keys.file import add_key, read_keys, revoke_key, signature
from service.keys.key import KeyScope, KeysError, make_key


def test_keys_are_added_and_revoked(tmp_path: Path) -> None:
    """The file is made with the first, for its owner's eyes alone."""
    path = tmp_path / "keys.json"

    add_key(path, make_key("a", [KeyScope.PREDICT]).entry)
    add_key(path, make_key("b", [KeyScope.ADMIN]).entry)
    before = signature(path)
    revoke_key(path, "a")

    assert [key.name for key in read_keys(path).keys] == ["b"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signature(path) != before


def test_many_writers_lose_no_key(tmp_path: Path) -> None:
    """Sixteen at once, each with a key of its own: all are there."""
    path = tmp_path / "keys.json"
    made = [make_key(f"k{number}", [KeyScope.PREDICT]).entry for number in range(16)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda each: add_key(path, each), made))

    assert {key.name for key in read_keys(path).keys} == {key.name for key in made}


def test_a_link_is_written_through(tmp_path: Path) -> None:
    """A file that is mounted as a link stays one."""
    real, link = tmp_path / "real.json", tmp_path / "keys.json"
    link.symlink_to(real)

    add_key(link, make_key("a", [KeyScope.PREDICT]).entry)

    assert link.is_symlink()
    assert [key.name for key in read_keys(link).keys] == ["a"]


def test_a_link_that_leads_in_a_circle_is_said(tmp_path: Path) -> None:
    """Neither read nor written, and not replaced by a file."""
    path = tmp_path / "keys.json"
    path.symlink_to("keys.json")

    with pytest.raises(KeysError, match="cannot be read: Too many levels of symbolic links"):
        read_keys(path)
    with pytest.raises(KeysError, match="cannot be written: Too many levels of symbolic links"):
        add_key(path, make_key("a", [KeyScope.PREDICT]).entry)

    assert path.is_symlink()


def test_mode_and_owner_of_a_file_stay(tmp_path: Path) -> None:
    """A service that runs as another user, by its group, still reads what an operator changed."""
    path = tmp_path / "keys.json"
    add_key(path, make_key("a", [KeyScope.PREDICT]).entry)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 10001, 10001)
    before = path.stat()

    revoke_key(path, "a")

    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        *(before.st_mode, before.st_uid, before.st_gid),
    )


def test_the_group_of_a_file_stays(tmp_path: Path) -> None:
    """Where the operator owns it, too, and the service reads it by its group."""
    path = tmp_path / "keys.json"
    add_key(path, make_key("a", [KeyScope.PREDICT]).entry)
    path.chmod(0o640)
    group = 10001 if os.geteuid() == 0 else next(iter(os.getgroups()), -1)
    os.chown(path, -1, group)
    before = path.stat()

    revoke_key(path, "a")

    after = path.stat()
    assert (after.st_mode, after.st_gid) == (before.st_mode, before.st_gid)


def test_a_file_that_cannot_be_given_back_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its owner, the service, could not read it any more; nothing lies beside it either."""
    path = tmp_path / "keys.json"
    add_key(path, make_key("a", [KeyScope.PREDICT]).entry)
    before, names = path.read_bytes(), sorted(each.name for each in tmp_path.iterdir())

    def refused(*_of: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    another = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: another)
    monkeypatch.setattr(os, "chown", refused)

    with pytest.raises(KeysError, match="cannot be written: Operation not permitted"):
        revoke_key(path, "a")

    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == names


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """Missing, damaged, a pipe without a writer, or far too large: nothing waits."""
    pipe, large, damaged = (tmp_path / name for name in ("pipe", "large", "damaged"))
    os.mkfifo(pipe)
    large.write_bytes(b" " * 2_000_000)
    damaged.write_text("{")

    for path, message in (
        (tmp_path / "none", "cannot be read: No such file.*goodserve keys new"),
        (pipe, "it is no regular file"),
        (large, "it has over"),
        (damaged, "damaged holds no keys: the whole: Invalid JSON"),
    ):
        with pytest.raises(KeysError, match=message):
            read_keys(path)


def test_a_damaged_file_is_not_overwritten(tmp_path: Path) -> None:
    """Adding to it would lose the keys that are in it."""
    path = tmp_path / "keys.json"
    path.write_text("{")

    with pytest.raises(KeysError, match="holds no keys"):
        add_key(path, make_key("a", [KeyScope.PREDICT]).entry)
    with pytest.raises(KeysError, match="cannot be read"):
        revoke_key(tmp_path / "none", "a")

    assert path.read_text() == "{"
    assert not (tmp_path / "none").exists()
