"""Exported graphs, opened on the CPU with the runtime that serves them."""

from collections.abc import Iterator
from contextlib import contextmanager

from model.artifact.outputs import Graph, Session, Stage
from training.errors import ExportError


def onnx_session(model: bytes) -> Session:
    """Open an ONNX file on the CPU with the runtime that serves it.

    Raises:
        ExportError: onnxruntime is not installed.
    """
    with _runtime_wanted():
        from model.artifact.runtime import OnnxSession  # noqa: PLC0415  onnxruntime is an extra
    return OnnxSession(model, "cpu")


def onnx_graph(graph: bytes) -> Graph:
    """Open a further graph of a version on the CPU with the runtime that serves it.

    Raises:
        ExportError: onnxruntime is not installed.
    """
    with _runtime_wanted():
        from model.artifact.runtime import OnnxGraph  # noqa: PLC0415  onnxruntime is an extra
    return OnnxGraph(graph, "cpu")


def onnx_stage(graph: bytes) -> Stage:
    """Open a part of a network on the CPU with the runtime that serves it.

    Raises:
        ExportError: onnxruntime is not installed.
    """
    with _runtime_wanted():
        from model.artifact.runtime import OnnxStage  # noqa: PLC0415  onnxruntime is an extra
    return OnnxStage(graph, "cpu")


@contextmanager
def _runtime_wanted() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        message = "exporting needs onnxruntime: install goodserve[cpu] or goodserve[gpu]"
        raise ExportError(message) from error
