"""Does one thing to a repository in a bucket, and is killed before its Nth write.

Called with the repository's address, what is done (a name of `DEEDS`), and N. Ends with status 0
where the deed was done before it came to an Nth write.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from model.artifact.bucket import Bucket
from model.artifact.repository import ModelRepository
from tests.model.artifact.killed import DEEDS

_WRITES = ("create", "replace", "remove")


def main(address: str, deed: str, step: int) -> None:
    """Count writes, and die at one of them."""
    left = itertools.count(step, -1)

    def dying(write: Callable[..., None]) -> Callable[..., None]:
        def written(*arguments: Any) -> None:
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            write(*arguments)

        return written

    for name in _WRITES:
        setattr(Bucket, name, dying(getattr(Bucket, name)))
    DEEDS[deed](ModelRepository(address))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
