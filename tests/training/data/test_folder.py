"""Folders of images: every format, nothing hidden, nothing damaged unnoticed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from model.artifact.image import to_pixels
from tests.pictures import CLASSES, coloured, encoded, write_folder
from tests.training.data.layouts import write_pictures
from tests.training.data.sets import load
from training.data.dataset import Split
from training.data.split import split_validation, stratified
from training.errors import DataError


def test_a_folder_is_read_class_by_class(tmp_path: Path) -> None:
    """Sub-folders are classes; every image of every format comes in, resized as in serving."""
    write_folder(tmp_path, per_class=10)

    dataset = load(f"folder:{tmp_path}", image_size=12)

    with Image.open(tmp_path / "red" / "3.png") as image:
        expected = torch.from_numpy(to_pixels(image, 12, 12))
    everything = torch.cat([dataset.train.images, dataset.test.images])
    assert dataset.labels == CLASSES
    assert everything.shape == (30, 12, 12, 3)
    assert torch.bincount(dataset.test.labels).tolist() == [1, 1, 1]
    assert (everything == expected).flatten(1).all(1).any()


def test_a_folders_split_depends_on_the_seed_alone(tmp_path: Path) -> None:
    """The same seed keeps the same images for the test; training images are shuffled."""
    write_folder(tmp_path, per_class=10)

    first, again, other = (load(f"folder:{tmp_path}", seed) for seed in (0, 0, 1))

    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    assert first.train.labels.tolist() != sorted(first.train.labels.tolist())


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda _folder: None, "needs at least two sub-folders"),
        (lambda folder: [(folder / c).mkdir() for c in "ab"], "class 'a' .* has 0 images"),
        (
            lambda folder: [write_folder(folder, per_class=4), (folder / "violet").mkdir()],
            "class 'violet' of .* has 0 images that can be read, needs 3: one to learn",
        ),
        (
            lambda folder: [
                write_folder(folder, per_class=4),
                [
                    (folder / "red" / f"{n}.{s}").write_text("?")
                    for n, s in ((0, "png"), (1, "jpg"))
                ],
            ],
            "class 'red' of .* has 2 images that can be read",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(
    tmp_path: Path, prepare: Callable[[Path], object], message: str
) -> None:
    """Missing classes, empty classes and classes of broken files are told apart."""
    prepare(tmp_path)

    with pytest.raises(DataError, match=message):
        load(f"folder:{tmp_path}")


def pictures_of(split: Split) -> set[bytes]:
    """Give the pixels of every image, by which the pictures of these tests are told apart."""
    return {image.numpy().tobytes() for image in split.images}


def splits_of(root: Path) -> tuple[set[bytes], set[bytes], set[bytes]]:
    """Give the pictures to learn from, those to validate on, and those of the test."""
    dataset = load(f"folder:{root}", test_fraction=0.2)
    learned, validation = split_validation(dataset, 0.2, seed=0)
    return pictures_of(learned), pictures_of(validation), pictures_of(dataset.test)


def test_a_picture_more_leaves_the_others_where_they_are(tmp_path: Path) -> None:
    """Who goes on with what was learned before is tested on what was not, but for one or two."""
    root = write_folder(tmp_path / "data", per_class=30)
    learned, validation, test = splits_of(root)
    coloured("red", 99).save(root / "red" / "0-new.png")

    learned_now, validation_now, test_now = splits_of(root)

    assert len(learned | validation | test) == 90
    assert len(learned_now | validation_now | test_now) == 91
    assert len(test - test_now) <= 1
    assert len(validation - validation_now) <= 2
    assert len(learned & (validation_now | test_now)) <= 2


def test_a_name_that_is_no_text_is_drawn_by(tmp_path: Path) -> None:
    """File systems take any bytes."""
    root = write_folder(tmp_path / "data", per_class=10)
    coloured("red", 99).save(root / "red" / "new.png")
    (root / "red" / "new.png").rename(root / "red" / os.fsdecode(b"caf\xe9.png"))

    assert sum(map(len, splits_of(root))) == 31


def test_by_place_pictures_are_drawn_as_by_former_versions(tmp_path: Path) -> None:
    """A run that such a version began goes on with its own splits."""
    labels = torch.tensor([0] * 10 + [1] * 10 + [2] * 10)
    chance = torch.Generator().manual_seed(5)
    left, aside = stratified(labels, 0.2, torch.randperm(30, generator=chance), leave=2)
    shuffled = (part[torch.randperm(len(part), generator=chance)] for part in (left, aside))

    found = load(
        f"folder:{write_folder(tmp_path, per_class=10)}", seed=5, test_fraction=0.2, split_rule=2
    )

    expected_train, expected_test = shuffled
    assert found.train.rows is not None
    assert found.test.rows is not None
    assert found.train.rows.equal(expected_train)
    assert found.test.rows.equal(expected_test)


def test_hidden_things_and_other_files_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What editors and desktops leave behind is no class and no image; the rest is told."""
    write_folder(tmp_path, per_class=6)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / "red" / "._0.png").write_bytes(b"macOS")
    (tmp_path / "red" / "notes.txt").write_text("no image")

    dataset = load(f"folder:{tmp_path}")

    assert dataset.labels == CLASSES
    assert len(dataset.train) + len(dataset.test) == 18
    assert "left out 1 files (.txt)" in caplog.text


