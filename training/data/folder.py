"""A folder of pictures: a sub-folder per class, or those of each split, or Tiny-ImageNet's."""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from training.data.listing import PURPOSES, Listing, Named, numbered
from training.data.picture import Purpose
from training.errors import DataError

log = logging.getLogger("goodserve")

ANNOTATIONS = "val_annotations.txt"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
# What editors, desktops and macOS archives leave behind.
_HIDDEN = (".", "__MACOSX")
# The one sub-folder of Tiny-ImageNet's test folder, which has no labels.
_UNLABELLED = "images"


def list_folder(root: Path) -> Listing:
    """Find the pictures of a folder, with their classes and splits.

    Raises:
        DataError: the folder is missing, or what it holds are no classes.
    """
    if not root.is_dir():
        remedy = "; a list is named as csv:FILE or jsonl:FILE" if root.is_file() else ""
        message = f"{root} is {'no folder' if root.exists() else 'not there'}{remedy}"
        raise DataError(message)
    splits = _split_folders(root)
    if not splits:
        return numbered(root, _pictures(root, root, "train"), _classes(root))
    train = splits.pop("train")
    classes = _classes(train)
    named = _pictures(root, train, "train")
    if (splits.get("validation", root) / ANNOTATIONS).is_file():
        named += _annotated(root, splits, classes)
    else:
        for purpose, folder in _labelled(splits, classes).items():
            named += _pictures(root, folder, purpose)
    return numbered(root, named, classes)


def _split_folders(root: Path) -> dict[Purpose, Path]:
    """Give the sub-folders that are splits; none where they are classes.

    `train` beside other classes is a class of trains, and so is one that holds pictures itself.
    """
    folders = _sub_folders(root)
    splits = [folder for folder in folders if folder.name.lower() in PURPOSES]
    others = [folder.name for folder in folders if folder not in splits]
    found = {PURPOSES[folder.name.lower()]: folder for folder in splits}
    if others and ("train" not in found or len(found) == 1 or not _sub_folders(found["train"])):
        return {}
    if splits and "train" not in found:
        message = f"{root} has {_names(splits)} but no train sub-folder to learn from"
        raise DataError(message)
    if len(found) < len(splits):
        message = f"{root} has {_names(splits)}: two of them are the same split; keep one"
        raise DataError(message)
    if others:
        log.warning("%s: left out %s, which is no split", root, ", ".join(others))
    return found


def _labelled(splits: Mapping[Purpose, Path], classes: list[str]) -> dict[Purpose, Path]:
    """Leave a test split out that has no labels; it says so."""
    kept = dict(splits)
    test = kept.get("test")
    if test is not None and not _has_labels(test, classes):
        log.warning("%s is left out: without a sub-folder per class it has no labels", test)
        del kept["test"]
    return kept


def _has_labels(folder: Path, classes: list[str]) -> bool:
    names = {each.name for each in _sub_folders(folder)}
    return bool(names - {_UNLABELLED} or names & set(classes))


def _annotated(root: Path, splits: dict[Purpose, Path], classes: list[str]) -> list[Named]:
    """Read Tiny-ImageNet's val folder: it is the test split where test has no labels."""
    folder = splits.pop("validation")
    kept = _labelled(splits, classes)
    purpose: Purpose = "validation" if kept else "test"
    if purpose == "test":
        log.warning("%s is the test split, for there is no other with labels", folder)
    named = [named for other, path in kept.items() for named in _pictures(root, path, other)]
    lines = (folder / ANNOTATIONS).read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        columns = line.split("\t")
        if len(columns) < 2:  # noqa: PLR2004  the file's name and its class; a box may follow
            message = f"{folder / ANNOTATIONS} line {number}: no file name, tab and class"
            raise DataError(message)
        path = (folder / _UNLABELLED / columns[0]).relative_to(root).as_posix()
        named.append(Named(path, columns[1], purpose))
    return named


def _pictures(root: Path, folder: Path, purpose: Purpose) -> list[Named]:
    """Find every picture under the sub-folders of `folder`, which are its classes."""
    loose = [each.name for each in os.scandir(folder) if each.is_file() and _is_shown(each.name)]
    pictures = sum(name.lower().endswith(_SUFFIXES) for name in loose)
    if not _sub_folders(folder):
        message = (
            f"{folder} needs at least two sub-folders of images, one per class; it has none, and "
            f"{pictures} pictures of its own: move them into one sub-folder per class, or give "
            "their labels in a list (csv:FILE)"
        )
        raise DataError(message)
    named, others = [], Counter({"pictures of no class": pictures} if pictures else {})
    for of_class in _sub_folders(folder):
        place = of_class.relative_to(root).as_posix()
        for path in _files(of_class, root):
            if path.lower().endswith(_SUFFIXES):
                named.append(Named(f"{place}/{path}", of_class.name, purpose))
            else:
                others[Path(path).suffix] += 1
    if others:
        kinds = ", ".join(sorted(others))
        log.warning("%s: left out %d files (%s)", folder, others.total(), kinds)
    return named


def _files(folder: Path, root: Path) -> Iterator[str]:
    """Find every file that is not hidden, in sub-folders too: paths relative to the folder.

    Links to folders are followed, but not back to a folder that they lie in, up to the root.
    """
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [n for n in folders if _is_shown(n) and not _leads_back(Path(place, n), root)]
        inner = place[len(str(folder)) + 1 :] + "/" if place != str(folder) else ""
        yield from (f"{inner}{name}" for name in files if _is_shown(name))


def _leads_back(link: Path, root: Path) -> bool:
    above = (folder for folder in link.parents if folder.is_relative_to(root))
    return link.is_symlink() and any(link.samefile(folder) for folder in above)


def _classes(folder: Path) -> list[str]:
    return [each.name for each in _sub_folders(folder)]


def _sub_folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if _is_shown(each.name) and each.is_dir())


def _is_shown(name: str) -> bool:
    return not name.startswith(_HIDDEN)


def _names(folders: list[Path]) -> str:
    return " and ".join(folder.name for folder in folders)
