"""Steps of small networks, alone or together: a program, and what it does to be compared with.

Each process of `python -m tests.training.parallel.steps DATA FOLDER` stores what it came to.
"""

import dataclasses
import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from model.network.stack import ForwardForwardNetwork
from tests.training.fit.small import settings
from tests.training.networks import batch, learner, network
from training.fit.start import start_run
from training.objective.objective import Moment
from training.parallel.followed import FollowedRun
from training.parallel.group import Group
from training.parallel.share import Share
from training.parallel.together import joined
from training.results.run import Run

STEPS = 3


class Case(NamedTuple):
    """A network and how it learns, by what differs from the usual."""

    rule: Mapping[str, Any] = MappingProxyType({})
    optimiser: Mapping[str, Any] = MappingProxyType({})


CASES = {
    "usual": Case(),
    "no-norm": Case({"activity_norm": "none"}),
    "image-norm": Case({"input_norm": "layer", "stage_pooling": "average"}),
    "maxima": Case({"pooling": (0.9, 0.2, 0.1)}),
    "squared": Case({"squared": True}),
    "uneven-regions": Case({"regions": 3}),
    "plain": Case({"readout": "plain", "assignment": "tempered"}),
    "two-convolutions": Case({"convolutions": (1, 2)}),
    "bounded": Case(optimiser={"max_gradient_norm": 0.05}),
    "muon": Case(optimiser={"optimizer": "muon"}),
    "freezing": Case(optimiser={"freeze_after": (2 / 3,)}),
    "frozen": Case(optimiser={"freeze": 1}),
}


class Outcome(NamedTuple):
    """What steps came to.

    Attributes:
        losses: `(STEPS, L)`.
        state: of the network.
        gradients: each parameter's mean gradient over the steps, as its optimizer remembers it.
    """

    losses: Tensor
    state: dict[str, Tensor]
    gradients: list[Tensor]


def outcome(name: str, group: Group) -> Outcome:
    """Take a few steps of a case."""
    case = CASES[name]
    torch.set_num_threads(1)
    spec = dataclasses.replace(network().spec, **case.rule)
    made = ForwardForwardNetwork(spec, 0).train()
    # By AdamW, but where a case says otherwise: Muon makes rounding large, and a ReLU may flip.
    by_adam = {"optimizer": "adamw"}
    update = learner(made, group=group, **by_adam | dict(case.optimiser))
    images, labels = batch()
    share = group.share(len(images) - 1)
    losses = [
        update.step(share.of(images), labels[:-1], Moment(step, STEPS)) for step in range(STEPS)
    ]
    gradients = [
        state["momentum" if kind == "Muon" else "exp_avg"]
        for layer in update.state_dict()
        for kind, optimizer in layer.items()
        for _, state in sorted(optimizer["state"].items())
    ]
    return Outcome(torch.stack(losses), made.state_dict(), gradients)


def timed_epochs(data: Path, folder: Path, group: Group) -> list[dict[str, Any]]:
    """Train for 10 s by a clock that only the leader has, and that moves when it is asked."""
    ticks = itertools.count()

    def clock() -> float:
        assert group.is_leader
        return next(ticks) / 4

    run = Run(folder) if group.is_leader else FollowedRun(folder)
    asked = settings(data, time="10s", epochs=0)
    report = start_run(asked, run, clock=clock, group=group).report
    return [epoch.model_dump() for epoch in report.epochs]


def main(data: Path, folder: Path) -> None:
    """Take the steps of every case, and store what this process came to."""
    with joined() as group:
        rank = Share.each(group.size, group.size).index(group.share(group.size))
        found: dict[str, Any] = {name: tuple(outcome(name, group)) for name in CASES}
        found["told"] = group.told(lambda: f"by {rank}")
        found["awaited"] = group.awaited(lambda: f"by {rank}")
        found["any"] = [group.any(rank == each) for each in range(group.size + 1)]
        found["timed"] = timed_epochs(data, folder / "run", group)
        torch.save(found, folder / f"{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
