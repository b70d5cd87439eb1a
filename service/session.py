"""The onnxruntime session: the only file that knows onnxruntime."""

import logging
import os
from collections.abc import Callable
from typing import Literal

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import below, or it phones home

import onnxruntime

from model.contract import (
    BATCH_AXIS,
    CONTRIBUTIONS,
    INPUT_NAME,
    PROBABILITIES,
    SCORES,
    ContractError,
    Manifest,
    Scores,
)
from model.image import Pixels

Device = Literal["cpu", "cuda"]

log = logging.getLogger("goodserve")

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
_OUTPUTS = [SCORES, PROBABILITIES, CONTRIBUTIONS]


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
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = intra_op_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; its warnings about shapes help nobody here
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=[_provider(device)]
            )
        except Exception as error:  # onnxruntime's own errors share no public base
            message = f"onnxruntime cannot load the model: {error}"
            raise ContractError(message) from error
        found = self._session.get_providers()[0]
        if found != _PROVIDERS[device]:
            message = f"onnxruntime fell back from {_PROVIDERS[device]} to {found}"
            raise DeviceError(message)

    def check(self, manifest: Manifest) -> None:
        """Hold the graph's inputs and outputs against the manifest's.

        Raises:
            ContractError: a name, dtype or shape differs.
        """
        expected = [manifest.input, *manifest.outputs]
        nodes = [*self._session.get_inputs(), *self._session.get_outputs()]
        wanted = [(spec.name, spec.dtype, spec.shape) for spec in expected]
        found = [(node.name, _DTYPES.get(node.type, node.type), _shape(node)) for node in nodes]
        for there, here in zip(found, wanted, strict=False):
            if there != here:
                message = f"the model has {there}, its manifest says {here}"
                raise ContractError(message)
        if len(found) != len(wanted):
            message = f"the model has {len(found)} inputs and outputs, not {len(wanted)}"
            raise ContractError(message)

    def __call__(self, pixels: Pixels) -> tuple[Scores, Scores, Scores]:
        """Classify `(N, H, W, 3)` uint8 pixels.

        Returns:
            scores `(N, K)`, probabilities `(N, K)` and contributions `(N, L, K)`, float32.
        """
        scores, probabilities, contributions = self._session.run(_OUTPUTS, {INPUT_NAME: pixels})
        return scores, probabilities, contributions


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
    if _PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
        message = "this onnxruntime has no CUDA"
        raise DeviceError(message)
    # Finds the CUDA libraries that pip installed, which the linker does not.
    onnxruntime.preload_dlls()
    OnnxSession(probe(), "cuda")


def _provider(device: Device) -> str | tuple[str, dict[str, str]]:
    if device == "cuda":
        # TF32 keeps ten bits: golden scores would not reproduce.
        return _PROVIDERS["cuda"], {"use_tf32": "0"}
    return _PROVIDERS[device]


def _shape(node: onnxruntime.NodeArg) -> tuple[int | str, ...]:
    """Read a shape; a dynamic first axis is the batch, whatever its name."""
    batch, *rest = node.shape
    return (batch if isinstance(batch, int) else BATCH_AXIS, *rest)
