"""Scores a plan's shards with Ray Data: on every node, by the code of `goodserve predict`."""

import logging
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import ray
from numpy.typing import NDArray
from ray.data import DataContext, TaskPoolStrategy

from service.cluster.plan import Plan, Planned
from service.local_pictures import answer_by, loaded_version
from service.predict.loading import LoadedVersion
from service.predict_flags import Asked
from service.rows import PATH, Row, name_of

# Of the tasks that Ray keeps account of; with more shards than that, a task has several.
_MOST_TASKS = 2000

Batch = dict[str, NDArray[Any]]


class Scored(NamedTuple):
    """A shard whose part is there.

    Attributes:
        name: of the shard.
        rows: answers that were written just now; 0 if a worker that was lost had written them.
        failed: pictures that could not be read, likewise.
        node: identifier of the node that did it.
    """

    name: str
    rows: int
    failed: int
    node: str


def score(
    plan: Plan, waiting: Sequence[Planned], repository: str, asked: Asked, workers: int | None
) -> Iterator[Scored]:
    """Score shards on the cluster that this process has joined.

    Tasks, and not actors: what an actor had in hand waits until that very actor has room to start
    again, and where a node is lost there may be none. A task is done by whoever is free.

    Args:
        plan: of the answers; its folder has the same path on every node.
        waiting: shards that have no part yet.
        repository: holds the version, at the same path on every node, or an address.
        asked: names the version.
        workers: shards at once; None: one for each core of the cluster.

    Raises:
        RayError: a shard cannot be scored, for example because the disk is full.
    """
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors come as exceptions
    DataContext.get_current().enable_progress_bars = False
    named = [each._asdict() for each in waiting]
    shards = ray.data.from_items(named, override_num_blocks=min(len(named), _MOST_TASKS))
    scored = shards.map_batches(
        score_batch,
        batch_size=1,
        compute=TaskPoolStrategy(workers),
        fn_args=(plan.folder, repository, asked),
        num_cpus=1,
    )
    for row in scored.iter_rows():
        yield Scored(**row)


def score_batch(batch: Batch, folder: Path, repository: str, asked: Asked) -> Batch:
    """Score shards in a process of some node.

    Args:
        batch: the fields of `Planned`, `(N,)` each.
        folder: of the plan.
        repository: holds the version.
        asked: names it.

    Returns:
        The fields of `Scored`, `(N,)` each.
    """
    plan, loaded = Plan(folder), _loaded(repository, asked)
    named = zip(batch["name"], batch["offset_bytes"], strict=True)
    done = [_scored(plan, Planned(str(name), int(at)), loaded, asked) for name, at in named]
    return {field: np.array([getattr(each, field) for each in done]) for field in Scored._fields}


@cache
def _loaded(repository: str, asked: Asked) -> LoadedVersion:
    """Load the version once in a process, with every check that the service makes."""
    return loaded_version(repository, asked)


def _scored(plan: Plan, planned: Planned, loaded: LoadedVersion, asked: Asked) -> Scored:
    """Write a shard's part, unless it is there."""
    node: str = ray.get_runtime_context().get_node_id()
    if plan.is_done(planned):
        return Scored(planned.name, 0, 0, node)
    rows, failed = list[Row](), list[Row]()
    for each in answer_by(loaded, plan.shard(planned).pictures(), asked):
        if each.row is not None:
            rows.append(each.row)
        else:
            failed.append({PATH: name_of(each.path), "error": each.error})
    plan.write(planned, rows, failed)
    return Scored(planned.name, len(rows), len(failed), node)
