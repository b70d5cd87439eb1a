"""The CPU seconds of a training step, in each process of a run of one or several.

python -m benchmarks.parallel_step
torchrun --nproc-per-node 2 -m benchmarks.parallel_step

Time by the clock depends on what else runs; CPU seconds hardly do. What several processes spend in
all, beyond what one spends, is what they compute twice and what they send each other.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor

from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from training.fit.device import denormals_flushed, make_deterministic
from training.fit.step import LocalUpdate
from training.objective.objective import Moment, Objective
from training.parallel.group import Group
from training.parallel.together import joined
from training.settings.sections import (
    NetworkSettings,
    ObjectiveSettings,
    OptimiserSettings,
    RunSettings,
)

_SIDE, _CLASSES = 32, 10
# The first steps load libraries and fill caches.
_WARM_UP = 2


def main() -> None:
    """Take steps with the default network and batch, and print what one cost here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    asked = parser.parse_args()
    make_deterministic(RunSettings(threads=1, device="cpu"))
    with joined() as group, denormals_flushed():
        spent_s = cpu_seconds(asked.steps, asked.precision, group)
    print(f"{group.size} processes, {asked.precision}: {spent_s:.3f} CPU s a step in this one")


def cpu_seconds(steps: int, precision: str, group: Group) -> float:
    """Give the median CPU seconds of a step in this process."""
    images, labels = _batch(OptimiserSettings().batch_size)
    images = group.share(len(images)).of(images)
    # No layer stops: every step is a whole one.
    settings = OptimiserSettings(freeze_after=())
    update = LocalUpdate(_network(), settings, Objective(ObjectiveSettings()), precision, group)
    found = []
    for step in range(_WARM_UP + steps):
        before = time.process_time()
        update.step(images, labels, Moment(step, _WARM_UP + steps))
        found.append(time.process_time() - before)
    return statistics.median(found[_WARM_UP:])


def _network() -> ForwardForwardNetwork:
    shape = NetworkSettings()
    spec = NetworkSpec(
        _SIDE,
        _SIDE,
        _CLASSES,
        shape.widths,
        shape.pooled_layers,
        shape.regions,
        shape.shortcut,
        shape.assignment,
    )
    network = ForwardForwardNetwork(spec, 0).train()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _batch(size: int) -> tuple[Tensor, Tensor]:
    """Draw images and labels; what they show does not change what a step costs."""
    chance = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (size, _SIDE, _SIDE, 3), dtype=torch.uint8, generator=chance)
    return images, torch.randint(0, _CLASSES, (size,), generator=chance)


if __name__ == "__main__":
    main()
