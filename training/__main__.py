"""The command line `goodserve-train`."""

import argparse
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from training.config import FitSettings
from training.errors import TrainingError

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    options = _parser().parse_args(arguments)
    from training import commands  # noqa: PLC0415  torch takes seconds, --help needs none

    try:
        command = getattr(commands, options.command)
        command(options)
    except (commands.Interrupted, KeyboardInterrupt) as stopped:
        hint = "; go on with --resume" if options.command == "fit" else ""
        print(f"goodserve-train: {str(stopped) or 'stopped'}{hint}", file=sys.stderr)
        return _INTERRUPTED
    except (TrainingError, commands.RepositoryError, OSError) as error:
        print(f"goodserve-train: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="goodserve-train", description="Train Forward-Forward networks and publish them."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_fit(commands.add_parser("fit", help="train a network, or go on with a stopped run"))
    evaluate = commands.add_parser("evaluate", help="print a trained run's test accuracy")
    export = commands.add_parser("export", help="write a trained run as ONNX, checked")
    publish = commands.add_parser("publish", help="put an exported run into a model repository")
    for command in (evaluate, export, publish):
        command.add_argument("--run", type=Path, required=True, help="the run's folder")
    evaluate.add_argument("--data", help="read this data set's test split instead")
    export.add_argument("--out", type=Path, help="folder to write to (default RUN/export)")
    publish.add_argument("--export", type=Path, help="the export (default RUN/export)")
    publish.add_argument("--repository", type=Path, required=True, help="the model repository")
    _add_publishing(publish)
    return parser


def _add_fit(fit: argparse.ArgumentParser) -> None:
    fit.add_argument("--run", type=Path, required=True, help="folder for the run")
    fit.add_argument("--resume", action="store_true", help="go on where the run stopped")
    fit.add_argument("--config", type=Path, help="TOML file of settings; flags win over it")
    fit.add_argument("--quiet", action="store_true", help="print no progress")
    fit.add_argument(
        "--publish", type=Path, metavar="REPOSITORY", help="export and publish when trained"
    )
    _add_publishing(fit)
    settings = fit.add_argument_group("settings")
    for name, field in FitSettings.model_fields.items():
        is_told = field.is_required() or field.default is None
        default = "" if is_told else f" (default {_shown(field.default)})"
        description = f"{field.description}{default}".replace("%", "%%")
        if name == "data":
            fit.add_argument("data", nargs="?", help=description)
            continue
        flag = "--" + name.replace("_", "-")
        settings.add_argument(flag, dest=name, help=description, **_argument(field.annotation))


def _add_publishing(command: argparse.ArgumentParser) -> None:
    command.add_argument("--name", help="name of the model (default: the data's kind or folder)")
    command.add_argument(
        "--no-activate", dest="activate", action="store_false", help="publish only; serve later"
    )


def _argument(annotation: Any) -> dict[str, Any]:  # noqa: ANN401  whatever pydantic holds
    """Turn a field's type into argparse's terms; values are checked by pydantic alone."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()
    kind = next((k for k in kinds if k is not type(None)), annotation)
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction, "default": None}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    if get_origin(kind) is tuple:
        return {"type": _integers, "metavar": "N,N,..."}
    return {"metavar": "VALUE"}


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        message = f"{text!r} is no list of whole numbers separated by commas"
        raise argparse.ArgumentTypeError(message) from error


def _shown(default: object) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


if __name__ == "__main__":
    sys.exit(main())
