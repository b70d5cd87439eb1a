"""Where a version comes from: its code, and what it was made of."""

import hashlib
from functools import cache
from pathlib import Path

import model
import training
from model.artifact.manifest import Manifest, Parent
from model.artifact.repository import MANIFEST_FILE, ModelRepository
from model.artifact.version import VERSION_PATTERN, VersionId


@cache
def code_sha256() -> str:
    """Hash the Python files of the packages that train and export, as they are installed."""
    found = hashlib.sha256()
    for package in (model, training):
        top = Path(str(package.__file__)).parent
        for path in sorted(top.rglob("*.py")):
            found.update(f"{top.name}/{path.relative_to(top).as_posix()}\0".encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def initial_name(initial: str | None) -> str | None:
    """Name what a run started from, without where it lay: NAME/VERSION, or a run's folder."""
    if initial is None:
        return None
    folder = Path(initial)
    is_version = VERSION_PATTERN.fullmatch(folder.name) is not None
    return f"{folder.parent.name}/{folder.name}" if is_version else folder.name


def parent_in(initial: str | None) -> Parent | None:
    """Identify the version that a run started from; None where it started from none."""
    name = initial_name(initial)
    if initial is None or name is None or "/" not in name:
        return None
    try:
        content = (Path(initial) / MANIFEST_FILE).read_bytes()
    except OSError:
        return None  # a run's folder, or a version that is gone since
    return _parent(name, content)


def made_from(repository: ModelRepository, version: VersionId, manifest: Manifest) -> Manifest:
    """Give the manifest of a version that is published anew: it names what it was made of."""
    parent = _parent(str(version), repository.manifest_content(version))
    return manifest.model_copy(update={"parent": parent})


def _parent(version: str, manifest: bytes) -> Parent:
    return Parent(version=version, manifest_sha256=hashlib.sha256(manifest).hexdigest())
