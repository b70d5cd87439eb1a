"""What a training step costs, layer-local and by backpropagation: time and memory over depth.

    python -m benchmarks.training_cost --out docs/training_cost.png

The same network, batch and precision throughout. Every figure is taken in a fresh process, and the
methods take turns, round by round, so that all meet the same machine. "accumulation" is
backpropagation of four micro-batches one after the other, "checkpointing" computes every layer
twice to keep only its input.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.figures import Spread, short
from benchmarks.machine import cores, this_machine
from benchmarks.panels import Panel, draw
from benchmarks.tables import markdown
from benchmarks.training_step import METHODS, MICRO_BATCHES, Method, StepCost, Task, measured
from training.compare.process import in_fresh_process
from training.fit.device import resolve
from training.settings.sections import RunSettings

# By depth and method, a cost for every round.
Costs = Mapping[tuple[int, Method], list[StepCost]]
_MEGA = 1e6
_HEADS = (
    "layers", "method", "s/step", "CPU s", "step MB", "kept MB", "ours: time", "CPU", "memory",
    "time x memory",
)  # fmt: skip


def run(tasks: Sequence[Task], rounds: int, steps: int) -> Costs:
    """Measure every method on every task, in turns."""
    costs: dict[tuple[int, Method], list[StepCost]] = {}
    for number in range(rounds):
        for task in tasks:
            for method in METHODS:
                cost = in_fresh_process(measured, (method, task, steps))
                costs.setdefault((task.depth, method), []).append(cost)
                told = f"{statistics.median(cost.seconds):.3f} s, {cost.step_bytes / _MEGA:.1f} MB"
                print(f"round {number + 1}: {task.depth} layers, {method}: {told}", file=sys.stderr)
    return costs


def table(costs: Costs) -> str:
    """Write the costs, and beside each method the ratio ours over it; above 1 in bold: we lose."""
    rows = []
    for (depth, method), found in costs.items():
        ours = costs[depth, "ours"]
        times = Spread.of(map(_seconds, found))
        step, kept = max(c.step_bytes for c in found), found[0].kept_bytes
        by_time = statistics.median(map(_ratio, map(_seconds, ours), map(_seconds, found)))
        by_cpu = statistics.median(map(_ratio, map(_cpu_seconds, ours), map(_cpu_seconds, found)))
        by_memory = max(c.step_bytes for c in ours) / step
        ratios = [_worded(r) for r in (by_time, by_cpu, by_memory, by_time * by_memory)]
        cpu = Spread.of(map(_cpu_seconds, found))
        figures = [str(times), str(cpu), short(step / _MEGA), short(kept / _MEGA)]
        rows.append([str(depth), method, *figures, *([""] * 4 if method == "ours" else ratios)])
    return markdown(_HEADS, rows)


def panels(costs: Costs) -> list[Panel]:
    """Lay out time, memory and their product over depth."""

    def lines(of: Mapping[tuple[int, Method], float]) -> dict[str, list[tuple[int, float]]]:
        return {m: [(d, value) for (d, at), value in of.items() if at == m] for m in METHODS}

    seconds = {key: statistics.median(map(_seconds, found)) for key, found in costs.items()}
    memory = {key: max(c.step_bytes for c in found) / _MEGA for key, found in costs.items()}
    product = {key: seconds[key] * memory[key] for key in costs}
    return [
        Panel("seconds per step", lines(seconds)),
        Panel("MB held at most in a step", lines(memory)),
        Panel("seconds x MB", lines(product)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, draw; return the exit status."""
    options = _parser().parse_args(arguments)
    chosen = RunSettings(
        device=options.device, precision=options.precision, threads=options.threads
    )
    settings = resolve(chosen)
    tasks = [
        Task(depth, tuple(options.widths), options.batch, options.image_size, settings)
        for depth in options.depths
    ]
    before = os.getloadavg()[0]
    costs = run(tasks, options.rounds, options.steps)
    machine = this_machine("benchmarks.training_cost", {"goodserve": Path()})
    print(f"`{machine.command}`\n")
    print(
        f"{settings.device}, {settings.precision}, {settings.threads} threads, batch "
        f"{options.batch}, {options.image_size} x {options.image_size} pixels, widths "
        f"{options.widths}; medians of {options.rounds} rounds of {options.steps} steps, lowest to "
        f"highest in brackets. {machine.cores} cores of {machine.processor}, torch "
        f"{torch.__version__}, Python {machine.versions['python']}, commit "
        f"{machine.commits['goodserve']}; load {before:.1f} before and "
        f"{os.getloadavg()[0]:.1f} after.\n"
    )
    print(table(costs))
    if options.out is not None:
        draw(panels(costs), "cost of a training step over layers").save(options.out, optimize=True)
    return 0


def _seconds(cost: StepCost) -> float:
    return statistics.median(cost.seconds)


def _cpu_seconds(cost: StepCost) -> float:
    return statistics.median(cost.cpu_seconds)


def _ratio(ours: float, other: float) -> float:
    return ours / other


def _worded(ratio: float) -> str:
    return f"**{ratio:.2f}**" if ratio > 1 else f"{ratio:.2f}"


def _depth(text: str) -> int:
    depth = int(text)
    if depth < 1 or depth % 4 != 1 or depth == 1:
        message = f"{depth} layers: take 1 more than a multiple of 4, such as 9, 17 or 33"
        raise argparse.ArgumentTypeError(message)
    return depth


def _batch(text: str) -> int:
    batch, least = int(text), 2 * MICRO_BATCHES
    if batch < least:
        message = f"a batch of {batch}: {MICRO_BATCHES} micro-batches of two images take {least}"
        raise argparse.ArgumentTypeError(message)
    return batch


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--depths", type=_depth, nargs="+", default=[9, 17, 33])
    parser.add_argument(
        "--widths", type=int, nargs=4, default=[32, 64, 128, 256], help="of the four stages"
    )
    parser.add_argument("--batch", type=_batch, default=128)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="timed in each process")
    parser.add_argument("--threads", type=int, default=cores(), help="on a CPU")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--out", type=Path, help="draw the plot as PNG")
    return parser


if __name__ == "__main__":
    sys.exit(main())
