"""`goodserve predict`: pictures to classes, by a service or on this machine."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from service import local_pictures
from service.pictures import PicturesError, some_in
from service.predict_flags import Answered, Asked, Server, Target
from service.progress import bar
from service.repository_flags import Repository
from service.rows import Kept, RowsError, kept_in, name_of, writer

_ASKED, _SERVER, _TARGET = Asked(), Server(), Target()


def predict_pictures(
    *paths: Path,
    repository: Repository = None,
    asked: Annotated[Asked, Parameter(name="*")] = _ASKED,
    server: Annotated[Server, Parameter(name="*")] = _SERVER,
    target: Annotated[Target, Parameter(name="*")] = _TARGET,
) -> None:
    """Classify pictures and folders of pictures: a row each, as a table, CSV or JSON lines."""
    check_named(paths)
    kept = _kept(asked, target)
    done = kept.paths if kept is not None else set[str]()
    # Those that are answered already are not even opened.
    files = (path for path, _ in some_in(paths) if not done or name_of(path) not in done)
    answers = _answers(files, repository, asked, server)
    # Rows that pass by are progress enough.
    shown = target.out is not None or not sys.stdout.isatty()
    failed = 0
    try:
        with (
            writer(target.kind, asked.columns(), target.out, kept) as write,
            bar(paths, len(done), shown=shown) as advance,
        ):
            for each in answers:
                advance()
                if each.row is not None:
                    write(each.row)
                else:
                    failed += 1
                    print(f"goodserve: {each.path}: {each.error}", file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError as error:  # a folder that cannot be read, a disk that is full
        raise PicturesError(str(error)) from error
    refuse_failures(failed)


def check_named(paths: Sequence[Path]) -> None:
    """Refuse a command on pictures that names none: a pattern that fits nothing, perhaps.

    Raises:
        RowsError: it names none.
    """
    if not paths:
        message = "name pictures, or folders of pictures"
        raise RowsError(message)


def refuse_failures(failed: int) -> None:
    """End with an error where some pictures got no answer.

    Raises:
        PicturesError: there are some.
    """
    if failed:
        message = f"{failed} pictures could not be read"
        raise PicturesError(message)


def _kept(asked: Asked, target: Target) -> Kept | None:
    if not target.resume:
        return None
    if target.out is None:
        message = "--resume needs the file to go on with: --out"
        raise RowsError(message)
    return kept_in(target.out, target.kind, asked.columns())


def _answers(
    files: Iterable[Path], repository: str | None, asked: Asked, server: Server
) -> Iterator[Answered]:
    """Answer here, or ask a service.

    Raises:
        RowsError: the flags do not fit each other, or the client is not installed.
    """
    if server.url is None:
        return local_pictures.answer(files, repository, asked)
    if repository is not None:
        message = "--repository is of this machine, --url of another: give one of them"
        raise RowsError(message)
    try:
        remote = import_module("service.remote_pictures")
    except ModuleNotFoundError as error:
        message = (
            f"--url needs {error.name}, which is not installed; pip install 'goodserve[client]'"
        )
        raise RowsError(message) from error
    found: Iterator[Answered] = remote.answer(files, asked, server)
    return found
