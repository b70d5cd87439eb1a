"""What processes that cannot train together are told."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.pictures import write_folder
from tests.training.fit.small import settings
from training.errors import DataError
from training.fit.start import start_run
from training.parallel.group import Alone
from training.parallel.share import Share
from training.parallel.together import joined
from training.results.run import Run

T = TypeVar("T")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small training folder."""
    return write_folder(tmp_path_factory.mktemp("data") / "colours", per_class=12)


class Nine(Alone):
    """Says that there are nine processes."""

    size = 9


class OfOtherData(Alone):
    """Hears from its leader another fingerprint, the only text that is told."""

    def told(self, read: Callable[[], T]) -> T:
        """Read, but no text."""
        found = read()
        return "another" if isinstance(found, str) else found  # type: ignore[return-value]


def test_more_processes_than_images_are_refused(data: Path, tmp_path: Path) -> None:
    """Nine cannot share a batch of eight."""
    with pytest.raises(DataError, match="9 processes cannot share a batch of 8 and"):
        start_run(settings(data), Run(tmp_path / "run"), group=Nine())


def test_other_data_than_the_leaders_are_refused(data: Path, tmp_path: Path) -> None:
    """On another machine a path may lead to something else."""
    with pytest.raises(DataError, match="is not the same here as where the leading process runs"):
        start_run(settings(data), Run(tmp_path / "run"), group=OfOtherData())


@pytest.mark.parametrize("variables", [{}, {"RANK": "0", "WORLD_SIZE": "1"}, {"WORLD_SIZE": "2"}])
def test_one_process_joins_nobody(variables: dict[str, str]) -> None:
    """Without a launcher, or with one that started a single process."""
    whole = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"} if "RANK" in variables else {}

    with joined(variables | whole) as group:
        assert (group.size, group.is_leader) == (1, True)


@pytest.mark.parametrize(("total", "sizes"), [(12, [4, 4, 4]), (11, [3, 4, 4]), (3, [1, 1, 1])])
def test_shares_are_the_whole_in_order(total: int, sizes: list[int]) -> None:
    """Each row belongs to one process; the sizes differ by at most one."""
    shares = Share.each(total, 3)

    assert [share.size for share in shares] == sizes
    assert [row for s in shares for row in range(s.start, s.stop)] == list(range(total))
