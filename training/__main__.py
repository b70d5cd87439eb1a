"""The entry of `goodserve-train`: exit statuses, and errors in one line."""

import sys
from collections.abc import Sequence

from cyclopts import CycloptsError
from pydantic import ValidationError

from model.artifact.version import RepositoryError
from training.command_line import app
from training.errors import TrainingError
from training.fit.stop import Interrupted
from training.request import INTERRUPTED
from training.settings.load import describe

_FAILED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        app(given)
    except (Interrupted, KeyboardInterrupt) as stopped:
        hint = "; go on with --resume" if given[:1] == ["fit"] else ""
        _complain(f"{str(stopped) or 'stopped'}{hint}")
        return INTERRUPTED
    except CycloptsError as error:
        _complain(_usage(error))
        return _FAILED
    except (TrainingError, RepositoryError, OSError) as error:
        _complain(str(error))
        return _FAILED
    return 0


def _usage(error: CycloptsError) -> str:
    """Word a wrong flag in one line; a value that pydantic refused is named by its flag."""
    cause = error.__cause__
    reason = describe(cause) if isinstance(cause, ValidationError) else " ".join(str(error).split())
    return f"{reason}; --help lists what there is"


def _complain(message: str) -> None:
    print(f"goodserve-train: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
