"""A progress bar for many files, where somebody sees it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from service.pictures import pictures_in

Advance = Callable[[], None]


@contextmanager
def bar(paths: Sequence[Path], done: int = 0, *, shown: bool = True) -> Iterator[Advance]:
    """Show a bar on stderr while the block lasts; give what moves it on by one.

    Args:
        paths: files and folders; their pictures are counted while the first ones are answered.
        done: of them, before.
        shown: whether to; it never is where stderr is no terminal.
    """
    if not (shown and sys.stderr.isatty()):
        yield lambda: None
        return
    speed = TextColumn("{task.fields[speed]}")
    columns = BarColumn(), MofNCompleteColumn(), speed, TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, completed=done, speed="")

        def count() -> None:
            with suppress(OSError):  # whoever reads them will say so
                progress.update(task, total=sum(1 for _ in pictures_in(paths)))

        def advance() -> None:
            pace = progress.tasks[0].speed
            progress.update(task, advance=1, speed="" if pace is None else f"{pace:,.0f}/s")

        Thread(target=count, daemon=True).start()
        yield advance
