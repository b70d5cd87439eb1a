"""The flags of `goodserve predict`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter
from cyclopts.validators import Number

from service.rows import PATH, Format, Row, RowsError, format_of


@dataclass(frozen=True)
class Asked:
    """What is asked about each picture, and of which model."""

    model: Annotated[str | None, Parameter(help="Name of a model; by default the default one.")] = (
        None
    )
    version: Annotated[str | None, Parameter(help="NAME/VERSION; by default the active one.")] = (
        None
    )
    top_k: Annotated[
        int, Parameter(validator=Number(gte=1), help="Classes to give; of several all, as a list.")
    ] = 1
    confidence: Annotated[
        float | None,
        Parameter(
            validator=Number(gt=0, lte=1),
            help="Also give the set of classes that holds the true one so often.",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse flags that name nothing, or two models.

        Raises:
            RowsError: they do.
        """
        for flag, given in (("--model", self.model), ("--version", self.version)):
            if given is not None and not given.strip():
                message = f"{flag} is empty; leave it out, or name one"
                raise RowsError(message)
        if self.version is None:
            return
        name, _, number = self.version.partition("/")
        if not (name and number):
            message = f"--version {self.version!r} is not NAME/VERSION, such as cifar10/1"
            raise RowsError(message)
        if self.model not in {None, name}:
            message = f"--version {self.version} is no version of --model {self.model}"
            raise RowsError(message)

    def columns(self) -> tuple[str, ...]:
        """Name a row's columns."""
        classes = ("classes",) if self.top_k > 1 else ()
        sets = ("conformal_set",) if self.confidence is not None else ()
        return (PATH, "label", "probability", "familiarity", *classes, *sets, "model")


@dataclass(frozen=True)
class Server:
    """A service that answers, and how to ask it."""

    url: Annotated[
        str | None, Parameter(help="Ask this service; without it, this machine answers.")
    ] = None
    api_key: Annotated[
        str | None, Parameter(env_var="GOODSERVE_API_KEY", help="Key to that service.")
    ] = None
    concurrency: Annotated[
        int, Parameter(validator=Number(gte=1, lte=256), help="Requests at once.")
    ] = 8


@dataclass(frozen=True)
class Target:
    """Where the rows go, and how."""

    format: Annotated[Format | None, Parameter(help="By default as --out ends, else a table.")] = (
        None
    )
    out: Annotated[Path | None, Parameter(help="A file; by default stdout.")] = None
    resume: Annotated[
        bool, Parameter(negative="", help="Go on: leave out what --out answers already.")
    ] = False

    @property
    def kind(self) -> Format:
        """The format of the rows."""
        return format_of(self.format, self.out)


class Answered(NamedTuple):
    """A picture's row, or why there is none."""

    path: Path
    row: Row | None = None
    error: str = ""
