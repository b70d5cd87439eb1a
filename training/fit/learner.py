"""A network in training: its weights, its optimizers, and where in the run they stand."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from model.network.stack import ForwardForwardNetwork
from training.fit.batches import Batches
from training.fit.build import build_network
from training.fit.divergence import DivergenceWatch, refuse_broken_weights
from training.fit.position import Position
from training.fit.prefix import CachedPrefix, Passed, cached_prefix
from training.fit.step import LocalUpdate
from training.initial.read import TrainedLayers
from training.initial.take_over import take_over
from training.objective.objective import Moment, Objective
from training.parallel.group import ALONE, Group
from training.settings.fit import FitSettings


class Learner:
    """Takes the steps of a run, one batch after the other.

    Attributes:
        network: on the device.
        device: where it learns.
        position: in the run.
    """

    def __init__(
        self,
        settings: FitSettings,
        batches: Batches,
        num_classes: int,
        objective: Objective,
        group: Group = ALONE,
    ) -> None:
        """Draw the initial weights.

        Raises:
            ConfigError: no network has the shape asked for.
        """
        seed = settings.run.seed
        network = build_network(settings.network, batches.train, num_classes, seed)
        self.device = torch.device(settings.run.device)
        self.network: ForwardForwardNetwork = network.to(self.device).to(
            memory_format=torch.channels_last  # type: ignore[call-overload]
        )
        precision = settings.run.precision
        self._update = LocalUpdate(self.network, settings.optimiser, objective, precision, group)
        self._group = group
        self._batches = batches
        self._watch = DivergenceWatch()
        self._cache: CachedPrefix | None = None
        self._has_begun = False
        self.position = self._start_of(0)

    @property
    def steps_done(self) -> int:
        """Steps taken, over all epochs."""
        return self.position.epoch * self._batches.steps + self.position.step

    @property
    def is_epoch_over(self) -> bool:
        """Tell whether every step of the epoch is taken."""
        return self.position.step == self._batches.steps

    def batches(self) -> Iterator[Tensor]:
        """Deal out what is left of the epoch: the positions of each batch's images, `(N,)`.

        Each batch is to be learned before the next.
        """
        order = self._batches.order(self.position.epoch)
        yield from order[self.position.step :]

    def learn(self, indices: Tensor, total_steps: float) -> None:
        """Take one step.

        Args:
            indices: `(N,)`, int64, positions in the training split.
            total_steps: of the whole run, which decides rates and weights.

        Raises:
            DivergenceError: a loss of the last few dozen steps is no number.
        """
        at = Moment(self.steps_done, total_steps, self.position.epoch)
        losses = self._update.step_passed(*self._passed(indices), at)
        self.position = self.position.after(losses)
        self._watch.see(losses, self.position)

    def _passed(self, indices: Tensor) -> tuple[Passed, Tensor]:
        """Give what the frozen layers make of this process' share, and all labels `(N,)`."""
        if not self._has_begun:
            sharers = self._group.size
            self._cache = cached_prefix(self._update.frozen, self._batches, self.device, sharers)
            self._has_begun = True
        epoch, step, _ = self.position
        labels = self._batches.train.labels[indices].to(self.device)
        share = self._group.share(len(indices))
        if self._cache is None:
            # All are augmented, so that each image comes out as it would in one process.
            images = share.of(self._batches.augmented(indices, epoch, step).images)
            return self._update.frozen(images.to(self.device)), labels
        mirrored = share.of(self._batches.mirrored(len(indices), epoch, step))
        return self._cache(share.of(indices).to(self.device), mirrored.to(self.device)), labels

    def take_over(self, trained: TrainedLayers, freeze: int) -> int:
        """Begin with layers that were trained before; return how many could be taken over.

        Raises:
            ConfigError: none fits, or fewer than are to be frozen.
        """
        network = self.network.to("cpu")
        taken = take_over(network, trained, self._batches.train, freeze)
        network.to(self.device)
        return taken

    def next_epoch(self) -> None:
        """Stand before the next epoch."""
        self.position = self._start_of(self.position.epoch + 1)

    def refuse_divergence(self) -> None:
        """Make sure that all losses so far, and all weights, are numbers.

        Raises:
            DivergenceError: the message names layer, epoch and step.
        """
        self._watch.look(self.position)
        refuse_broken_weights(self.network, self.position)

    def state(self) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
        """Give the state of the network, and of every layer's optimizer."""
        return self.network.state_dict(), self._update.state_dict()

    def go_back(
        self,
        position: Position,
        network: dict[str, Tensor],
        optimizers: list[dict[str, Any]],
    ) -> None:
        """Stand where `state` was taken.

        Raises:
            KeyError, RuntimeError, ValueError: the state is of another network.
        """
        self.network.load_state_dict(network, strict=True)
        self._update.load_state_dict(optimizers)
        self.position = position._replace(loss_sum=position.loss_sum.to(self.device))

    def to_cpu(self) -> ForwardForwardNetwork:
        """Take the network off the device, for the end of the run."""
        return self.network.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]

    def _start_of(self, epoch: int) -> Position:
        return Position.start(epoch, len(self.network.layers()), self.device)
