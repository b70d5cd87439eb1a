"""Does one thing to copies of a repository, and is killed a step later in each of them.

Called with the repository, a folder for the copies, and what is done: a name of `DEEDS`. A step is
what Python reports to its audit hooks before it does it: a file opened, renamed or removed.
"""

import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model.artifact.repository import ModelRepository
from model.artifact.upkeep import delete_version
from model.artifact.version import VersionId

FIRST, SECOND = VersionId("colours", "1"), VersionId("colours", "2")
STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree"}


def publish(repository: ModelRepository) -> None:
    """Publish the first version again, and activate it."""
    stored = repository.read(FIRST)
    repository.activate(repository.publish("colours", stored.model, stored.manifest))


DEEDS: dict[str, Callable[[ModelRepository], None]] = {
    "publish": publish,
    "delete": lambda repository: delete_version(repository, FIRST),
}


def killed_at(step: int, deed: Callable[[ModelRepository], None], root: Path) -> bool:
    """Do something in a process that dies before a step; tell whether it came that far."""
    child = os.fork()
    if child == 0:
        left = itertools.count(step, -1)

        def die(event: str, arguments: tuple[Any, ...]) -> None:
            if event in STEPS and str(root) in str(arguments[0]) and next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(die)
        deed(ModelRepository(root))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in {0, signal.SIGKILL}
    return status != 0


def main(source: Path, copies: Path, deed: str) -> None:
    """Kill at the first step, at the second, and so on, until the deed is done."""
    for step in itertools.count():
        root = copies / str(step)
        shutil.copytree(source, root)
        if not killed_at(step, DEEDS[deed], root):
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
