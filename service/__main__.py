"""The command line `goodserve`."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter
from pydantic import ValidationError

from model.artifact.outputs import ContractError
from model.artifact.runtime import DeviceError
from model.artifact.version import RepositoryError
from service import (
    fleet_command,
    keys_command,
    models_command,
    pictures_command,
    predict_command,
    score_command,
)
from service.cluster.errors import ClusterError
from service.errors import ServiceError, describe
from service.keys.key import KeysError
from service.pictures import PicturesError
from service.processes.door import ListenError
from service.processes.supervisor import StartError
from service.processes.tls import TlsError
from service.rows import RowsError
from service.serving import serve
from service.settings import Settings

_SETTINGS = Group("Settings", help="Each is also an environment variable: GOODSERVE_ and its name.")

app = App(
    name="goodserve",
    help="Serve Forward-Forward models and manage their versions.",
    version=partial(version, "goodserve"),
    version_flags=["--version"],
    result_action="return_value",
    print_error=False,
    exit_on_error=False,
)
app.register_install_completion_command(add_to_startup=False)
app.command(models_command.app)
app.command(keys_command.app)
app.command(predict_command.predict_pictures, name="predict")
app.command(pictures_command.explain_pictures, name="explain")
app.command(score_command.score_pictures, name="score")
app.command(fleet_command.app)


@app.command(name="serve")
def serve_command(
    *, settings: Annotated[Settings | None, Parameter(name="*", group=_SETTINGS)] = None
) -> None:
    """Serve the active version until SIGTERM or SIGINT; then answer what is in flight."""
    serve(settings or Settings())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    try:
        app(arguments)
    except CycloptsError as error:
        cause = error.__cause__
        said = describe(cause, "settings") if isinstance(cause, ValidationError) else str(error)
        print(f"goodserve: {said}", file=sys.stderr)
        return 2
    except ValidationError as error:  # the environment's
        print(f"goodserve: {describe(error, 'settings')}", file=sys.stderr)
        return 2
    except (
        ContractError,
        DeviceError,
        KeysError,
        RepositoryError,
        RowsError,
        ServiceError,
        TlsError,
    ) as error:
        print(f"goodserve: {error}", file=sys.stderr)
        return 2
    # What was asked is sound.
    except (ClusterError, ListenError, PicturesError, StartError) as error:
        print(f"goodserve: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
