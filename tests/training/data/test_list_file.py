"""Lists of pictures with their labels: CSV and JSONL."""

import json
from pathlib import Path

import pytest
import torch

from tests.training.data.layouts import write_csv, write_pictures
from tests.training.data.sets import load
from training.errors import DataError


def rows(folder: Path, count: int = 10) -> list[list[str]]:
    """Write pictures of two classes; give a path relative to the folder, and a label, for each."""
    return [
        [str(path.relative_to(folder)), label]
        for label in ("cat", "dog")
        for path in write_pictures(folder / "all" / label, count, "red")
    ]


def test_a_csv_of_paths_and_labels_is_a_data_set(tmp_path: Path) -> None:
    """Paths are relative to the file; without splits, test images are taken by the fraction."""
    file = write_csv(tmp_path / "list.csv", ["label", "path"], [r[::-1] for r in rows(tmp_path)])

    dataset = load(f"csv:{file}", test_fraction=0.2)

    assert dataset.labels == ("cat", "dog")
    assert torch.bincount(dataset.train.labels).tolist() == [8, 8]
    assert torch.bincount(dataset.test.labels).tolist() == [2, 2]
    assert dataset.validation is None


def test_a_list_names_splits(tmp_path: Path) -> None:
    """Each row may say which split it is of; nothing there is train."""
    splits = ["train", "", "Training", "val", "test"] * 4
    listed = [[*row, split] for row, split in zip(rows(tmp_path), splits, strict=True)]

    dataset = load(f"csv:{write_csv(tmp_path / 'list.csv', ['path', 'label', 'split'], listed)}")

    assert dataset.validation is not None
    assert [len(split) for split in dataset.splits()] == [12, 4, 4]


def test_jsonl_says_the_same_as_csv(tmp_path: Path) -> None:
    """One object per line; a number is a label too, as its text."""
    listed = rows(tmp_path)
    numbered = [{"path": path, "label": int(label == "dog")} for path, label in listed]
    file = tmp_path / "list.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in numbered) + "\n")

    dataset = load(f"jsonl:{file}")

    other = load(f"csv:{write_csv(tmp_path / 'list.csv', ['path', 'label'], listed)}")
    assert dataset.labels == ("0", "1")
    assert dataset.fingerprint() == other.fingerprint()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("csv", "file,label\na.png,cat\n", "line 2 has no path; columns are path, label"),
        ("csv", "path,label\na.png,\n", "line 2 has no label"),
        ("csv", "path,label\na.png\n", "line 2 has no label"),
        ("csv", "path,label,split\na.png,cat,dev\n", "line 2 has split 'dev'; use one of train"),
        ("csv", "path,label\na.png,cat\n./a.png,dog\n", r"lists a\.png twice"),
        ("csv", "path,label\na.png,cat\n", "at least two classes, but has only the class 'cat'"),
        (
            "csv",
            "path,label,split\na.png,cat,\nb.png,dog,\nc.png,ape,val\n",
            r"c\.png is a validation image of class 'ape', which no training image has",
        ),
        ("csv", "", "at least two classes, but has none"),
        ("jsonl", '{"path": "a.png"}\n', "line 1 has no label"),
        ("jsonl", "[1]\n", "line 1 has no path"),
        ("csv", "path,label\na/b.png,cat\na/../a/b.png,dog\n", r"lists a/b\.png twice"),
        ("csv", "path,label,split\na.png,cat,val\n", "list needs training images"),
        ("jsonl", "path,label\n", "cannot read .*line 1 is no JSON.*is it UTF-8, and of the kind"),
    ],
)
def test_a_list_that_cannot_be_used_names_the_line(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    """The message gives the line, what is wrong with it, and what it should be."""
    (tmp_path / "list").write_text(content)

    with pytest.raises(DataError, match=message):
        load(f"{name}:{tmp_path / 'list'}")


def test_blanks_around_a_comma_are_no_part_of_a_label(tmp_path: Path) -> None:
    """Many write them; they make no class of their own."""
    head, *lines = (
        write_csv(tmp_path / "list.csv", ["path", "label"], rows(tmp_path)).read_text().splitlines()
    )
    spaced = [line.replace(",", ", ") + " " * (n % 2) for n, line in enumerate(lines)]
    (tmp_path / "spaced.csv").write_text("\n".join([head, *spaced]) + "\n")

    found, plain = (load(f"csv:{tmp_path / name}.csv") for name in ("spaced", "list"))

    assert found.labels == ("cat", "dog")
    assert found.fingerprint() == plain.fingerprint()


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message gives the path."""
    with pytest.raises(DataError, match=r"cannot read .*list\.csv: No such file"):
        load(f"csv:{tmp_path / 'list.csv'}")


def test_a_listed_picture_that_is_not_there_is_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As one that cannot be read."""
    file = write_csv(tmp_path / "l.csv", ["path", "label"], [*rows(tmp_path), ["gone.png", "cat"]])

    dataset = load(f"csv:{file}")

    assert len(dataset.train) + len(dataset.test) == 20
    assert "1 pictures cannot be read in" in caplog.text
    assert "gone.png (No such file or directory)" in caplog.text


def test_a_file_that_is_listed_by_two_paths_is_one_picture(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Through a link to its folder, and by its whole path."""
    listed = rows(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path / "all", target_is_directory=True)
    again = [["linked/cat/3.png", "cat"], [str(tmp_path / "all" / "dog" / "4.png"), "dog"]]
    plain = load(f"csv:{write_csv(tmp_path / 'plain.csv', ['path', 'label'], listed)}")

    found = load(f"csv:{write_csv(tmp_path / 'list.csv', ['path', 'label'], [*again, *listed])}")

    assert sum(map(len, found.splits())) == sum(map(len, plain.splits())) == 20
    assert "list.csv: left out 2 paths to files that have another path, too" in caplog.text


def test_a_file_that_is_listed_for_training_and_test_is_refused(tmp_path: Path) -> None:
    """A test image that is learned from would be known by heart."""
    listed = [[*row, "train"] for row in rows(tmp_path)]
    (tmp_path / "linked").symlink_to(tmp_path / "all", target_is_directory=True)
    file = write_csv(
        tmp_path / "list.csv",
        ["path", "label", "split"],
        [*listed, ["linked/cat/3.png", "cat", "test"]],
    )

    with pytest.raises(DataError, match=r"list\.csv: all/cat/3\.png and linked/cat/3\.png are one"):
        load(f"csv:{file}")
