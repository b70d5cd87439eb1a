"""Folders of images: every format, nothing hidden, nothing damaged unnoticed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from model.artifact.image import to_pixels
from tests.pictures import CLASSES, coloured, encoded, write_folder
from tests.training.data.sets import load
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
