"""One training step by four methods: how long it takes, and the most memory it holds at once."""

import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint

from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from training.compare.backprop import (
    BackpropUpdate,
    connected,
    end_to_end_optimizer,
    last_goodness,
    network_input,
    scores_of,
)
from training.fit.device import denormals_flushed, make_deterministic
from training.fit.optimiser import LocalOptimizer
from training.fit.step import LocalUpdate
from training.objective.objective import Moment, Objective
from training.settings.sections import ObjectiveSettings, OptimiserSettings, RunSettings

Method = Literal["ours", "backpropagation", "accumulation", "checkpointing"]
METHODS: tuple[Method, ...] = get_args(Method)
MICRO_BATCHES = 4

_STAGES = 4
_CLASSES = 10
# Axes of a convolution's weights.
_CONVOLUTION = 4
# All terms of the objective count fully, and no layer is frozen: the dearest step of a run.
_LATE = Moment(step=600, total_steps=1000)
_SETTINGS = OptimiserSettings(freeze_after=())


class Task(NamedTuple):
    """One network and batch.

    Attributes:
        depth: layers, 1 + a multiple of 4: a first one, and four stages of the same length.
        widths: channels of the four stages.
        batch: images.
        image_size: side, in pixels.
        run: device, precision and threads.
    """

    depth: int
    widths: tuple[int, ...]
    batch: int
    image_size: int
    run: RunSettings

    def network(self) -> ForwardForwardNetwork:
        """Draw the network: residual, its grid halved before the second stage and later ones."""
        length = (self.depth - 1) // _STAGES
        widths = self.widths[:1] + tuple(w for width in self.widths for w in [width] * length)
        pool_before = tuple(2 + stage * length for stage in range(1, _STAGES))
        side = self.image_size
        spec = NetworkSpec(
            side, side, _CLASSES, widths, pool_before, 4, shortcut=True, assignment="learnable"
        )
        drawn = ForwardForwardNetwork(spec, self.run.seed).train().to(self.run.device)
        return drawn.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def images(self) -> tuple[Tensor, Tensor]:
        """Draw a batch and its labels."""
        chance = torch.Generator().manual_seed(self.run.seed)
        size = (self.batch, self.image_size, self.image_size, 3)
        images = torch.randint(0, 256, size, dtype=torch.uint8, generator=chance)
        labels = torch.randint(0, _CLASSES, (self.batch,), generator=chance)
        return images.to(self.run.device), labels.to(self.run.device)


class StepCost(NamedTuple):
    """What a step of one method cost in one fresh process.

    Attributes:
        seconds: of each timed step.
        cpu_seconds: likewise, of all the process's threads: with one thread, other work on the
            machine disturbs them little.
        step_bytes: the most that was allocated at once within a step: activities, gradients and
            temporary arrays, without parameters and the optimizer's state.
        kept_bytes: of parameters, buffers and the optimizer's state.
    """

    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]
    step_bytes: int
    kept_bytes: int


def measured(given: tuple[Method, Task, int]) -> StepCost:
    """Take so many steps of one method on one task; for a process that has done nothing before."""
    method, task, steps = given
    make_deterministic(task.run)
    network = task.network()
    step = stepper(method, network, task)
    device = torch.device(task.run.device)
    with denormals_flushed():
        step()  # the first allocates the optimizer's state and chooses kernels
        paces = [_timed(step, device) for _ in range(steps)]
        network.zero_grad(set_to_none=True)
        found = peak_bytes(step, device)
    kept = sum(t.nbytes for t in network.state_dict().values())
    # Muon keeps one moment of a convolution, AdamW two of everything else.
    kept += sum(p.nbytes * (1 if p.dim() == _CONVOLUTION else 2) for p in network.parameters())
    seconds, cpu_seconds = zip(*paces, strict=True)
    return StepCost(seconds, cpu_seconds, found, kept)


def stepper(method: Method, network: ForwardForwardNetwork, task: Task) -> Callable[[], object]:
    """Give a function that takes one step of a method, always on the same batch."""
    batch, precision = task.images(), task.run.precision
    if method == "ours":
        local = LocalUpdate(network, _SETTINGS, Objective(ObjectiveSettings()), precision)
        return lambda: local.step(*batch, _LATE)
    if method == "backpropagation":
        whole = BackpropUpdate(network, _SETTINGS, precision)
        return lambda: whole.step(*batch, _LATE)
    optimizer = end_to_end_optimizer(network, _SETTINGS)
    if method == "checkpointing":
        return lambda: _step(optimizer, network, [batch], checkpointed_goodness, precision)
    parts = list(zip(*(tensor.chunk(MICRO_BATCHES) for tensor in batch), strict=True))
    return lambda: _step(optimizer, network, parts, last_goodness, precision)


def checkpointed_goodness(network: ForwardForwardNetwork, images: Tensor, precision: str) -> Tensor:
    """Score as `last_goodness` does, keeping of each layer only what it is given.

    Running statistics move twice in a step, for each layer is computed twice; that costs what it
    costs and harms no measurement here.
    """
    x = network_input(network, images, precision)
    *lower, last = network.layers()
    for block in lower:
        x = checkpoint(
            lambda given, block=block: connected(block, given, precision).passed,
            x,
            use_reentrant=False,
        )
    return scores_of(last, connected(last, x, precision).activity)


def peak_bytes(step: Callable[[], object], device: torch.device) -> int:
    """Find the most that a step has allocated at once, beyond what was there before it.

    On CUDA by torch's own counter. On a CPU from every allocation and release that torch's
    allocator reports to the profiler. Not from the process's resident memory: that keeps what is
    freed, and starts with what importing and loading took.
    """
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step()
    return _highest(profiled)


def _highest(profiled: profile) -> int:
    ended: Any = profiled.profiler  # torch's own types lack nbytes
    recorded = ended.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in recorded if e.name() == "[memory]"]
    now = highest = 0
    for _, change in sorted(changes, key=lambda pair: pair[0]):
        now += change
        highest = max(highest, now)
    return highest


def _step(
    optimizer: LocalOptimizer,
    network: ForwardForwardNetwork,
    parts: list[tuple[Tensor, ...]],
    goodness: Callable[[ForwardForwardNetwork, Tensor, str], Tensor],
    precision: str,
) -> None:
    """Backpropagate part after part of a batch, then step once."""
    for images, labels in parts:
        loss = F.cross_entropy(goodness(network, images, precision), labels) / len(parts)
        loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _timed(step: Callable[[], object], device: torch.device) -> tuple[float, float]:
    started, cpu = time.perf_counter(), time.process_time()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started, time.process_time() - cpu
