"""The command line `goodserve`."""

import argparse
import json
import os
import signal
import sys
import tempfile
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

import uvicorn
from pydantic import ValidationError

from model.artifact.outputs import ContractError
from model.artifact.repository import ModelRepository
from model.artifact.runtime import DeviceError, OnnxSession
from model.artifact.version import RepositoryError, UnknownVersionError, VersionId
from service.app import configure_logging, serving_device
from service.errors import describe
from service.registry import load_version
from service.settings import PREFIX, Settings


class _UsageError(Exception):
    """A setting is wrong."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        settings = _settings(options)
        options.run(options, settings)
    except (ContractError, DeviceError, RepositoryError, _UsageError) as error:
        print(f"goodserve: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def serve(_: argparse.Namespace, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is in flight and exit 0."""
    configure_logging(settings)
    settings = settings.model_copy(update={"device": serving_device(settings)})
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has shut down: that is the end, not a failure.
        signal.signal(number, _exit_quietly)
    with tempfile.TemporaryDirectory(prefix="goodserve-metrics-") as folder:
        if settings.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            settings = settings.model_copy(update={"metrics_folder": Path(folder)})
        _pass_on(settings)
        uvicorn.run(
            "service.app:create_worker_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            access_log=settings.access_log,
            log_level=settings.log_level,
            timeout_graceful_shutdown=settings.shutdown_grace_s,
            server_header=False,
        )


def list_models(_: argparse.Namespace, settings: Settings) -> None:
    """List every version: an asterisk marks the active one."""
    repository = _existing(settings)
    try:
        active = repository.active()
    except RepositoryError as error:
        print(f"goodserve: {error}", file=sys.stderr)
        active = None
    for version in repository.versions():
        mark = "*" if version == active else " "
        try:
            manifest = repository.manifest(version)
        except RepositoryError as error:
            print(f"{mark} {version}  broken: {error}")
            continue
        accuracy = f"{manifest.accuracy.value:.2%} (n = {manifest.accuracy.n})"
        created = manifest.created.date().isoformat()
        print(f"{mark} {version}  {created}  {len(manifest.labels)} classes  {accuracy}")


def show_model(options: argparse.Namespace, settings: Settings) -> None:
    """Print one version's manifest."""
    manifest = ModelRepository(settings.repository).manifest(options.version)
    print(json.dumps(manifest.model_dump(mode="json", exclude={"golden"}), indent=2))


def verify_model(options: argparse.Namespace, settings: Settings) -> None:
    """Make every check that the service makes before it swaps."""
    repository = _existing(settings)
    device, unsound = serving_device(settings), 0
    for version in [options.version] if options.version else repository.versions():
        try:
            load_version(
                repository,
                version,
                lambda model: OnnxSession(model, device),
                settings.max_batch_size,
            )
        except (ContractError, RepositoryError) as error:
            unsound += 1
            print(f"goodserve: {version}: {error}", file=sys.stderr)
        else:
            print(f"{version} is sound")
    if unsound:
        message = f"{unsound} unsound"
        raise RepositoryError(message)


def activate_model(options: argparse.Namespace, settings: Settings) -> None:
    """Make a version the active one; a running service takes it within a second."""
    ModelRepository(settings.repository).activate(options.version)
    print(f"{options.version} is active")


def rollback_model(_: argparse.Namespace, settings: Settings) -> None:
    """Make the version active that was so before."""
    print(f"{ModelRepository(settings.repository).rollback()} is active again")


def _existing(settings: Settings) -> ModelRepository:
    """Take a repository that holds something: a mistyped path must not look sound."""
    repository = ModelRepository(settings.repository)
    if not repository.versions():
        message = f"there are no versions in {settings.repository}"
        raise UnknownVersionError(message)
    return repository


def _exit_quietly(_signal: int, _frame: types.FrameType | None) -> NoReturn:
    sys.exit(0)


def _settings(options: argparse.Namespace) -> Settings:
    """Lay flags over the environment."""
    given = {n: getattr(options, n, None) for n in Settings.model_fields}
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise _UsageError(describe(error, whole="settings")) from error


def _pass_on(settings: Settings) -> None:
    """Hand the settings to the worker processes: they read the environment as anyone would."""
    for name, value in settings.model_dump(mode="json").items():
        if value is not None:
            os.environ[PREFIX + name.upper()] = str(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="goodserve", description="Serve Forward-Forward models and manage their versions."
    )
    commands = parser.add_subparsers(required=True)
    serving = commands.add_parser("serve", help="serve the active version")
    serving.set_defaults(run=serve)
    for name in Settings.model_fields:
        if name != "metrics_folder":  # ours to give, not the user's
            _add_setting(serving, name)
    models = commands.add_parser("models", help="look at and switch the versions")
    actions = models.add_subparsers(required=True)
    for name, action, version in (
        ("list", list_models, None),
        ("show", show_model, "required"),
        ("verify", verify_model, "?"),
        ("activate", activate_model, "required"),
        ("rollback", rollback_model, None),
    ):
        command = actions.add_parser(name, help=action.__doc__)
        command.set_defaults(run=action)
        _add_setting(command, "repository")
        if version is not None:
            command.add_argument(
                "version", type=_version, nargs=None if version == "required" else version,
                metavar="NAME/VERSION",
            )  # fmt: skip
    return parser


def _add_setting(parser: argparse.ArgumentParser, name: str) -> None:
    """Make a flag of a setting; its value is checked with the environment's, by pydantic."""
    field = Settings.model_fields[name]
    flag = "--" + name.replace("_", "-")
    description = f"{field.description} (default {field.default}, env {PREFIX}{name.upper()})"
    extra: dict[str, Any] = {"metavar": "VALUE"}
    if field.annotation is bool:
        extra = {"action": argparse.BooleanOptionalAction, "default": None}
    elif get_origin(field.annotation) is Literal:
        extra = {"choices": get_args(field.annotation)}
    elif field.annotation is Path:
        extra = {"type": Path, "metavar": "FOLDER"}
    parser.add_argument(flag, dest=name, help=description, **extra)


def _version(text: str) -> VersionId:
    try:
        return VersionId.parse(text)
    except RepositoryError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
