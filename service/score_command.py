"""`goodserve score`: folders and Parquet files of pictures, by all machines of a Ray cluster."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from model.artifact.place import absolute
from service.cluster.plan import Plan, Question
from service.cluster.shard import shards_in
from service.local_pictures import loaded_version
from service.pictures import PicturesError
from service.predict_command import refuse_failures
from service.predict_flags import Asked
from service.repository_flags import Repository, repository_at
from service.rows import RowsError, name_of

_ASKED = Asked()


def score_pictures(  # noqa: PLR0913  each is a flag
    *sources: Path,
    to: Annotated[Path, Parameter(help="Folder for the answers, which every machine sees.")],
    repository: Repository = None,
    asked: Annotated[Asked, Parameter(name="*")] = _ASKED,
    address: Annotated[
        str | None,
        Parameter(
            help="HOST:PORT of a Ray cluster's head; by default as RAY_ADDRESS says, or the one "
            "that this machine is part of, or else this machine alone."
        ),
    ] = None,
    workers: Annotated[
        int | None, Parameter(validator=Number(gte=1), help="Cores to use; by default all.")
    ] = None,
    part_size: Annotated[
        int, Parameter(validator=Number(gte=1), help="Pictures in one file of answers.")
    ] = 1000,
    column: Annotated[str, Parameter(help="Holds the pictures in Parquet files.")] = "image",
) -> None:
    """Classify pictures in folders and Parquet files on a Ray cluster; run again, it goes on."""
    if find_spec("ray") is None:
        message = "goodserve score needs ray, which is not installed: pip install 'goodserve[ray]'"
        raise RowsError(message)
    paths = _apart(sources)
    place = absolute(repository_at(repository).place)
    loaded = loaded_version(place, asked)
    question = Question(
        sources=tuple(name_of(path) for path in paths),
        model=str(loaded.id),
        model_sha256=loaded.manifest.model_sha256,
        top_k=asked.top_k,
        confidence=asked.confidence,
        part_size=part_size,
        column=column,
    )
    plan = Plan(to.absolute())
    try:
        plan.make(question, shards_in(paths, part_size, column))
    except OSError as error:
        raise PicturesError(str(error)) from error
    # By its number, whatever becomes active meanwhile.
    fixed = replace(asked, version=str(loaded.id), model=None)
    refuse_failures(_score(plan, place, fixed, address, workers))


def _apart(sources: Sequence[Path]) -> list[Path]:
    """Give the sources as every machine can name them.

    Raises:
        RowsError: there is none, or one holds another, whose pictures would be answered twice.
    """
    paths = [path.absolute() for path in sources]
    if not paths:
        message = "name a folder of pictures, or a Parquet file"
        raise RowsError(message)
    for place, path in enumerate(paths):
        others = paths[:place] + paths[place + 1 :]
        if any(path.is_relative_to(other) for other in others):
            message = f"{path} is named twice, by itself or by a folder that holds it"
            raise RowsError(message)
    return paths


def _score(plan: Plan, place: str, asked: Asked, address: str | None, workers: int | None) -> int:
    """Score what is not yet scored; return how many pictures hold an error in all parts.

    Raises:
        ClusterError: it does not answer, or could not do it.
    """
    total = sum(1 for _ in plan.shards())
    waiting = [each for each in plan.shards() if not plan.is_done(each)]
    if waiting:
        print(f"goodserve: {total - len(waiting)} of {total} parts are there", file=sys.stderr)
        joining = import_module("service.cluster.joining")
        score = import_module("service.cluster.score").score
        with joining.joined(address):
            for each in score(plan, waiting, place, asked, workers):
                said = f"{each.rows} pictures, {each.failed} unread, by node {each.node}"
                print(f"goodserve: part-{each.name}: {said}", file=sys.stderr)
    return plan.finish()
