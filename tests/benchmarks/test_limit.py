"""The limit counts what its processes did together."""

import pytest

from benchmarks.limit import Counted, Layout, Pace, layouts, measure, pace
from benchmarks.options import REPOSITORY
from benchmarks.pictures import KINDS, draw_all


def test_rates_add_up_and_cpu_is_shared() -> None:
    """Each process has its own seconds; CPU time counts by image."""
    counts = [Counted(images=100, seconds=2, cpu_s=1.9), Counted(images=50, seconds=1, cpu_s=1.1)]

    assert pace(counts) == Pace(images_per_s=100, cpu_ms_per_image=20)


@pytest.mark.parametrize(("cores", "count"), [(1, 4), (2, 5), (8, 5)])
def test_one_core_alone_is_tried_and_all_of_them(cores: int, count: int) -> None:
    """No layout twice."""
    found = layouts(cores)

    assert len(set(found)) == len(found) == count
    assert found[0] == Layout(processes=1, threads=1, batch=1)
    assert max(layout.processes for layout in found) == cores


def test_processes_work_side_by_side() -> None:
    """Two processes for a fifth of a second, with the bundled model."""
    pictures = draw_all(KINDS["png32"])

    found = measure(REPOSITORY, pictures, Layout(2, 1, 4), seconds=0.2)

    assert found.images_per_s > 0
    assert 0.1 < found.cpu_ms_per_image < 1000
