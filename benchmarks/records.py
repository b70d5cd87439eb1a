"""What is measured: written as one JSON object a line, and read back to draw tables."""

from collections.abc import Iterable
from typing import Annotated, Literal, TextIO

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

LIMIT_PREFIX = "limit "
NAIVE_PREFIX = "naive-"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cell(_Frozen):
    """One thing that is sent: in which form, which kind of picture, by how many clients."""

    form: str
    body: str
    clients: int

    def __str__(self) -> str:
        """Write `raw/png32/32`, which a glob pattern matches."""
        return f"{self.form}/{self.body}/{self.clients}"


class Sample(_Frozen):
    """One measurement of one cell: of a server by wrk, or of the limit in process.

    Attributes:
        round: counted from 0.
        server: its name; `limit 2x1 b16` for a layout of the limit.
        cell: what was sent; of the limit, by nobody: its `clients` is 0.
        answers_per_s: answers of status 2xx in a second; images in a second of the limit.
        cpu_ms: CPU milliseconds, user and system of all the server's processes, per answer.
        p50_ms: median latency in milliseconds; None of the limit.
        p99_ms: 99th percentile of the latency in milliseconds; None of the limit.
        wrk_cores: cores that wrk kept busy.
        server_cores: cores that the server kept busy.
        memory_mb: megabytes (2**20 bytes) of the whole server just after the load.
        non_2xx: answers of status 400 and over.
        socket_errors: connections refused or broken, answers that never came.
    """

    kind: Literal["sample"] = "sample"
    round: int
    server: str
    cell: Cell
    answers_per_s: float
    cpu_ms: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    wrk_cores: float = 0
    server_cores: float = 0
    memory_mb: float = 0
    non_2xx: int = 0
    socket_errors: int = 0


class Start(_Frozen):
    """How one server began.

    Attributes:
        round: counted from 0.
        server: its name.
        first_answer_s: seconds from the command to its first answer.
        idle_cpu_share: of a core, while nobody asks; 0.01 is one per cent.
    """

    kind: Literal["start"] = "start"
    round: int
    server: str
    first_answer_s: float
    idle_cpu_share: float


class Machine(_Frozen):
    """Where and of what the figures were taken.

    Attributes:
        command: the line that gives them again.
        processor: its model name.
        cores: how many may be used.
        kernel: of the operating system.
        versions: of Python and of the packages that matter for speed.
        commits: of each checkout; `-dirty` where something was changed.
    """

    kind: Literal["machine"] = "machine"
    command: str
    processor: str
    cores: int
    kernel: str
    versions: dict[str, str]
    commits: dict[str, str]


Record = Sample | Start | Machine

_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def write(record: Record, out: TextIO) -> None:
    """Append one record as a line, at once: a run that breaks off keeps what it has measured."""
    out.write(record.model_dump_json() + "\n")
    out.flush()


def read(lines: Iterable[str]) -> list[Record]:
    """Read what `write` wrote."""
    return [_RECORD.validate_json(line) for line in lines]
