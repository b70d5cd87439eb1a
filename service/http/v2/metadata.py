"""What the server and its models are, in the protocol's words."""

from collections.abc import Sequence
from importlib.metadata import version

from model.artifact.manifest import Manifest
from model.artifact.outputs import INPUT_NAME
from service.http.v2.inputs import FILES, PIXELS
from service.http.v2.outputs import KINDS, outputs_of
from service.http.v2.schemas import ModelMetadata, ServerMetadata, TensorMetadata

EXTENSIONS = ["binary_tensor_data", "classification", "model_repository", "statistics"]
PLATFORM = "onnx_onnxv1"
_BATCH = -1


def server_metadata() -> ServerMetadata:
    """Say what this server is."""
    return ServerMetadata(name="goodserve", version=version("goodserve"), extensions=EXTENSIONS)


def model_metadata(name: str, versions: Sequence[str], manifest: Manifest) -> ModelMetadata:
    """Say what a model takes and gives.

    Args:
        name: of the model.
        versions: that may be named.
        manifest: of the version that is asked about.
    """
    pixels = [_BATCH, manifest.image_height, manifest.image_width, 3]
    outputs = [
        TensorMetadata(name=name, datatype=kind.datatype, shape=[_BATCH, *kind.axes(manifest)])
        for name, kind in outputs_of(manifest).items()
    ]
    named = [name for name, kind in KINDS.items() if not kind.by_default]
    return ModelMetadata(
        name=name,
        versions=list(versions),
        platform=PLATFORM,
        inputs=[TensorMetadata(name=INPUT_NAME, datatype=PIXELS, shape=pixels)],
        outputs=outputs,
        properties={
            "input": f"{INPUT_NAME} may also be {FILES} [-1]: JPEG, PNG or WebP files of any size",
            "outputs": f"given only where a request names them: {', '.join(named)}",
        },
    )