def test_a_limited_test_split_still_has_every_class(tmp_path: Path) -> None:
    """The test images are shuffled, so that the first ones are of all classes."""
    write_folder(tmp_path, per_class=30)

    dataset = load(f"folder:{tmp_path}", test_fraction=0.5, limit_test=20)

    assert set(dataset.test.labels.tolist()) == {0, 1, 2}


def flipped_in_idat(png: bytes, offset: int) -> bytes:
    """Flip one byte of a PNG's compressed pixels, `offset` bytes into them."""
    place = png.index(b"IDAT") + 4 + offset
    return png[:place] + bytes([png[place] ^ 0xFF]) + png[place + 1 :]


@pytest.mark.parametrize("offset", [2, 40, 400])
def test_a_png_damaged_in_its_pixels_is_skipped_and_named(
    tmp_path: Path, offset: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A network would learn from black pixels under the right label, and nobody would know."""
    write_folder(tmp_path, per_class=4)
    png = encoded(coloured("red", 9))
    (tmp_path / "red" / "damaged.png").write_bytes(flipped_in_idat(png, offset))

    dataset = load(f"folder:{tmp_path}")

    assert len(dataset.train) + len(dataset.test) == 12
    assert not any((image == 0).all() for split in dataset.splits() for image in split.images)
    assert "1 pictures cannot be read in" in caplog.text
    assert "red/damaged.png (the image is truncated or damaged" in caplog.text


def test_of_many_unreadable_pictures_ten_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are counted."""
    write_folder(tmp_path, per_class=4)
    for number in range(12):
        (tmp_path / "red" / f"bad{number:02}.png").write_text("no image")

    load(f"folder:{tmp_path}")

    assert "12 pictures cannot be read" in caplog.text
    assert caplog.text.count("no image") + caplog.text.count("cannot identify") == 10
    assert "bad09.png" in caplog.text
    assert "bad10.png" not in caplog.text
    assert "and 2 more; they are skipped" in caplog.text


def test_strict_refuses_unreadable_pictures(tmp_path: Path) -> None:
    """The message names them, and both remedies."""
    write_folder(tmp_path, per_class=4)
    (tmp_path / "red" / "bad.png").write_text("no image")

    with pytest.raises(DataError, match=r"1 pictures .*red/bad\.png .*leave --strict out to skip"):
        load(f"folder:{tmp_path}", strict=True)


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    """A class may be gathered from folders that lie elsewhere."""
    root = write_folder(tmp_path / "data", per_class=4)
    for name in ("more", "else"):
        write_pictures(tmp_path / name, 6, "red")
    (root / "red" / "more").symlink_to(tmp_path / "more")
    (tmp_path / "more" / "inner").symlink_to(tmp_path / "else", target_is_directory=True)

    dataset = load(f"folder:{root}")

    assert sum(len(split) for split in dataset.splits()) == 12 + 6 + 6


@pytest.mark.parametrize("target", [".", "..", "../red/inner", "inner", "../../data"])
def test_links_in_a_circle_end(
    tmp_path: Path, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither does a class take in the pictures of the folder that all classes lie in."""
    root = write_folder(tmp_path / "data", per_class=4)
    write_pictures(root / "red" / "inner", 6, "red")
    (root / "red" / "inner" / "link").symlink_to(root / "red" / target, target_is_directory=True)

    dataset = load(f"folder:{root}")

    assert sum(len(split) for split in dataset.splits()) == 12 + 6
    assert "left out" not in caplog.text


def test_two_folders_that_lead_to_each_other_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is read, and its pictures count once."""
    root = write_folder(tmp_path / "data", per_class=4)
    one, two = root / "red" / "one", root / "red" / "two"
    for folder in (one, two):
        write_pictures(folder, 6, "red")
    (one / "other").symlink_to(two, target_is_directory=True)
    (two / "other").symlink_to(one, target_is_directory=True)

    dataset = load(f"folder:{root}")

    assert sum(len(split) for split in dataset.splits()) == 12 + 12
    assert f"{root}: left out 12 paths to files that have another path, too" in caplog.text


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_file_under_two_paths_is_one_picture(
    tmp_path: Path, link: Callable[[Path, Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """It would be learned from and be in the test; the split is as without the second path."""
    root = write_folder(tmp_path / "data", per_class=6)
    before = load(f"folder:{root}")
    link(root / "red" / "3.png", root / "red" / "5-again.png")

    dataset = load(f"folder:{root}")

    assert dataset.fingerprint() == before.fingerprint()
    assert "left out 1 paths to files" in caplog.text


def test_a_link_that_comes_first_moves_no_picture(tmp_path: Path) -> None:
    """The file's own path is kept, so the split is as without the link."""
    root = write_folder(tmp_path / "data", per_class=6)
    before = load(f"folder:{root}")
    (root / "red" / "0-again.png").symlink_to(root / "red" / "3.png")

    assert load(f"folder:{root}").fingerprint() == before.fingerprint()


def test_a_file_of_two_classes_is_refused(tmp_path: Path) -> None:
    """One of the labels is wrong; the message names both paths."""
    root = write_folder(tmp_path, per_class=4)
    (root / "red" / "also.png").symlink_to(root / "blue" / "0.png")

    with pytest.raises(
        DataError,
        match=r"blue/0\.png and red/also\.png are one file, in the classes 'blue' and 'red'; keep",
    ):
        load(f"folder:{root}")
