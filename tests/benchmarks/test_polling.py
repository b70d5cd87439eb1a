"""What a look costs: nothing by network of a folder, a few requests of a bucket."""

import pytest

from benchmarks.polling import cost
from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.transfer import copy_version
from tests.bucket import new_bucket, s3_server


def test_a_folder_is_asked_without_a_network() -> None:
    """No request, no byte."""
    found = cost(str(BUNDLED_REPOSITORY), looks=20)

    assert (found.requests, found.up, found.down) == (0, 0, 0)
    assert 0 < found.cpu_ms < 100


def test_a_bucket_is_asked_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an unchanged `active.json`: four requests at most, some kilobytes, at a real server."""
    with s3_server() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        place = f"s3://{new_bucket()}"
        source, target = ModelRepository(BUNDLED_REPOSITORY), ModelRepository(place)
        active = source.active()
        assert active is not None
        copy_version(source, target, active)
        target.activate(active)

        found = cost(place, looks=10)

    assert 1 <= found.requests <= 4
    assert 200 < found.up < 10_000
    assert 100 < found.down < 10_000
