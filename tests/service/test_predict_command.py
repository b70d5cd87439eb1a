"""`goodserve predict` by a service, and on this machine, to the same rows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from service.__main__ import main
from service.predict_flags import Asked
from tests.pictures import CLASSES, coloured
from tests.service.fakes import fake_repository
from tests.service.models import app_on, fake_app_on, served

ACTIVE = str(ModelRepository(BUNDLED_REPOSITORY).active())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve the bundled model."""
    with served(app_on(BUNDLED_REPOSITORY)) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write forty pictures, and a file that is none."""
    root = tmp_path_factory.mktemp("pictures")
    for seed in range(40):
        (root / str(seed % 2)).mkdir(exist_ok=True)
        coloured(CLASSES[seed % 3], seed).save(root / str(seed % 2) / f"{seed:02}.png")
    return root


def rows(out: Path) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_both_ways_give_the_same_rows(url: str, folder: Path, tmp_path: Path) -> None:
    """Classes, familiarity, sets, the version and the order; numbers to 1e-4."""
    flags = ["--top-k", "3", "--confidence", "0.9", "--version", ACTIVE]
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"

    assert main(["predict", str(folder), *flags, "--out", str(here)]) == 0
    assert main(["predict", str(folder), *flags, "--out", str(there), "--url", url]) == 0

    assert len(rows(here)) == 40
    for ours, theirs in zip(rows(here), rows(there), strict=True):
        assert list(ours) == list(theirs)
        assert (ours["path"], ours["label"]) == (theirs["path"], theirs["label"])
        assert ours["conformal_set"] == theirs["conformal_set"]
        assert ours["model"] == theirs["model"] == ACTIVE
        assert ours["familiarity"] == pytest.approx(theirs["familiarity"], abs=0.1)
        assert [each["label"] for each in ours["classes"]] == [
            each["label"] for each in theirs["classes"]
        ]
        assert ours["probability"] == pytest.approx(theirs["probability"], abs=1e-4)


@pytest.mark.parametrize("way", ["here", "there"])
def test_a_run_that_was_cut_off_is_gone_on_with(
    url: str, folder: Path, tmp_path: Path, way: str
) -> None:
    """What is answered is not asked again, a half line is thrown away, and nothing is twice."""
    out, flags = tmp_path / "out.jsonl", ["--url", url] if way == "there" else []
    assert main(["predict", str(folder), *flags, "--out", str(out)]) == 0
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    marked = lines[0].replace(b"}", b',"kept":true}')
    out.write_bytes(marked + b"".join(lines[1:25]) + lines[25][:20])

    assert main(["predict", str(folder), *flags, "--out", str(out), "--resume"]) == 0

    assert [each["path"] for each in rows(out)] == [json.loads(line)["path"] for line in lines]
    assert rows(out)[0]["kept"]


def test_a_table_has_a_line_for_each_picture(
    url: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the set of classes and the others, if they are asked for; no bar in between."""
    flags = ["--top-k", "2", "--confidence", "0.5", "--url", url]

    assert main(["predict", str(folder / "0" / "00.png"), *flags]) == 0

    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    assert "{" in said.out
    assert said.out.endswith("00.png\n")
    assert said.err == ""


@pytest.mark.parametrize("way", ["here", "there"])
def test_a_file_that_is_no_picture_is_named(
    url: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    """Status 1, the others are answered, and a second run tries it again."""
    broken, out = tmp_path / "broken.png", tmp_path / "out.csv"
    broken.write_bytes(b"no picture")
    command = ["predict", str(folder), str(broken), "--out", str(out), "--resume"]
    command += ["--url", url] if way == "there" else []

    for _ in range(2):
        assert main(command) == 1

    said = capsys.readouterr().err
    assert said.count("broken.png") == 2
    assert "1 pictures could not be read" in said
    assert len(out.read_text().splitlines()) == 41


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--resume"], 2, "--resume needs the file to go on with: --out"),
        (["--url", "http://127.0.0.1:1", "--repository", "models"], 2, "give one of them"),
        (["--url", "nonsense"], 1, "nonsense: UnsupportedProtocol"),
        (["--url", "http://127.0.0.1:1", "--api-key", "gs\n1"], 2, "api_key holds line ends"),
        (["--url", "http://127.0.0.1:1", "--version", "cifar10/.."], 2, "'..' names nothing"),
        (["--url", "http://127.0.0.1:1", "--api-key", ""], 2, "api_key is empty"),
        (["--top-k", "0"], 2, "Must be >= 1"),
        (["--confidence", "2"], 2, "Must be <= 1"),
        (["--version", "ghost/1"], 2, "ghost/1"),
        (["--version", "cifar10"], 2, "--version 'cifar10' is not NAME/VERSION"),
        (["--version", ""], 2, "--version is empty"),
        (["--model", ""], 2, "--model is empty"),
        (["--out", "no/such/folder.csv"], 1, "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], status: int, message: str
) -> None:
    """In one line, with the status of its kind."""
    assert main(["predict", str(folder), *flags]) == status

    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


@pytest.mark.parametrize("url", [[], ["--url", "http://127.0.0.1:1"]])
def test_two_models_are_a_contradiction(
    folder: Path, capsys: pytest.CaptureFixture[str], url: list[str]
) -> None:
    """Neither is passed over; the same one twice is none."""
    flags = ["--version", "cifar10/4", *url]

    assert main(["predict", str(folder), *flags, "--model", "nope"]) == 2

    said = capsys.readouterr().err
    assert "--version cifar10/4 is no version of --model nope" in said
    assert Asked(model="cifar10", version="cifar10/4").version == "cifar10/4"


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_a_command_without_pictures_is_refused(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """With status 2: a pattern that fits nothing gives none, for example."""
    assert main([command, "--version", ACTIVE]) == 2

    assert "name pictures, or folders of pictures" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_folders_without_pictures_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """It is no error, and not silent either."""
    (tmp_path / "notes.txt").write_text("no picture")

    assert main([command, str(tmp_path), "--version", ACTIVE]) == 0

    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"goodserve: no pictures in {tmp_path}\n")


def test_an_unknown_model_of_a_service_ends_it(
    url: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, and not for each file."""
    assert main(["predict", str(folder), "--url", url, "--model", "ghost"]) == 1

    assert capsys.readouterr().err.count("unknown-model") == 1


def test_a_set_needs_calibration(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version without it says so by a service as well."""
    fake_repository(tmp_path)
    with served(fake_app_on(tmp_path)) as service:
        address = str(service.base_url)
        assert main(["predict", str(folder), "--url", address, "--confidence", "0.9"]) == 1

    assert "409 no-calibration" in capsys.readouterr().err
