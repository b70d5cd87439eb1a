"""`goodserve predict` and `goodserve explain`: pictures on this machine, without a server."""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from model.artifact.image import Pixels, stack
from model.artifact.manifest import Manifest
from model.artifact.outputs import FAMILIARITY, PROBABILITIES, SCORES
from model.artifact.runtime import graph_opener, session_opener
from model.artifact.version import RepositoryError, UnknownVersionError, VersionId
from service.app import serving_device
from service.engine import decoder
from service.errors import ServiceError
from service.http.explain import question
from service.http.overlay import draw
from service.http.schemas import ExplainOptions
from service.predict.answers import Explained
from service.predict.decode import Decoder
from service.predict.loading import Further, LoadedVersion, RunSizes, load_version
from service.repository_flags import Repository, repository_at
from service.settings import Settings

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_BATCH = 16
_COLUMNS = ("path", "label", "probability", "familiarity")


class PicturesError(Exception):
    """Some pictures could not be read; the others were answered."""


Version = Annotated[str | None, Parameter(help="NAME/VERSION; by default the active one.")]


def predict_pictures(
    *paths: Path,
    repository: Repository = None,
    version: Version = None,
    output: Annotated[Literal["table", "csv", "jsonl"], Parameter(name="--format")] = "table",
) -> None:
    """Classify pictures: a line each, as a table, as CSV or as JSON lines."""
    loaded = _loaded(repository, version)
    decode, failed = decoder(Settings()), 0
    write = _writer(output)
    files = list(_files(paths))
    for chunk in (files[start : start + _BATCH] for start in range(0, len(files), _BATCH)):
        sound, pixels = [], []
        for path in chunk:
            try:
                pixels.append(decode([path.read_bytes()], *loaded.shape[:2]))
            except (OSError, ServiceError) as error:
                failed += 1
                print(f"goodserve: {path}: {error}", file=sys.stderr)
            else:
                sound.append(path)
        for row in _answers(loaded, sound, pixels):
            write(row)
    _refuse_failures(failed)


def explain_pictures(  # noqa: PLR0913  each is a flag
    *paths: Path,
    repository: Repository = None,
    version: Version = None,
    classes: Annotated[str, Parameter(help="The class to show; by default the top one.")] = "",
    contrast: Annotated[str, Parameter(help="A,B: what speaks for A rather than B.")] = "",
    layer: Annotated[str | None, Parameter(help="The layer to show; by default all.")] = None,
    out: Annotated[Path | None, Parameter(help="Folder; by default beside each picture.")] = None,
) -> None:
    """Draw the evidence over pictures, as `POST /explain` does: NAME.evidence.png for each."""
    loaded = _loaded(repository, version)
    pair = (contrast,) if contrast else ()
    options = ExplainOptions(classes=(classes,), contrast=pair, layer=layer)
    decode, failed = decoder(Settings()), 0
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    for path in _files(paths):
        try:
            picture = _drawn(loaded, decode, path.read_bytes(), options)
        except (OSError, ServiceError) as error:
            failed += 1
            print(f"goodserve: {path}: {error}", file=sys.stderr)
            continue
        target = (out or path.parent) / f"{path.stem}.evidence.png"
        target.write_bytes(picture)
        print(target)
    _refuse_failures(failed)


def _loaded(root: Path | None, version: str | None) -> LoadedVersion:
    """Load a version and make every check that the service makes."""
    settings = Settings()
    repository = repository_at(root)
    wanted = VersionId.parse(version) if version else repository.active()
    if wanted is None:
        message = f"no version is active in {repository.place}; name one with --version"
        raise UnknownVersionError(message)
    device = serving_device(settings)
    further = Further(open_graph=graph_opener(device))
    return load_version(repository, wanted, session_opener(device), RunSizes(_BATCH), further)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """List the pictures named, and those in the folders named, in order."""
    for path in paths:
        if path.is_dir():
            found = (each for each in path.rglob("*") if each.suffix.lower() in _SUFFIXES)
            yield from sorted(each for each in found if not each.name.endswith(".evidence.png"))
        else:
            yield path


def _answers(
    loaded: LoadedVersion, paths: Sequence[Path], pixels: Sequence[Pixels]
) -> Iterator[dict[str, Any]]:
    """Classify one batch: a row for each picture."""
    if not paths:
        return
    wanted = (SCORES, PROBABILITIES, *loaded.also)
    outputs = loaded.session(stack(each[0] for each in pixels), wanted)
    scale, manifest = loaded.manifest.familiarity, loaded.manifest
    for row, path in enumerate(paths):
        top = int(outputs.scores[row].argmax())
        found = {"path": str(path), **_top(manifest, outputs.probabilities[row], top)}
        if scale is not None:
            found["familiarity"] = scale.percentile(float(outputs.optional[FAMILIARITY][row]))
        yield found


def _top(manifest: Manifest, probabilities: Any, top: int) -> dict[str, Any]:  # noqa: ANN401
    return {"label": manifest.labels[top], "probability": float(probabilities[top])}


def _writer(output: str) -> Callable[[dict[str, Any]], Any]:
    """Give what prints a row."""
    if output == "jsonl":
        return lambda row: print(msgspec.json.encode(row).decode())
    if output == "csv":
        writer = csv.DictWriter(sys.stdout, _COLUMNS, restval="")
        writer.writeheader()
        return writer.writerow
    return _print_row


def _print_row(row: dict[str, Any]) -> None:
    familiarity = row.get("familiarity")
    seen = "" if familiarity is None else f"  familiarity {familiarity:5.1f}"
    print(f"{row['probability']:6.3f}  {row['label']:<16}{seen}  {row['path']}")


def _drawn(loaded: LoadedVersion, decode: Decoder, file: bytes, options: ExplainOptions) -> bytes:
    """Draw one picture's evidence."""
    explainer = loaded.explainer
    if explainer is None or explainer.assignment is None:
        message = f"{loaded.id} has no evidence graph; export and publish it anew"
        raise RepositoryError(message)
    asked = question(loaded.manifest, options)
    evidence = explainer(decode([file], *loaded.shape[:2]), asked)
    explained = Explained(loaded.id, loaded.manifest, evidence, asked, explainer.assignment)
    return draw(explained, file, options.layer)


def _refuse_failures(failed: int) -> None:
    if failed:
        message = f"{failed} pictures could not be read"
        raise PicturesError(message)
