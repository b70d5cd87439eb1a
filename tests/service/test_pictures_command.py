"""`goodserve predict` and `goodserve explain` on real files, without a server."""

import json
from pathlib import Path

import pytest
from PIL import Image

from model.artifact.repository import ModelRepository
from service.__main__ import main
from tests.pictures import CLASSES, coloured
from tests.service.models import filled_repository
from tests.trained import SmallModel

LEGEND = 46  # rows below each drawing


@pytest.fixture
def repository(small_models: list[SmallModel], tmp_path: Path) -> ModelRepository:
    """Fill a repository."""
    return filled_repository(tmp_path / "models", small_models)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write twenty pictures of each class, and one that is none."""
    found = tmp_path / "pictures"
    found.mkdir()
    for label in CLASSES:
        for seed in range(20):
            coloured(label, seed).save(found / f"{label}-{seed:02}.png")
    return found


def run(command: str, repository: ModelRepository, *arguments: str) -> int:
    """Run one command on a repository."""
    return main([command, *arguments, "--repository", str(repository.root)])


def test_predict_answers_a_folder_in_order(
    repository: ModelRepository, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A JSON line for every picture, nearly all right, with familiarity."""
    assert run("predict", repository, str(folder), "--format", "jsonl") == 0

    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["path"] for row in rows] == [str(each) for each in sorted(folder.iterdir())]
    right = [Path(row["path"]).name.startswith(row["label"]) for row in rows]
    assert sum(right) >= 54
    assert all(0 <= row["familiarity"] <= 100 for row in rows)


@pytest.mark.parametrize(("form", "lines"), [("table", 2), ("csv", 3)])
def test_predict_writes_tables(
    repository: ModelRepository,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    form: str,
    lines: int,
) -> None:
    """A line each; CSV has a head."""
    files = [str(folder / "red-00.png"), str(folder / "blue-00.png")]

    assert run("predict", repository, *files, "--format", form) == 0

    said = capsys.readouterr().out.splitlines()
    assert len(said) == lines
    assert "red-00.png" in said[-2]


def test_a_file_that_is_no_picture_is_named_and_the_others_answered(
    repository: ModelRepository, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1, and what was wrong with which."""
    (folder / "broken.png").write_bytes(b"no picture")

    assert run("predict", repository, str(folder)) == 1

    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 60
    assert "broken.png: the bytes are not an image" in said.err
    assert "1 pictures could not be read" in said.err


def test_explain_writes_a_drawing_beside_each_picture(
    repository: ModelRepository, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the picture's own size, above a legend; a second run does not explain drawings."""
    for _ in range(2):
        assert run("explain", repository, str(folder / "red-00.png")) == 0
    assert run("predict", repository, str(folder)) == 0

    target = folder / "red-00.evidence.png"
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [str(target)] * 2
    assert len(said) == 62
    with Image.open(target) as drawn:
        assert drawn.height > 30


def test_explain_takes_a_contrast_and_a_folder_for_its_drawings(
    repository: ModelRepository, folder: Path, tmp_path: Path
) -> None:
    """The folder is made."""
    out = tmp_path / "drawn" / "here"
    file = str(folder / "red-00.png")

    assert run("explain", repository, file, "--contrast", "red,blue", "--out", str(out)) == 0
    assert (out / "red-00.evidence.png").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--classes", "purple"], "--classes: there is no class 'purple'; there are blue"),
        (["--classes", "red,blue"], "--classes red,blue names 2 classes, a drawing shows one"),
        (["--classes", "red", "--contrast", "red,blue"], "--classes and --contrast are two"),
        (["--contrast", "red,purple"], "--contrast: there is no class 'purple'"),
        (["--contrast", "red"], "--contrast: contrast takes two classes"),
        (["--layer", "last"], "--layer: there is no layer 'last'; there are"),
    ],
)
def test_a_wrong_flag_of_explain_is_said_once(
    repository: ModelRepository,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    """With status 2, and not of each picture; nothing is drawn."""
    assert run("explain", repository, str(folder), *flags, "--out", str(folder / "out")) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"goodserve: {message}")
    assert not (folder / "out").exists()


def drawn_in(out: Path) -> dict[str, int]:
    """Name the drawings below a folder, with the heights of their pictures."""
    found = {}
    for path in out.rglob("*.evidence.png"):
        with Image.open(path) as drawn:
            found[str(path.relative_to(out))] = drawn.height - LEGEND
    return found


def test_folders_are_kept_below_out(repository: ModelRepository, tmp_path: Path) -> None:
    """So pictures of one name do not replace each other, and each is its own; run twice as well."""
    for height, name in enumerate(["a/x.png", "b/x.png", "b/c/x.png", "x.png"], start=40):
        path = tmp_path / "pics" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coloured("red", height).resize((50, height)).save(path)
    out = tmp_path / "out"

    for _ in range(2):
        assert run("explain", repository, str(tmp_path / "pics"), "--out", str(out)) == 0

    assert drawn_in(out) == {
        "a/x.evidence.png": 40,
        "b/x.evidence.png": 41,
        "b/c/x.evidence.png": 42,
        "x.evidence.png": 43,
    }


@pytest.mark.parametrize("beside", [True, False])
def test_pictures_that_differ_in_their_suffix_alone_keep_it(
    repository: ModelRepository, tmp_path: Path, *, beside: bool
) -> None:
    """All but the first, beside them and in a folder."""
    for height, name in enumerate(["x.jpg", "x.png", "x.webp"], start=40):
        coloured("red", height).resize((50, height)).save(tmp_path / name)
    out = [] if beside else ["--out", str(tmp_path / "out")]

    for _ in range(2):
        assert run("explain", repository, str(tmp_path), *out) == 0

    assert drawn_in(tmp_path if beside else tmp_path / "out") == {
        "x.evidence.png": 40,
        "x.png.evidence.png": 41,
        "x.webp.evidence.png": 42,
    }


def test_a_drawing_of_another_folder_is_not_replaced(
    repository: ModelRepository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files of one name that are named one by one: the second is refused, with what to do."""
    for height, name in enumerate(["a/x.png", "b/x.png", "b/y.png"], start=40):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        coloured("red", height).resize((50, height)).save(path)
    files = [str(tmp_path / name) for name in ("a/x.png", "b/x.png", "b/y.png", "a/x.png")]
    out = tmp_path / "out"

    assert run("explain", repository, *files, "--out", str(out)) == 1

    assert drawn_in(out) == {"x.evidence.png": 40, "y.evidence.png": 42}
    said = capsys.readouterr().err
    assert f"{files[1]}: {out / 'x.evidence.png'} shows {files[0]}; name one folder" in said
    assert "1 pictures were not drawn" in said


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("file", "File exists"),
        ("file/below", "Not a directory"),
        ("/proc", "No such file or directory"),
        ("loop", "File exists"),
    ],
)
def test_drawings_that_cannot_be_written_are_one_line(
    repository: ModelRepository,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    out: str,
    message: str,
) -> None:
    """Status 1, and the reason, once for all pictures."""
    beside = folder.parent
    (beside / "file").write_text("a file")
    (beside / "loop").symlink_to(beside / "loop")

    assert run("explain", repository, str(folder), "--out", str(beside / out)) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("goodserve: ")
    assert message in line


def test_without_an_active_version_one_must_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says how."""
    assert run("predict", ModelRepository(tmp_path), "x.png") == 2
    assert "name one with --version" in capsys.readouterr().err
