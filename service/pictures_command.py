"""`goodserve explain`: evidence over pictures, drawn on this machine, without a server."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from model.artifact.manifest import Manifest
from model.artifact.version import RepositoryError
from service.drawings import TakenError, Targets
from service.engine import decoder
from service.errors import ServiceError, UnprocessableError
from service.http.overlay import draw
from service.http.question import question
from service.http.schemas import ExplainOptions
from service.local_pictures import loaded_version
from service.pictures import Listed, PicturesError, some_in
from service.predict.answers import Explained
from service.predict.decode import Decoder
from service.predict.evidence import Question
from service.predict.loading import LoadedVersion
from service.predict_command import check_named
from service.predict_flags import Asked
from service.repository_flags import Repository
from service.rows import RowsError, name_of
from service.settings import Settings

_OUT = "Folder, in which the folders below those named are kept; by default beside each picture."
Version = Annotated[str | None, Parameter(help="NAME/VERSION; by default the active one.")]


def explain_pictures(  # noqa: PLR0913  each is a flag
    *paths: Path,
    repository: Repository = None,
    version: Version = None,
    classes: Annotated[str, Parameter(help="The class to show; by default the top one.")] = "",
    contrast: Annotated[str, Parameter(help="A,B: what speaks for A rather than B.")] = "",
    layer: Annotated[str | None, Parameter(help="The layer to show; by default all.")] = None,
    out: Annotated[Path | None, Parameter(help=_OUT)] = None,
) -> None:
    """Draw the evidence over pictures, as `POST /explain` does: NAME.evidence.png for each.

    Of pictures in one folder that differ in their suffix alone, all but the first keep it:
    NAME.jpg.evidence.png.
    """
    check_named(paths)
    loaded = loaded_version(repository, Asked(version=version))
    _check_explained(loaded)
    options = _options(loaded.manifest, classes, contrast, layer)
    try:
        failed = _draw_all(some_in(paths), loaded, Targets(out), options)
    except BrokenPipeError:
        raise
    except OSError as error:  # a folder that cannot be read or written, a disk that is full
        raise PicturesError(str(error)) from error
    if failed:
        message = f"{failed} pictures were not drawn"
        raise PicturesError(message)


def _draw_all(
    pictures: Iterable[Listed], loaded: LoadedVersion, targets: Targets, options: ExplainOptions
) -> int:
    """Draw pictures, and name those that cannot be; return how many.

    Raises:
        OSError: pictures cannot be listed, or drawings not written.
    """
    decode, failed = decoder(Settings()), 0
    for listed in pictures:
        try:
            target = targets.of(listed)
            picture = _drawn(loaded, decode, listed.path.read_bytes(), options)
        except (OSError, ServiceError, TakenError) as error:
            failed += 1
            print(f"goodserve: {listed.path}: {error}", file=sys.stderr)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture)
        print(name_of(target))
    return failed


def _check_explained(loaded: LoadedVersion) -> None:
    if loaded.explainer is None or loaded.explainer.assignment is None:
        message = f"{loaded.id} has no evidence graph; export and publish it anew"
        raise RepositoryError(message)


def _options(manifest: Manifest, classes: str, contrast: str, layer: str | None) -> ExplainOptions:
    """Say what to draw, once for all pictures.

    Raises:
        RowsError: a flag names what the version has not, or more than one drawing shows.
    """
    pair = (contrast,) if contrast else ()
    shown = _asked("--classes", manifest, ExplainOptions(classes=(classes,)))
    _asked("--contrast", manifest, ExplainOptions(contrast=pair))
    _asked("--layer", manifest, ExplainOptions(layer=layer))
    if classes and contrast:
        message = "--classes and --contrast are two drawings: give one of them"
        raise RowsError(message)
    if len(shown.by_class) > 1:
        message = (
            f"--classes {classes} names {len(shown.by_class)} classes, a drawing shows one: run it "
            "once for each, with an --out of its own"
        )
        raise RowsError(message)
    return ExplainOptions(classes=(classes,), contrast=pair, layer=layer)


def _asked(flag: str, manifest: Manifest, options: ExplainOptions) -> Question:
    """Say what one flag asks.

    Raises:
        RowsError: the version has no such thing.
    """
    try:
        return question(manifest, options)
    except UnprocessableError as error:
        message = f"{flag}: {error}"
        raise RowsError(message) from error


def _drawn(loaded: LoadedVersion, decode: Decoder, file: bytes, options: ExplainOptions) -> bytes:
    """Draw one picture's evidence."""
    explainer = loaded.explainer
    assert explainer is not None  # noqa: S101  checked before the first picture
    assert explainer.assignment is not None  # noqa: S101
    asked = question(loaded.manifest, options)
    evidence = explainer(decode([file], *loaded.shape[:2]), asked)
    explained = Explained(loaded.id, loaded.manifest, evidence, asked, explainer.assignment)
    return draw(explained, file, options.layer)
