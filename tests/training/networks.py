"""A small network that learns, for the tests of steps and of the objective."""

from typing import Any

import torch

from model.network.rule import AssignmentKind
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from training.fit.step import LocalUpdate
from training.objective.objective import Objective
from training.objective.terms import TERMS, Terms
from training.parallel.group import ALONE, Group
from training.settings.sections import ObjectiveSettings, OptimiserSettings


def network(
    seed: int = 0, assignment: AssignmentKind = "learnable", **rule: Any
) -> ForwardForwardNetwork:
    """Make a network of three layers."""
    spec = NetworkSpec(16, 16, 4, (6, 6, 8), (3,), 2, shortcut=True, assignment=assignment, **rule)
    return ForwardForwardNetwork(spec, seed).train()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Draw images and labels."""
    chance = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (12, 16, 16, 3), dtype=torch.uint8, generator=chance)
    return images, torch.randint(0, 4, (12,), generator=chance)


def learner(
    of: ForwardForwardNetwork,
    objective: ObjectiveSettings | None = None,
    terms: Terms = TERMS,
    group: Group = ALONE,
    **changes: Any,
) -> LocalUpdate:
    """Make a network learn at a constant rate of 0.01, with the default terms from the start."""
    usual = {"learning_rate": 0.01, "warmup_fraction": 0.0}
    settings = OptimiserSettings.model_validate(usual | changes)
    regularisers = {name: {"warmup": 0.0} for name in ("entropy", "orthogonality")}
    asked = objective or ObjectiveSettings.model_validate({"terms": regularisers})
    return LocalUpdate(of, settings, Objective(asked, terms), group=group)
