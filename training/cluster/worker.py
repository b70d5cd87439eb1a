"""What each worker runs: `fit`, in the processes that Ray Train has joined."""

import logging
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import ray
import ray.train

from model.artifact.version import RepositoryError
from training import commands
from training.cluster.desk import Said, ToDesk
from training.errors import LostProcessError, TrainingError
from training.fit.stop import Interrupted
from training.parallel.group import Group
from training.parallel.together import Together
from training.request import FitRequest


def train(request: FitRequest, desk: Any, folder: Path) -> str | None:  # noqa: ANN401  Ray's handle
    """Train beside the others.

    Args:
        request: the same for all.
        desk: hears what the leader prints, and says when to stop.
        folder: from which relative paths lead, where the worker's machine has it.

    Returns:
        Where the run was asked to stop, of the leader; None at its end.

    Raises:
        LostProcessError: another worker has ended.
        TrainingError: what was asked for cannot be done.
    """
    # Ray prints what libraries log from INFO up.
    logging.getLogger().setLevel(logging.WARNING)
    there = chdir(folder) if folder.is_dir() else nullcontext()
    with there, redirect_stdout(ToDesk(desk)), redirect_stderr(ToDesk(desk, is_error=True)):
        stopped = _fit(request, desk)
    # What was written before has arrived then.
    ray.get(desk.say.remote(Said("")))
    return stopped


def _fit(request: FitRequest, desk: Any) -> str | None:  # noqa: ANN401  Ray's handle
    """Fit; a wish to stop is no error, and what a user can mend is one that Ray can send."""
    try:
        commands.fit(request, partial(_joined, desk))
    except Interrupted as stopped:
        return str(stopped)
    except SystemExit:
        # So a follower ends. As an error it would have Ray end the leader, who may still write.
        return None
    except LostProcessError:
        raise
    except (TrainingError, RepositoryError, OSError) as error:
        raise TrainingError(str(error)) from None
    return None


@contextmanager
def _joined(desk: Any) -> Iterator[Group]:  # noqa: ANN401  Ray's handle
    """Take the group that Ray Train has made, and will take apart."""
    stop = desk.until_stopped.remote()
    is_first_here = ray.train.get_context().get_local_rank() == 0
    yield _Summoned(lambda: bool(ray.wait([stop], timeout=0)[0]), is_first_here=is_first_here)


class _Summoned(Together):
    """Processes that may be asked to stop from without: the one who asks counts as one of them."""

    def __init__(self, asked: Callable[[], bool], *, is_first_here: bool) -> None:
        """Be one of those that were joined; `asked` tells the leader whether to stop."""
        super().__init__(is_first_here=is_first_here)
        self._asked = asked

    def any(self, is_so: bool) -> bool:  # noqa: FBT001  as the group's
        """Tell whether it is so for any process, or asked for from without."""
        return super().any(is_so or (self.is_leader and self._asked()))
