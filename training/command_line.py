"""The command line `goodserve-train`: flags of the settings' models, without loading torch.

Cyclopts hands pydantic the texts that were given and nothing else. So pydantic alone validates
values, and a model's `model_fields_set` tells which flags were given.
"""

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Group, Parameter, Token

from training.cluster.options import RayOptions
from training.compare.options import CompareOptions
from training.publish.target import Publication
from training.request import EXPORT_FOLDER, FitRequest
from training.settings.data import DataOptions
from training.settings.flags import ObjectiveFlags
from training.settings.presets import PresetName
from training.settings.section import Section
from training.settings.sections import NetworkSettings, OptimiserSettings, RunSettings
from training.settings.values import Keep, StoredWeights
from training.version_commands import anytime, calibrate, holdout


def _shown(default: object) -> str | None:
    """Write a default as a flag would take it; nothing where there is none worth a word."""
    if default is None or default is False:
        return None
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _section(title: str, place: int) -> Parameter:
    """Take a model's fields as flags of their own, under a title of the help."""
    return Parameter(name="*", group=Group(title, sort_key=place))


def _named(_kind: object, tokens: Sequence[Token]) -> Path:
    """Take a path; an empty text, such as that of an unset variable, would be the folder one is in.

    Raises:
        ValueError: it is empty.
    """
    if not tokens[0].value:
        message = "it is empty"
        raise ValueError(message)
    return Path(tokens[0].value)


NamedPath = Annotated[Path, Parameter(converter=_named)]

