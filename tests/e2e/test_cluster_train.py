"""`goodserve-train fit --ray-workers` on a real Ray cluster of two nodes, one of which is lost."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, two_nodes
from tests.pictures import write_folder
from tests.training.parallel.launch import ended, fit, fit_command, start
from tests.training.parallel.runs import FLAGS, assert_same_training
from training.__main__ import main
from training.results.run import Run

_END_S = 600


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Run two nodes of one core each: two workers need both."""
    with two_nodes() as found:
        yield found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a training folder: 243 images to learn from, 16 batches."""
    return write_folder(tmp_path_factory.mktemp("data") / "colours", per_class=100)


def on_ray(cluster: Cluster, source: Path, run: Path, *flags: str) -> subprocess.Popen[str]:
    """Start a training by two workers."""
    where = ("--ray-workers", "2", "--ray-address", cluster.address)
    return start(fit_command(source, run, *flags, *where))


def test_two_workers_give_the_weights_of_one_process(
    cluster: Cluster, data: Path, tmp_path: Path
) -> None:
    """One on each node: the same global batch, the same training; what the leader says is seen."""
    one, two = tmp_path / "one", tmp_path / "two"
    flags = [flag for flag in FLAGS if flag != "--quiet"] + ["--epochs", "2"]
    assert main(fit(data, one, *flags)) == 0

    status, output, errors = ended(on_ray(cluster, data, two, *flags), _END_S)

    assert status == 0, errors
    assert errors == ""
    assert f"report {two / 'report.html'}" in output.splitlines()
    assert_same_training(Run(one), Run(two))
