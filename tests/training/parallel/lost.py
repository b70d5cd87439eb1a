"""A leader that is killed in its work, and those that wait for it: a program for each process."""

import os
import signal

from training.errors import LostProcessError
from training.parallel.together import joined


def die() -> None:
    """End as a process does that has no memory left."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Wait for a leader that will not come back."""
    try:
        with joined() as group:
            group.awaited(die)
    except LostProcessError as error:
        print(error)


if __name__ == "__main__":
    main()
