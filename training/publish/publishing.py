"""Exports as files, and as versions of a model repository."""

from dataclasses import dataclass
from pathlib import Path

from model.artifact.files import write_atomically
from model.artifact.manifest import Manifest
from model.artifact.repository import (
    MANIFEST_FILE,
    MODEL_FILE,
    ModelRepository,
    StoredVersion,
)
from model.artifact.upkeep import sign
from model.artifact.version import VersionId
from training.errors import CheckpointError
from training.publish.caution import objection
from training.publish.export import Exported
from training.publish.holdout import handed_on
from training.publish.target import Target


def write_export(exported: Exported, folder: Path) -> Path:
    """Write an export into a folder; return the path of its ONNX file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, graph in {MODEL_FILE: exported.model, **exported.graphs}.items():
        write_atomically(folder / name, graph)
    write_atomically(folder / MANIFEST_FILE, exported.manifest.to_json())
    return folder / MODEL_FILE


@dataclass(frozen=True)
class Published:
    """What came of publishing.

    Attributes:
        version: the new one.
        is_active: whether it serves under its name.
        is_default: whether its name answers where a request names no model.
        objection: why it does not serve, where nobody said whether it should.
    """

    version: VersionId
    is_active: bool
    is_default: bool
    objection: str | None = None


def publish_export(folder: Path, target: Target) -> Published:
    """Put an export into a repository, and make it its name's active version.

    Where nobody said whether it should serve, other classes or a lower accuracy than those of the
    active version keep it from that.

    Raises:
        CheckpointError: the folder holds no export.
        RepositoryError: the name is bad, or the repository may not be written.
    """
    try:
        model = (folder / MODEL_FILE).read_bytes()
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
        graphs = {name: (folder / name).read_bytes() for name in manifest.graphs}
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        message = f"{folder} holds no export to publish: {reason}; run goodserve-train export first"
        raise CheckpointError(message) from error
    repository = ModelRepository(target.root)
    active = repository.active(target.name)
    new = StoredVersion(VersionId(target.name, "1"), manifest, model, graphs)
    if active is not None:
        new = handed_on(new, repository.read(active))
    version = repository.publish(target.name, new.model, new.manifest, new.graphs)
    if target.key is not None:
        sign(repository, version, target.key)
    objected = None
    if target.activate is None and active is not None:
        objected = objection(manifest, repository.manifest(active))
    if target.activate or (target.activate is None and objected is None):
        repository.activate(version)
    is_active = repository.active(target.name) == version
    return Published(version, is_active, repository.active() == version, objected)
