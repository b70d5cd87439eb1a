"""`goodserve keys`: make keys, list them, take them back."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from service.keys.file import add_key, read_keys, revoke_key
from service.keys.key import KeyScope, KeysError, make_key
from service.settings import Settings

app = App(name="keys", help="Make keys for callers, list them, take them back.")

File = Annotated[Path | None, Parameter(help="The keys file (environment: GOODSERVE_KEYS_FILE).")]
Name = Annotated[str, Parameter(help="Whose key it is, such as shop.")]
Scopes = Annotated[
    tuple[KeyScope, ...],
    Parameter(name="--scope", negative="", help="What it allows; may be repeated."),
]
Rate = Annotated[
    float | None, Parameter(help="Requests per second, over all processes; by default any number.")
]
Burst = Annotated[
    int | None, Parameter(help="Requests that may come at once; by default those of a second.")
]


@app.command(name="new")
def new_key(
    name: Name,
    /,
    *,
    scope: Scopes = (KeyScope.PREDICT,),
    rate: Rate = None,
    burst: Burst = None,
    keys_file: File = None,
) -> None:
    """Make a key and print it, for the only time: the file keeps its hash alone.

    A running service takes it within a second.
    """
    path = _file(keys_file)
    text, entry = make_key(name, scope, rate, burst)
    add_key(path, entry)
    print(f"{name} may {', '.join(entry.scopes)}; this is its key, shown once:", file=sys.stderr)
    print(text)


@app.command(name="list")
def list_keys(*, keys_file: File = None) -> None:
    """List the keys: name, id, scopes, rate, and when each was made."""
    for key in read_keys(_file(keys_file)).keys:
        rate = f"{key.rate:g}/s, {key.most_at_once} at once" if key.rate else "any rate"
        made = key.created.date().isoformat()
        print(f"{key.name}  gs_{key.id}_...  {', '.join(key.scopes)}  {rate}  {made}")


@app.command(name="revoke")
def revoke(name: Name, /, *, keys_file: File = None) -> None:
    """Take a key back; a running service refuses it within a second."""
    revoke_key(_file(keys_file), name)
    print(f"the key {name} is revoked")


def _file(given: Path | None) -> Path:
    """Choose the file.

    Raises:
        KeysError: none is named.
    """
    path = given or Settings().keys_file
    if path is None:
        message = "name the keys file: --keys-file PATH, or GOODSERVE_KEYS_FILE"
        raise KeysError(message)
    return path
