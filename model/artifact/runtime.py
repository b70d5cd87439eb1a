"""The onnxruntime session, for serving and for export: the only file that knows onnxruntime."""

import ctypes
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import below, or it phones home

import onnxruntime
from numpy.typing import NDArray

from model.artifact.image import Pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import BATCH_AXIS, INPUT_NAME, ContractError, Outputs, TensorSpec

Device = Literal["cpu", "cuda"]

log = logging.getLogger("goodserve")

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_DTYPES = {"float": "float32", "double": "float64"}  # where onnxruntime's names are not ours


class DeviceError(Exception):
    """The device that was asked for is not there."""


class OnnxSession:
    """A loaded model, callable from several threads at once."""

    def __init__(self, model: bytes, device: Device, intra_op_threads: int = 1) -> None:
        """Load a model.

        Args:
            model: bytes of an ONNX file.
            device: where to run; never another one.
            intra_op_threads: threads within one run; one is fastest for small networks.

        Raises:
            DeviceError: onnxruntime fell back to another device.
            ContractError: the bytes are no model that onnxruntime can load.
        """
        self._session = _open(model, device, intra_op_threads)
        self._outputs = [node.name for node in self._session.get_outputs()]
        # Without it onnxruntime computes every output, asked for or not.
        self._run_options = onnxruntime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True

    def check(self, manifest: Manifest) -> None:
        """Hold the graph's inputs and outputs against the manifest's, in any order.

        Raises:
            ContractError: a name, dtype or shape differs, or one is missing or too many.
        """
        _check_nodes(self._session, (manifest.input, *manifest.outputs))

    def __call__(self, pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
        """Classify `(N, H, W, 3)` uint8 pixels.

        Args:
            pixels: a batch.
            wanted: names of the outputs to compute; None computes all there are.
        """
        names = self._outputs if wanted is None else wanted
        arrays = self._session.run(names, {INPUT_NAME: pixels}, self._run_options)
        return Outputs.named(dict(zip(names, arrays, strict=True)))


class OnnxGraph:
    """A loaded graph of several inputs, callable from several threads at once."""

    def __init__(self, graph: bytes, device: Device, intra_op_threads: int = 1) -> None:
        """Load a graph, as `OnnxSession` loads a whole model.

        Raises:
            DeviceError: onnxruntime fell back to another device.
            ContractError: the bytes are no model that onnxruntime can load.
        """
        self._session = _open(graph, device, intra_op_threads)
        self._run_options = onnxruntime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True

    def check(self, specs: Sequence[TensorSpec]) -> None:
        """Hold the graph's inputs and outputs against what they should be, in any order.

        Raises:
            ContractError: a name, dtype or shape differs, or one is missing or too many.
        """
        _check_nodes(self._session, specs)

    def __call__(
        self, feeds: Mapping[str, NDArray[Any]], wanted: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """Run a batch; give the wanted outputs by name."""
        arrays = self._session.run(wanted, feeds, self._run_options)
        return dict(zip(wanted, arrays, strict=True))


class OnnxStage:
    """A loaded part of a network, callable from several threads at once."""

    def __init__(self, graph: bytes, device: Device, intra_op_threads: int = 1) -> None:
        """Load a graph of one input, as `OnnxSession` loads a whole model.

        Raises:
            DeviceError: onnxruntime fell back to another device.
            ContractError: the bytes are no model that onnxruntime can load.
        """
        self._session = _open(graph, device, intra_op_threads)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [node.name for node in self._session.get_outputs()]

    def check(self, specs: Sequence[TensorSpec]) -> None:
        """Hold the graph's input and outputs against what they should be, in any order.

        Raises:
            ContractError: a name, dtype or shape differs, or one is missing or too many.
        """
        _check_nodes(self._session, specs)

    def __call__(self, array: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Run a batch; give every output by its name."""
        arrays = self._session.run(self._outputs, {self._input: array})
        return dict(zip(self._outputs, arrays, strict=True))


def session_opener(device: Device) -> Callable[[bytes, int], OnnxSession]:
    """Give what opens the bytes of whole models there, for runs of so many threads."""
    return lambda model, threads: OnnxSession(model, device, threads)


def stage_opener(device: Device) -> Callable[[bytes, int], OnnxStage]:
    """Give what opens the bytes of parts of networks there, for runs of so many threads."""
    return lambda graph, threads: OnnxStage(graph, device, threads)


def graph_opener(device: Device) -> Callable[[bytes, int], OnnxGraph]:
    """Give what opens the bytes of further graphs there, for runs of so many threads."""
    return lambda graph, threads: OnnxGraph(graph, device, threads)


def release_freed_memory() -> None:
    """Give the memory that loading used and freed back to the system.

    A graph's file and its parsed form are as large as its weights, and glibc would keep their
    places: 25 MB of 169 after the bundled model. Other C libraries have no such call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def has_cuda() -> bool:
    """Tell whether this onnxruntime was built for CUDA; whether that works is another question."""
    return _PROVIDERS["cuda"] in onnxruntime.get_available_providers()


def resolve_device(wanted: Literal["auto", "cpu", "cuda"], probe: Callable[[], bytes]) -> Device:
    """Say where to run, by really loading a model there.

    Args:
        wanted: auto takes CUDA where it works.
        probe: gives the bytes of any good model; not called where the CPU is asked for.

    Raises:
        DeviceError: CUDA was asked for and does not work.
    """
    if wanted == "cpu":
        return "cpu"
    try:
        _open_on_cuda(probe)
    except (DeviceError, ContractError) as error:
        if wanted == "cuda":
            message = (
                f"device cuda was asked for, but {error}; install goodserve[gpu] in place of "
                "goodserve[cpu] and a CUDA driver, or ask for cpu"
            )
            raise DeviceError(message) from error
        log.info("serving on the CPU: %s", error)
        return "cpu"
    return "cuda"


def _open_on_cuda(probe: Callable[[], bytes]) -> None:
    """Open a session on CUDA, or raise `DeviceError` or `ContractError`."""
    if not has_cuda():
        message = "this onnxruntime has no CUDA"
        raise DeviceError(message)
    # Finds the CUDA libraries that pip installed, which the linker does not.
    onnxruntime.preload_dlls()
    OnnxSession(probe(), "cuda")


def _open(graph: bytes, device: Device, intra_op_threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    # Threads that spin for work take cores from other sessions: 1.8 times the CPU per image
    # at batch 1 on two threads, for 7 % of the time (measured with the bundled model).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors; its warnings about shapes help nobody here
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=[_provider(device)])
    except Exception as error:  # onnxruntime's own errors share no public base
        message = f"onnxruntime cannot load the model: {error}"
        raise ContractError(message) from error
    found = session.get_providers()[0]
    if found != _PROVIDERS[device]:
        message = f"onnxruntime fell back from {_PROVIDERS[device]} to {found}"
        raise DeviceError(message)
    return session


def _provider(device: Device) -> str | tuple[str, dict[str, str]]:
    if device == "cuda":
        # TF32 keeps ten bits: golden scores would not reproduce.
        return _PROVIDERS["cuda"], {"use_tf32": "0"}
    return _PROVIDERS[device]


def _check_nodes(session: onnxruntime.InferenceSession, expected: Sequence[TensorSpec]) -> None:
    nodes = {n.name: n for n in (*session.get_inputs(), *session.get_outputs())}
    for spec in expected:
        if spec.name not in nodes:
            message = f"the model has no {spec.name!r}, which its manifest names"
            raise ContractError(message)
        _check_node(nodes[spec.name], spec)
    beyond = nodes.keys() - {spec.name for spec in expected}
    if beyond:
        message = f"the model has {sorted(beyond)}, which its manifest does not name"
        raise ContractError(message)


def _check_node(node: onnxruntime.NodeArg, spec: TensorSpec) -> None:
    """Compare name, dtype and shape; a dynamic first axis is the batch, whatever its name."""
    batch, *rest = node.shape
    shape = (batch if isinstance(batch, int) else BATCH_AXIS, *rest)
    dtype = node.type.removeprefix("tensor(").removesuffix(")")
    found = (node.name, _DTYPES.get(dtype, dtype), shape)
    wanted = (spec.name, spec.dtype, spec.shape)
    if found != wanted:
        message = f"the model has {found}, its manifest says {wanted}"
        raise ContractError(message)
