"""The command line of `benchmarks.serving`, read into a plan."""

import argparse
import fnmatch
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.forms import FORMS
from benchmarks.limit import Layout, layouts
from benchmarks.machine import cores
from benchmarks.pictures import KINDS
from benchmarks.records import LIMIT_PREFIX, NAIVE_PREFIX, Cell
from benchmarks.servers import ROOT, Spec, naive, ours
from model.artifact.repository import MODEL_FILE, ModelRepository

CLIENTS = (1, 8, 32, 128)
REPOSITORY = ROOT / "model" / "bundled"

_STYLES = ("sync", "async")
_QUICK = {
    "rounds": 1,
    "seconds": 1,
    "idle_seconds": 0.2,
    "cells": ["raw/png32/8"],
    "naive": ["naive-1-sync"],
}


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        checkouts: folders by label; the first is the one that others are held against.
        specs: the servers.
        layouts: of the limit; none leaves it out.
        cells: what is sent.
        rounds: how often all is measured.
        seconds: how long each cell takes.
        idle_seconds: how long each server is watched after its start.
        seed: of the order.
        out: where the JSON lines go.
    """

    checkouts: dict[str, Path]
    specs: list[Spec]
    layouts: list[Layout]
    cells: list[Cell]
    rounds: int
    seconds: int
    idle_seconds: float
    seed: int
    out: Path | None


@dataclass(frozen=True)
class _Checkout:
    """One value of `--checkout`: `LABEL=FOLDER [FLAGS]`."""

    label: str
    folder: Path
    flags: str

    @classmethod
    def parse(cls, text: str) -> Self:
        where, _, flags = text.partition(" ")
        label, equals, folder = where.partition("=")
        if not label or not equals or label.startswith((LIMIT_PREFIX, NAIVE_PREFIX)):
            reason = f"{text!r} has no label of its own; write LABEL=FOLDER [FLAGS]"
            raise argparse.ArgumentTypeError(reason)
        if not (Path(folder) / "service").is_dir():
            reason = f"{folder!r} of {text!r} has no service to start"
            raise argparse.ArgumentTypeError(reason)
        return cls(label, Path(folder).resolve(), flags)


def parse(arguments: Sequence[str] | None) -> Plan:
    """Read the command line; a mistake in it ends the program with one line."""
    parser = _parser()
    if parser.parse_args(arguments).quick:
        parser.set_defaults(**_QUICK)
    options = parser.parse_args(arguments)
    cells = [cell for cell in every_cell() if matches(cell, options.cells)]
    if not cells:
        parser.error(f"no cell matches {' '.join(options.cells)}; see --help for their names")
    checkouts: list[_Checkout] = options.checkout or [_Checkout("ours", ROOT, "")]
    folders = {checkout.label: checkout.folder for checkout in checkouts}
    if len(folders) < len(checkouts):
        parser.error("two checkouts have the same label; give each its own")
    return Plan(
        checkouts=folders,
        specs=[
            *(ours(c.label, c.folder, f"{c.flags} {options.ours_flags}") for c in checkouts),
            *(spec for spec in naive_servers() if spec.name in options.naive),
        ],
        layouts=_layouts(options),
        cells=cells,
        rounds=options.rounds,
        seconds=options.seconds,
        idle_seconds=options.idle_seconds,
        seed=options.seed,
        out=options.out,
    )


def every_cell() -> list[Cell]:
    """List all that can be sent."""
    return [
        Cell(form=form, body=body, clients=clients)
        for body, form, clients in itertools.product(KINDS, FORMS, CLIENTS)
    ]


def matches(cell: Cell, patterns: Sequence[str]) -> bool:
    """Tell whether a cell is wanted: whether any pattern matches `raw/png32/32`."""
    return any(fnmatch.fnmatchcase(str(cell), pattern) for pattern in patterns)


def naive_servers() -> list[Spec]:
    """List the naive servers: one worker with all cores for a run, or a worker a core.

    Which style is the faster one differs with clients and cores, so both are measured.
    """
    model = _active_model()
    sizes = dict.fromkeys([(1, cores()), (cores(), 1)])
    return [naive(*size, style, model) for size in sizes for style in _STYLES]


def _layouts(options: argparse.Namespace) -> list[Layout]:
    """Take all layouts, one of them for a quick look, none without the limit."""
    if not options.limit:
        return []
    return layouts(cores())[-1:] if options.quick else layouts(cores())


def _active_model() -> Path:
    active = ModelRepository(REPOSITORY).active()
    if active is None:
        reason = f"{REPOSITORY} has no active version to measure"
        raise SystemExit(reason)
    return REPOSITORY / active.name / active.version / MODEL_FILE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description="Measure the service beside the limit in process and beside naive servers.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    names = [spec.name for spec in naive_servers()]
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="how often everything is measured")
    add(
        "--seconds", type=int, default=4,
        help="how long each cell takes; the CPU time of what wrk then cuts off counts, so give "
        "large pictures more",
    )  # fmt: skip
    add("--idle-seconds", type=float, default=3, help="how long a server is watched at its start")
    add(
        "--cells", nargs="+", default=["*"], metavar="GLOB",
        help=f"what is sent, as FORM/PICTURE/CLIENTS; forms: {', '.join(FORMS)}; pictures: "
        f"{', '.join(KINDS)}; clients: {', '.join(map(str, CLIENTS))}",
    )  # fmt: skip
    add(
        "--checkout", action="append", type=_Checkout.parse, metavar="'LABEL=FOLDER [FLAGS]'",
        help="a service to measure, with flags for it; may be given again, and the first is "
        "the one that others are held against; without it, this checkout as ours",
    )  # fmt: skip
    add("--ours-flags", default="", metavar="FLAGS", help="flags for the service of all checkouts")
    add("--naive", nargs="*", choices=names, default=names, help="naive servers: WORKERS-STYLE")
    add("--limit", action=argparse.BooleanOptionalAction, default=True, help="measure the limit")
    add("--seed", type=int, default=0, help="of the order in which things are measured")
    add("--out", type=Path, metavar="FILE", help="where to write every measurement as JSON lines")
    add(
        "--quick",
        action="store_true",
        help="one cell for a second, unless said otherwise: to see that it works",
    )
    return parser
