"""`goodserve keys`: made, listed and revoked from the shell."""

from pathlib import Path

import pytest

from service.__main__ import main
from service.keys.file import read_keys
from service.keys.key import KeyScope


def keys(path: Path, *arguments: str) -> int:
    """Run `goodserve keys`."""
    return main(["keys", arguments[0], "--keys-file", str(path), *arguments[1:]])


def test_new_prints_the_key_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Alone on the standard output, so that a script can take it; the file has only its hash."""
    path = tmp_path / "keys.json"

    assert keys(path, "new", "shop", "--rate", "5", "--burst", "9") == 0
    text = capsys.readouterr().out.strip()
    assert keys(path, "new", "ops", "--scope", "predict", "--scope", "admin") == 0

    shop, ops = read_keys(path).keys
    assert (shop.scopes, shop.rate, shop.burst) == ((KeyScope.PREDICT,), 5, 9)
    assert set(ops.scopes) == set(KeyScope)
    assert text.startswith(f"gs_{shop.id}_")
    assert text not in path.read_text()


def test_list_and_revoke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the list shows opens nothing."""
    path = tmp_path / "keys.json"
    keys(path, "new", "shop", "--rate", "5")
    text = capsys.readouterr().out.strip()

    assert keys(path, "list") == 0
    listed = capsys.readouterr().out
    assert keys(path, "revoke", "shop") == 0

    assert listed.startswith("shop  gs_")
    assert "predict  5/s, 5 at once" in listed
    assert text not in listed
    assert read_keys(path).keys == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["keys", "new", "shop"], "name the keys file: --keys-file PATH, or GOODSERVE_KEYS_FILE"),
        (["keys", "revoke", "shop", "--keys-file", "none"], "keys file none cannot be read"),
        (["keys", "new", "a/b", "--keys-file", "none"], "name: String should match"),
        (["serve", "--keys-file", "none"], "keys file none cannot be read"),
        (["serve", "--api-keys", "secret"], "GOODSERVE_API_KEYS holds no keys"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """Status 2, and the reason; a service does not start open because its keys are missing."""
    monkeypatch.chdir(tmp_path)

    assert main(arguments) == 2

    printed = capsys.readouterr().err
    assert printed.startswith("goodserve: ")
    assert message in printed
