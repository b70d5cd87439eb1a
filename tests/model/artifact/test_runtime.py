"""The session: device, contract, and no silent fallback."""

import numpy as np
import onnxruntime
import pytest

from model.artifact.outputs import ContractError
from model.artifact.runtime import DeviceError, OnnxSession, resolve_device
from tests.model.artifact.tiny import TinyModel

HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def no_probe() -> bytes:
    """Fail if a model is asked for."""
    raise AssertionError


def test_the_cpu_needs_no_probe() -> None:
    """Asking for the CPU opens nothing."""
    assert resolve_device("cpu", no_probe) == "cpu"


@pytest.mark.skipif(HAS_CUDA, reason="this onnxruntime has CUDA")
def test_cuda_without_cuda_is_an_error() -> None:
    """The message says what to install, and nothing falls back silently."""
    with pytest.raises(DeviceError, match=r"device cuda was asked for, but .*install goodserve"):
        resolve_device("cuda", no_probe)


@pytest.mark.skipif(HAS_CUDA, reason="this onnxruntime has CUDA")
def test_auto_takes_the_cpu_where_there_is_nothing_else() -> None:
    """`auto` is the only setting that may choose."""
    assert resolve_device("auto", no_probe) == "cpu"


@pytest.mark.skipif(HAS_CUDA, reason="this onnxruntime has CUDA")
@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider':UserWarning")
def test_a_session_that_fell_back_is_refused(tiny_models: list[TinyModel]) -> None:
    """Onnxruntime falls back to the CPU by itself; the session notices."""
    with pytest.raises(DeviceError, match="fell back from CUDAExecutionProvider to CPU"):
        OnnxSession(tiny_models[0].model, "cuda")


def test_a_session_answers_any_batch(tiny_models: list[TinyModel]) -> None:
    """Three float32 outputs, one row per image."""
    session = OnnxSession(tiny_models[0].model, "cpu")

    for number in (1, 5):
        scores, probabilities, contributions, _ = session(np.zeros((number, 16, 16, 3), np.uint8))
        assert (scores.shape, probabilities.shape) == ((number, 3), (number, 3))
        assert contributions is not None
        assert contributions.shape == (number, 2, 3)
        assert {scores.dtype, probabilities.dtype, contributions.dtype} == {np.dtype("f4")}


def test_bytes_that_are_no_model_are_refused() -> None:
    """Onnxruntime's own error comes out as ours."""
    with pytest.raises(ContractError, match="onnxruntime cannot load the model"):
        OnnxSession(b"no model", "cpu")


def test_a_graph_with_other_layers_is_refused(tiny_models: list[TinyModel]) -> None:
    """Names, dtypes and shapes must be those of the manifest."""
    manifest = tiny_models[0].manifest
    longer = manifest.outputs[2].model_copy(update={"shape": ("N", 7, 3)})
    changed = manifest.model_copy(update={"outputs": (*manifest.outputs[:2], longer)})

    session = OnnxSession(tiny_models[0].model, "cpu")

    session.check(manifest)
    with pytest.raises(ContractError, match=r"\('N', 2, 3\)\), its manifest says .*'N', 7, 3"):
        session.check(changed)
