"""What a run scores, written once beside its answers: whoever goes on with it does the same.

    FOLDER/plan.jsonl                       the question, then a shard per line
    FOLDER/part-000000-1f0c2a9d77e1.jsonl   answers of a shard, whole
    FOLDER/failed-000000-1f0c2a9d77e1.jsonl its pictures that could not be read, if there are some

A part is there or is not, and its name follows from its shard. So neither a worker that is lost,
nor a second one on the same shard, nor a second run can leave out a picture or answer one twice.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, NamedTuple

import msgspec

from model.artifact.files import sync_folder, write_atomically
from service.cluster.shard import Shard
from service.rows import Row, RowsError

_PLAN, _PART, _FAILED = "plan.jsonl", "part", "failed"


@dataclass(frozen=True)
class Question:
    """What all answers in a folder have in common.

    Attributes:
        sources: their absolute paths.
        model: NAME/VERSION.
        model_sha256: of its graph: elsewhere the same name may mean another one.
        top_k: classes of a row.
        confidence: of the set of classes; None: without.
        part_size: pictures in a shard.
        column: of Parquet files.
    """

    sources: tuple[str, ...]
    model: str
    model_sha256: str
    top_k: int
    confidence: float | None
    part_size: int
    column: str


class Planned(NamedTuple):
    """A shard by where it stands in the plan, so that nobody holds all of them.

    Attributes:
        name: what its files are called by.
        offset_bytes: of its line.
    """

    name: str
    offset_bytes: int


class Plan:
    """The plan of a folder, and the parts beside it."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read yet."""
        self.folder = folder
        self._path = folder / _PLAN

    def make(self, question: Question, shards: Iterable[Shard]) -> None:
        """Write the plan, unless it is there.

        Args:
            question: that the answers are of.
            shards: read only if there is no plan yet.

        Raises:
            RowsError: the folder holds answers to another question, or there is no picture.
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            self._check_same(question)
            return
        with NamedTemporaryFile("w", dir=self.folder, prefix=f".{_PLAN}.", delete=False) as file:
            aside = Path(file.name)
            try:
                _write(file, question, shards)
                file.flush()
                os.fsync(file.fileno())
                aside.chmod(0o644)
                aside.replace(self._path)
            except BaseException:
                aside.unlink(missing_ok=True)
                raise
        sync_folder(self.folder)

    def _check_same(self, question: Question) -> None:
        try:
            with self._path.open() as file:
                before = json.loads(file.readline())
        except ValueError as error:
            message = f"{self._path} is no plan of ours: {error}"
            raise RowsError(message) from error
        for name, now in json.loads(json.dumps(asdict(question))).items():
            if before.get(name) != now:
                message = (
                    f"{self.folder} holds answers for {name} {before.get(name)}, not {now}; ask "
                    "for the same, or name another folder"
                )
                raise RowsError(message)

    def shards(self) -> Iterator[Planned]:
        """List the shards, in their order."""
        with self._path.open("rb") as file:
            offset = len(file.readline())
            for number, line in enumerate(file):
                yield Planned(Shard.parse(line.decode()).name(number), offset)
                offset += len(line)

    def shard(self, planned: Planned) -> Shard:
        """Read one shard."""
        with self._path.open("rb") as file:
            file.seek(planned.offset_bytes)
            return Shard.parse(file.readline().decode())

    def is_done(self, planned: Planned) -> bool:
        """Tell whether a shard's part is there, and so is whole."""
        return self._file(_PART, planned).exists()

    def write(self, planned: Planned, rows: Sequence[Row], failed: Sequence[Row]) -> None:
        """Write what a shard's pictures gave; its part last, which says that all is there.

        Raises:
            OSError: the folder cannot be written.
        """
        aside = self._file(_FAILED, planned)
        if failed:
            write_atomically(aside, _lines(failed))
        else:
            aside.unlink(missing_ok=True)  # of a worker that was lost before it wrote the part
        write_atomically(self._file(_PART, planned), _lines(rows))

    def finish(self) -> int:
        """Remove what lost workers left; return how many pictures could not be read.

        Only once every part is there: then nobody writes.
        """
        for left in self.folder.glob(".*.jsonl.*"):
            with suppress(FileNotFoundError):
                left.unlink()
        return sum(
            file.read_bytes().count(b"\n") for file in self.folder.glob(f"{_FAILED}-*.jsonl")
        )

    def _file(self, kind: str, planned: Planned) -> Path:
        return self.folder / f"{kind}-{planned.name}.jsonl"


def _write(file: IO[str], question: Question, shards: Iterable[Shard]) -> None:
    """Write a plan, as the shards are listed."""
    file.write(json.dumps(asdict(question)) + "\n")
    if not sum(1 for shard in shards if file.write(shard.line + "\n")):
        message = f"there are no pictures in {', '.join(question.sources)}"
        raise RowsError(message)


def _lines(rows: Sequence[Row]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
