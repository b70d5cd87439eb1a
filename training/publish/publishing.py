"""Exports as files, and as versions of a model repository."""

from pathlib import Path

from model.artifact.files import write_atomically
from model.artifact.manifest import Manifest
from model.artifact.repository import MANIFEST_FILE, MODEL_FILE, ModelRepository
from model.artifact.version import VersionId
from training.errors import CheckpointError
from training.publish.export import Exported
from training.publish.target import Target


def write_export(exported: Exported, folder: Path) -> Path:
    """Write an export into a folder; return the path of its ONNX file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, graph in {MODEL_FILE: exported.model, **exported.graphs}.items():
        write_atomically(folder / name, graph)
    content = exported.manifest.model_dump_json(indent=1).encode() + b"\n"
    write_atomically(folder / MANIFEST_FILE, content)
    return folder / MODEL_FILE


def publish_export(folder: Path, target: Target) -> VersionId:
    """Put an export into a repository, and make it the active version if asked to.

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
    published = repository.publish(target.name, model, manifest, graphs)
    if target.activate:
        repository.activate(published)
    return published