app = App(
    name="goodserve-train",
    help="Train Forward-Forward networks and publish them.",
    help_format="plaintext",
    version=partial(version, "goodserve"),
    version_flags=["--version"],
    default_parameter=Parameter(negative_iterable=(), show_default=_shown, allow_repeating=True),
    result_action="return_value",
    # `main` prints errors, in one line each.
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command(add_to_startup=False)


# Frozen, so that one of each can be the default of every call.
_DATA, _NETWORK, _OBJECTIVE = DataOptions(), NetworkSettings(), ObjectiveFlags()
_OPTIMISER, _RUN, _COMPARE = OptimiserSettings(), RunSettings(), CompareOptions()
_RAY = RayOptions()
_Flag = Parameter(negative=())


@app.command
def fit(  # noqa: PLR0913  each is a flag
    data: str | None = None,
    /,
    *,
    run: NamedPath,
    resume: Annotated[bool, _Flag] = False,
    config: Path | None = None,
    preset: PresetName | None = None,
    quiet: Annotated[bool, _Flag] = False,
    log: tuple[str, ...] = (),
    publish: str | None = None,
    name: str | None = None,
    activate: bool | None = None,
    sign: Path | None = None,
    data_options: Annotated[DataOptions, _section("Data", 1)] = _DATA,
    network: Annotated[NetworkSettings, _section("Network", 2)] = _NETWORK,
    objective: Annotated[ObjectiveFlags, _section("Objective", 3)] = _OBJECTIVE,
    optimiser: Annotated[OptimiserSettings, _section("Optimiser", 4)] = _OPTIMISER,
    machine: Annotated[RunSettings, _section("Run", 5)] = _RUN,
    cluster: Annotated[RayOptions, _section("Ray", 6)] = _RAY,
) -> None:
    """Train a network, or go on with a stopped run.

    Every setting is also a key of the TOML file; flags win over it, and it over a preset.

    Args:
        data: cifar10:PATH, cifar100:PATH, mnist:PATH, fashion-mnist:PATH, folder:PATH (one
            sub-folder of images per class), csv:FILE or jsonl:FILE (paths and labels).
        run: Folder for the run.
        resume: Go on where the run stopped.
        config: TOML file of settings, a section per concern.
        preset: Named settings, which file and flags override one by one.
        quiet: Print no progress.
        log: Tell a logger too: tensorboard or mlflow; may be given several times.
        publish: Model repository to export and publish to when trained.
        name: Name of the model; by default the data's kind or folder.
        activate: Serve the published version at once; by default so, unless it has other classes
            than the active one of its name, or is less accurate.
        sign: File of the private key to sign the published version with.
        data_options: How the data are split and augmented.
        network: Its shape.
        objective: The local loss.
        optimiser: How the weights are moved.
        machine: Chance and device.
        cluster: Whether the workers of a Ray cluster train.
    """
    flags = _given(data, objective, data_options, network, optimiser, machine)
    flags |= {} if preset is None else {"preset": preset}
    publication = None if publish is None else Publication(publish, name, activate, sign)
    request = FitRequest(run, flags, config, resume, quiet, publication, log)
    # Late: torch takes seconds, --help needs none.
    if cluster.ray_workers is not None:
        from training.cluster import launch  # noqa: PLC0415  an extra

        launch.fit(request, cluster)
        return
    from training import commands  # noqa: PLC0415

    commands.fit(request)


def _given(data: str | None, objective: ObjectiveFlags, *sections: Section) -> dict[str, Any]:
    """Gather the settings that were given as flags, and no default."""
    flags: dict[str, Any] = {} if data is None else {"data": data}
    for section in (objective, *sections):
        flags |= section.model_dump(exclude_unset=True)
    terms = flags.pop("term", {})
    return flags | ({"objective": {"terms": terms}} if terms else {})


@app.command
def compare(  # noqa: PLR0913  each is a flag
    data: str | None = None,
    /,
    *,
    out: NamedPath,
    config: Path | None = None,
    preset: PresetName | None = None,
    options: Annotated[CompareOptions, _section("Comparison", 0)] = _COMPARE,
    data_options: Annotated[DataOptions, _section("Data", 1)] = _DATA,
    network: Annotated[NetworkSettings, _section("Network", 2)] = _NETWORK,
    objective: Annotated[ObjectiveFlags, _section("Objective", 3)] = _OBJECTIVE,
    optimiser: Annotated[OptimiserSettings, _section("Optimiser", 4)] = _OPTIMISER,
    machine: Annotated[RunSettings, _section("Run", 5)] = _RUN,
) -> None:
    """Train the same network with and without each part of the method, and by backpropagation.

    Each in a process of its own, one after the other; prints a table, writes JSON and a plot.

    Args:
        data: As for fit.
        out: Folder for the results.
        config: TOML file of settings, as for fit.
        preset: Named settings, as for fit.
        options: What is compared.
        data_options: How the data are split and augmented.
        network: Its shape.
        objective: The local loss.
        optimiser: How the weights are moved.
        machine: Chance and device.
    """
    from training import commands  # noqa: PLC0415  torch takes seconds, --help needs none

    flags = _given(data, objective, data_options, network, optimiser, machine)
    flags |= {} if preset is None else {"preset": preset}
    commands.compare(FitRequest(out, flags, config), options)


@app.command
def evaluate(*, run: NamedPath, data: str | None = None) -> None:
    """Print a trained run's test accuracy.

    Args:
        run: The run's folder.
        data: Read this data set's test split instead.
    """
    from training import commands  # noqa: PLC0415  torch takes seconds, --help needs none

    commands.evaluate(run, data)


@app.command
def report(run: NamedPath) -> None:
    """Draw a trained run's report.html anew.

    It needs no data: what it shows of single images was kept when the run was trained.

    Args:
        run: The run's folder.
    """
    from training import commands  # noqa: PLC0415  torch takes seconds, --help needs none

    commands.report(run)


@app.command
def export(
    *,
    run: NamedPath,
    out: NamedPath | None = None,
    state: Keep | None = None,
    weights: StoredWeights = "float32",
) -> None:
    """Write a run as ONNX, checked; one that has not finished, without a test accuracy.

    Args:
        run: The run's folder.
        out: Folder to write to; by default RUN/export.
        state: Of a run that has not finished, the best epoch or the last checkpoint; by default
            the best.
        weights: How those of the convolutions are stored; float16 takes half the bytes.
    """
    from training import commands  # noqa: PLC0415  torch takes seconds, --help needs none

    commands.export(run, out or run / EXPORT_FOLDER, state, weights)


@app.command
def publish(  # noqa: PLR0913  each is a flag
    *,
    run: NamedPath,
    repository: str,
    export: Path | None = None,
    state: Keep | None = None,
    weights: StoredWeights | None = None,
    name: str | None = None,
    activate: bool | None = None,
    sign: Path | None = None,
) -> None:
    """Put a run into a model repository; it is exported first where that is still to be done.

    Args:
        run: The run's folder.
        repository: The model repository.
        export: The export; by default RUN/export.
        state: Of a run that has not finished, the best epoch or the last checkpoint; by default
            the best.
        weights: How those of the convolutions are stored; float16 takes half the bytes. By default
            as they are exported, and float32 where the run is exported anew.
        name: Name of the model; by default the data's kind or folder.
        activate: Serve the published version at once; by default so, unless it has other classes
            than the active one of its name, or is less accurate.
        sign: File of the private key to sign the version with.
    """
    from training import commands  # noqa: PLC0415  torch takes seconds, --help needs none

    commands.publish(run, export, Publication(repository, name, activate, sign), state, weights)


app.command(anytime)
app.command(calibrate)
app.command(holdout)
