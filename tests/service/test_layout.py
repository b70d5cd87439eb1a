"""Sharing out the cores: the default uses the machine, and every choice can be overridden."""

from pathlib import Path
from typing import Any

import pytest

from model.artifact.runtime import Device
from service.layout import available_cores, lay_out, limits_of_each
from service.settings import Settings


@pytest.mark.parametrize(
    ("cores", "device", "given", "expected"),
    [
        (1, "cpu", {}, (1, 1, 1, 1, 16)),
        (2, "cpu", {}, (2, 1, 1, 2, 16)),
        (4, "cpu", {}, (4, 1, 1, 4, 16)),
        (8, "cpu", {}, (8, 1, 1, 4, 16)),
        (16, "cpu", {}, (8, 2, 1, 4, 16)),
        (64, "cpu", {}, (16, 4, 1, 4, 16)),
        (2, "cpu", {"workers": 1}, (1, 2, 1, 2, 16)),
        (8, "cpu", {"workers": 1}, (1, 8, 1, 4, 16)),
        (4, "cpu", {"workers": 1, "intra_op_threads": 2}, (1, 2, 2, 4, 16)),
        (2, "cpu", {"lane_workers": 3, "lone_threads": 1}, (2, 3, 1, 1, 16)),
        (2, "cpu", {"max_batch_size": 8}, (2, 1, 1, 2, 8)),
        (16, "cuda", {}, (1, 2, 1, 1, 64)),
    ],
)
def test_the_cores_are_shared_out(
    cores: int, device: Device, given: dict[str, Any], expected: tuple[int, ...]
) -> None:
    """Processes, workers of each, threads of a batch and of a lone image, images in a run."""
    found = lay_out(Settings(**given), device, cores)

    assert (
        found.processes,
        found.lane_workers,
        found.intra_op_threads,
        found.lone_threads,
        found.max_batch_size,
    ) == expected


def test_limits_on_all_requests_together_are_shared_out() -> None:
    """Three processes together admit what was asked for, rounded up; one admits just that."""
    settings = Settings(max_concurrent_requests=100, max_bytes_in_flight=300 << 20)

    alone, each = limits_of_each(settings, 1), limits_of_each(settings, 3)

    assert alone == {name: getattr(settings, name) for name in alone}
    assert each["max_concurrent_requests"] == 34
    assert each["max_bytes_in_flight"] == 100 << 20
    Settings.model_validate(each)


def test_each_process_can_take_the_largest_request() -> None:
    """A share below it would refuse every such request, however idle the service is."""
    settings = Settings(max_waiting_images=64, max_images_per_request=64)

    each = limits_of_each(settings, 8)

    assert each["max_waiting_images"] == 64
    assert each["max_bytes_in_flight"] >= settings.max_request_bytes
    Settings.model_validate(each)


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000", 999), ("100000 100000", 1), ("50000 100000", 1), ("", 999)]
)
def test_a_containers_quota_counts(tmp_path: Path, quota: str, most: int) -> None:
    """A container that may use one core must not start workers for sixty-four."""
    file = tmp_path / "cpu.max"
    file.write_text(quota)

    assert 1 <= available_cores(file) <= most
