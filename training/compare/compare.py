"""Running every variant, each in a fresh process, one after the other."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from model.artifact.files import write_atomically
from training.compare.end_to_end import train_end_to_end
from training.compare.local import train_locally
from training.compare.machine import load, this_machine
from training.compare.options import CompareOptions
from training.compare.plot import draw
from training.compare.process import in_fresh_process
from training.compare.result import Comparison, VariantResult, table
from training.compare.variants import Plan, Rule, Variant, plan
from training.errors import ConfigError, DivergenceError, LostProcessError
from training.fit.device import resolve
from training.settings.fit import FitSettings

RESULT, PLOT, TABLE = "comparison.json", "comparison.svg", "comparison.md"

_TRAIN: dict[Rule, Callable[[Variant], list[VariantResult]]] = {
    "local": train_locally,
    "backpropagation": train_end_to_end,
}


def compare(
    settings: FitSettings,
    options: CompareOptions,
    say: Callable[[str], None],
    keep: Callable[[Comparison], object] = lambda _found: None,
) -> Comparison:
    """Train and measure every variant.

    Args:
        settings: of the full method; `auto` is replaced by what this machine has.
        options: which variants, and the rates of backpropagation.
        say: is told what happens.
        keep: is given what is known after each variant, so that a later one loses nothing.

    Raises:
        ConfigError: there is no variant of a name, or none could be trained.
        TrainingError: the data do not allow it.
    """
    settings = settings.model_copy(update={"run": resolve(settings.run)})
    planned = _chosen(plan(settings, options.backprop_rates), options.only or ())
    rows, left_out = list[VariantResult](), dict(planned.left_out)
    compared = functools.partial(_compared, settings, rows, left_out, load())
    for variant in planned.variants:
        say(f"training: {variant.name}")
        try:
            found = in_fresh_process(_TRAIN[variant.rule], variant)
        except (ConfigError, DivergenceError, LostProcessError) as error:
            left_out[variant.name] = str(error)
            say(f"left out: {variant.name}: {error}")
            continue
        rows += found
        for row in found:
            say(f"{row.name}: validation {row.validation:.2%}, test {row.test:.2%}")
        keep(compared())
    if not rows:
        raise ConfigError("; ".join(left_out.values()))
    return compared()


def _compared(
    settings: FitSettings,
    rows: Sequence[VariantResult],
    left_out: Mapping[str, str],
    load_before: float,
) -> Comparison:
    machine = this_machine(settings.run.device, load_before)
    return Comparison(settings=settings, rows=tuple(rows), left_out=left_out, machine=machine)


def store(comparison: Comparison, folder: Path) -> list[str]:
    """Write the result, its table and its plot into a folder; give the table's lines."""
    lines = list(table(comparison))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / RESULT, comparison.model_dump_json(indent=1).encode() + b"\n")
    write_atomically(folder / TABLE, ("\n".join(lines) + "\n").encode())
    write_atomically(folder / PLOT, draw(comparison.rows).encode())
    return lines


def refuse_existing(folder: Path) -> None:
    """Make sure that no earlier comparison is written over.

    Raises:
        ConfigError: the folder holds one.
    """
    if (folder / RESULT).exists():
        message = f"{folder} holds a comparison already; name another folder with --out"
        raise ConfigError(message)


def _chosen(planned: Plan, only: tuple[str, ...]) -> Plan:
    names = [variant.name for variant in planned.variants]
    unknown = [name for name in only if name not in [*names, *planned.left_out]]
    if unknown:
        message = f"no variants {', '.join(unknown)}; there are {', '.join(names)}"
        raise ConfigError(message)
    kept = tuple(v for v in planned.variants if not only or v.name in only)
    return Plan(kept, {n: r for n, r in planned.left_out.items() if not only or n in only})
