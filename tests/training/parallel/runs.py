"""What the tests of whole runs by several processes share: a small training, and its comparison."""

import json
import shlex
from pathlib import Path

import pytest
import torch

from training.__main__ import main
from training.results.checkpoint import Checkpoint
from training.results.run import Run

# A batch of 15 is shared as 7 and 8.
FLAGS = shlex.split(
    "--batch-size 15 --widths 8,12 --pool-before 2 --regions 2 --image-size 16 --threads 1 "
    "--precision float32 --quiet"
)
ENDLESS = [*FLAGS, "--epochs", "100000"]

# Of weights, statistics, losses and accuracies. The most that was found over five seeds is 1.1e-5;
# two threads differ from one thread by as much.
TOLERANCE = 2e-4


def assert_same_training(one: Run, two: Run) -> None:
    """Compare weights, statistics and logs."""
    expected, found = (run.load_model().network.state_dict() for run in (one, two))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=TOLERANCE, rtol=TOLERANCE, msg=name)
    for ours, theirs in zip(logged(one), logged(two), strict=True):
        assert theirs == pytest.approx(ours, abs=TOLERANCE)


def logged(run: Run) -> list[list[float]]:
    """Read what a run's log says of epochs, losses and accuracies, a list for each line."""
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    return [
        [
            line.get("epoch", 0),
            *line.get("train_loss_per_layer", []),
            *(line.get("validation", line)[name] for name in ("n", "loss", "accuracy")),
        ]
        for line in lines
    ]


def finished_by_one(run: Path) -> Checkpoint:
    """Finish the epoch in which a run stopped, by one process; give where it had stopped."""
    checkpoint = Run(run).load()
    assert checkpoint is not None
    epochs = str(checkpoint.epoch + 1)
    assert main(["fit", "--run", str(run), "--resume", "--epochs", epochs, "--quiet"]) == 0
    assert len(Run(run).load_model().report.epochs) == checkpoint.epoch + 1
    return checkpoint
