"""Which pictures there are, of which class and for which split: named, and not opened yet."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from training.data.doubles import without_doubles
from training.data.picture import Picture, Purpose, Stamp
from training.errors import DataError

# How people name the folder, or the value of a column, of each split.
PURPOSES: dict[str, Purpose] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Listing:
    """The pictures of a source.

    Attributes:
        root: the folder that paths are relative to.
        classes: the K class names, by label.
        pictures: in order of their paths, every file once.
        stamps: of each picture's file.
    """

    root: Path
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    stamps: tuple[Stamp, ...]

    def has(self, purpose: Purpose) -> bool:
        """Tell whether any picture is in a split of its own."""
        return any(picture.purpose == purpose for picture in self.pictures)


class Named(NamedTuple):
    """A picture with the name of its class, before the classes are numbered."""

    path: str
    label: str
    purpose: Purpose


def numbered(
    root: Path, named: Sequence[Named], classes: Sequence[str] = (), said: Path | None = None
) -> Listing:
    """Number the classes, and put the pictures in order.

    Args:
        root: the folder that paths are relative to.
        named: the pictures.
        classes: those that are known to be there; others come from the training pictures.
        said: what errors name in place of the folder.

    Raises:
        DataError: there are fewer than two classes, or a picture set aside for validation or
            test is of a class that no training picture has, or a file is in two classes or splits.
    """
    known = sorted({*classes, *(each.label for each in named if each.purpose == "train")})
    if len(known) < 2:  # noqa: PLR2004  a classifier tells at least two apart
        found = f"only the class {known[0]!r}" if known else "none"
        message = f"{said or root} needs training images of at least two classes, but has {found}"
        raise DataError(message)
    number = {label: place for place, label in enumerate(known)}
    for each in named:
        if each.label not in number:
            message = (
                f"{said or root}: {each.path} is a {each.purpose} image of class {each.label!r}, "
                f"which no training image has; the classes are {shortened(known)}"
            )
            raise DataError(message)
    pictures = sorted(Picture(path, number[label], purpose) for path, label, purpose in named)
    once = without_doubles(root, pictures, known, said or root)
    return Listing(root, tuple(known), tuple(once), tuple(once.values()))


def key_of(listing: Listing, *rule: int) -> str:
    """Give the sha256 of everything that decides the pixels, in hex.

    Args:
        listing: of pictures, in order.
        rule: whatever else decides: the side in pixels, the version of the decoding.
    """
    digest = hashlib.sha256(repr((rule, listing.classes)).encode())
    for picture, stamp in zip(listing.pictures, listing.stamps, strict=True):
        file = stamp.size_bytes, stamp.changed_ns
        digest.update(repr((picture.path, picture.label, *file)).encode())
    return digest.hexdigest()


def shortened(names: Sequence[str], shown: int = 10) -> str:
    """Name the first ten, and count the rest."""
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")
