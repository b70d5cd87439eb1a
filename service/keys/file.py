"""The keys file: read whole, changed by one writer at a time, replaced in one step."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from model.artifact.files import locked, read_regular, resolved, write_atomically
from service.keys.key import Key, Keys, KeysError, parse_keys

# Some thousand keys: a file that is larger is read no further.
_MOST_BYTES = 1 << 20
# Hashes of random keys give nothing away, but who holds keys is nobody's business.
_MODE = 0o600

Signature = tuple[int, ...] | None


def read_keys(path: Path) -> Keys:
    """Read a keys file.

    Raises:
        KeysError: it is missing or damaged.
    """
    try:
        real = resolved(path)  # a mounted secret is a link to a folder that changes
        content, _ = read_regular(real, real.parent, _MOST_BYTES)
    except OSError as error:
        remedy = "goodserve keys new makes one"
        message = f"the keys file {path} cannot be read: {error.strerror}; {remedy}"
        raise KeysError(message) from error
    return parse_keys(content, str(path))


def add_key(path: Path, key: Key) -> None:
    """Add a key to a file, which is made if it is not there.

    Raises:
        KeysError: there is one of that name, or the file cannot be read or written.
    """
    _change(path, lambda keys: keys.with_key(key))


def revoke_key(path: Path, name: str) -> None:
    """Take a key out of a file.

    Raises:
        KeysError: there is none of that name, or the file cannot be read or written.
    """
    read_keys(path)  # no file is made where there is none
    _change(path, lambda keys: keys.without(name))


def signature(path: Path) -> Signature:
    """Tell one state of a file from another without reading it; None where it is missing."""
    try:
        found = os.stat(path)  # noqa: PTH116  Path.stat is the same call
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _change(path: Path, change: Callable[[Keys], Keys]) -> None:
    try:
        real = resolved(path)
        with locked(real.with_name(f".{real.name}.lock")):
            keys = change(read_keys(real) if real.exists() else Keys())
            content = keys.model_dump_json(indent=1, exclude_none=True).encode() + b"\n"
            _replace(real, content)
    except OSError as error:
        message = f"the keys file {path} cannot be written: {error.strerror}"
        raise KeysError(message) from error


def _replace(path: Path, content: bytes) -> None:
    """Write a file that is read by whoever read the one before: the service is another user."""
    if not path.exists():
        write_atomically(path, content, _MODE)
        return
    before = path.stat()
    mode, owner = stat.S_IMODE(before.st_mode), (before.st_uid, before.st_gid)
    # A group without rights need not be kept: not everybody may give a file to it.
    is_by_group = bool(mode & stat.S_IRWXG) and before.st_gid != os.getegid()
    is_anothers = before.st_uid != os.geteuid() or is_by_group
    write_atomically(path, content, mode, owner if is_anothers else None)
