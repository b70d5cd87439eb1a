"""Folders and lists of pictures in the layouts that people have, for the tests of this folder."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.pictures import CLASSES, coloured


def write_pictures(folder: Path, count: int, label: str, suffix: str = "png") -> list[Path]:
    """Write numbered pictures of one class into one folder; give their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.{suffix}" for number in range(count)]
    for number, path in enumerate(paths):
        coloured(label, number, (9, 8)).save(path, "JPEG" if suffix == "JPEG" else None)
    return paths


def write_splits(root: Path, counts: Mapping[str, int]) -> Path:
    """Write torchvision's ImageFolder form: a sub-folder per split, in it one per class."""
    for split, count in counts.items():
        for label in CLASSES:
            write_pictures(root / split / label, count, label)
    return root


def write_tiny_imagenet(root: Path, train: int, validation: int) -> Path:
    """Write Tiny-ImageNet's layout; its classes are wnids, its test folder has no labels."""
    wnids = dict(zip(("n01", "n02", "n03"), CLASSES, strict=True))
    lines = []
    for wnid, label in wnids.items():
        write_pictures(root / "train" / wnid / "images", train, label, "JPEG")
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("0.JPEG\t0\t0\t8\t8\n")
    (root / "val" / "images").mkdir(parents=True)
    for number in range(validation):
        wnid = sorted(wnids)[number % 3]
        coloured(wnids[wnid], 100 + number, (9, 8)).save(
            root / "val" / "images" / f"val_{number}.JPEG"
        )
        lines.append(f"val_{number}.JPEG\t{wnid}\t0\t0\t8\t8\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    write_pictures(root / "test" / "images", 5, "red", "JPEG")
    return root


def write_csv(file: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Path:
    """Write a list of pictures."""
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows([columns, *rows])
    return file
