"""Which files are pictures, listed as they are read."""

from itertools import islice
from pathlib import Path

import pytest

from service import pictures
from service.pictures import pictures_in


def test_folders_are_listed_in_order_and_files_as_named(tmp_path: Path) -> None:
    """Pictures alone; a file that is named is taken whatever it is."""
    names = ["b/2.PNG", "b/1.jpeg", "a.webp", "c.jpg", "c.evidence.png", "d.txt", "b/.png/x.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(tmp_path)

    found = list(pictures_in([tmp_path / "d.txt", tmp_path]))

    expected = ["d.txt", "a.webp", "b/.png/x.png", "b/1.jpeg", "b/2.PNG", "c.jpg"]
    assert [str(each.relative_to(tmp_path)) for each in found] == expected


def test_a_large_folder_is_not_read_whole(tmp_path: Path) -> None:
    """The first pictures come before the rest is looked at, and in the end all are there."""
    for number in range(3 * pictures.SORTED_AT_ONCE // 2):
        (tmp_path / f"{number}.png").touch()

    listing = pictures_in([tmp_path])
    first = list(islice(listing, 3))
    (tmp_path / "zzz.txt").touch()

    assert first == sorted(first)
    assert len({*first, *listing}) == 3 * pictures.SORTED_AT_ONCE // 2


def test_a_folder_that_is_not_there_is_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Whoever opens it says so."""
    assert list(pictures_in([tmp_path / "ghost"])) == [tmp_path / "ghost"]
    with pytest.raises(StopIteration):
        next(iter(pictures_in([])))
