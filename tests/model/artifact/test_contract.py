"""The contract is open: published versions stay valid, and a model may give more."""

import hashlib

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from model.artifact.checks import check_answers
from model.artifact.manifest import Manifest
from model.artifact.outputs import (
    BATCH_AXIS,
    CONTRIBUTIONS,
    OUTPUTS,
    PROBABILITIES,
    SCORES,
    ContractError,
    OutputKind,
    TensorSpec,
    check_outputs,
    known_outputs,
)
from model.artifact.repository import ModelRepository
from model.artifact.runtime import OnnxSession
from tests.conftest import ROOT
from tests.model.artifact.tiny import TinyModel

EXTRA = TensorSpec(name="extra", dtype="float32", shape=("N", 2, 3), required=False)
WIDER = {**OUTPUTS, "extra": OutputKind(lambda l, k: (BATCH_AXIS, l, k), required=False)}  # noqa: E741


def with_output(tiny: TinyModel, spec: TensorSpec) -> TinyModel:
    """Give a model's graph one more output, made from its contributions, and name it."""
    model = onnx.load_model_from_string(tiny.model)
    onnx_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
    model.graph.node.append(onnx.helper.make_node("Cast", [CONTRIBUTIONS], ["extra"], to=onnx_type))
    model.graph.output.append(onnx.helper.make_tensor_value_info("extra", onnx_type, spec.shape))
    content = model.SerializeToString()
    change = {
        "outputs": (*tiny.manifest.outputs, spec),
        "model_sha256": hashlib.sha256(content).hexdigest(),
        "model_size_bytes": len(content),
    }
    manifest = Manifest.model_validate({**tiny.manifest.model_dump(), **change})
    return TinyModel(content, manifest)


def black(number: int) -> NDArray[np.uint8]:
    """Draw black images of a tiny model's size."""
    return np.zeros((number, 16, 16, 3), np.uint8)


def test_a_version_published_before_outputs_could_be_optional_is_served() -> None:
    """The first bundled version's manifest knows no `required`, and loads unchanged."""
    repository = ModelRepository(ROOT / "model" / "bundled")
    first = repository.versions()[0]
    folder = repository.root / str(first)
    assert '"required"' not in (folder / "manifest.json").read_text()

    stored = repository.read(first)
    session = OnnxSession(stored.model, "cpu")

    session.check(stored.manifest)
    check_answers(stored.manifest, session)
    assert [spec.name for spec in stored.manifest.outputs] == [SCORES, PROBABILITIES, CONTRIBUTIONS]


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_an_unknown_optional_output_is_no_hindrance(
    repository: ModelRepository, tiny_models: list[TinyModel], dtype: str
) -> None:
    """A version with an output of a later goodserve is published, read, checked and run."""
    spec = TensorSpec.model_validate({**EXTRA.model_dump(), "dtype": dtype})
    extended = with_output(tiny_models[0], spec)

    published = repository.publish("colours", extended.model, extended.manifest)
    stored = repository.read(published)
    session = OnnxSession(stored.model, "cpu")

    session.check(stored.manifest)
    check_answers(stored.manifest, session)
    assert known_outputs(stored.manifest.outputs) == (SCORES, PROBABILITIES, CONTRIBUTIONS)
    assert session(black(2), known_outputs(stored.manifest.outputs)).optional == {}
    fetched = session(black(2), [SCORES, PROBABILITIES, "extra"])
    assert fetched.optional["extra"].shape == (2, 2, 3)
    assert fetched.optional["extra"].dtype == np.dtype(dtype)


def test_an_optional_output_of_the_table_is_carried(tiny_models: list[TinyModel]) -> None:
    """One more row in the table, and the output comes along, cut into rows like the others."""
    extended = with_output(tiny_models[0], EXTRA)
    wanted = known_outputs(extended.manifest.outputs, WIDER)

    outputs = OnnxSession(extended.model, "cpu")(black(3), wanted)

    assert outputs.contributions is not None
    assert (outputs.optional["extra"] == outputs.contributions).all()
    assert outputs.rows(1, 3).optional["extra"].shape == (2, 2, 3)


def test_a_version_without_an_optional_output_stays_valid(tiny_models: list[TinyModel]) -> None:
    """What the table knows as optional need not be there."""
    check_outputs(tiny_models[0].manifest.outputs, 2, 3, WIDER)

    assert "extra" not in known_outputs(tiny_models[0].manifest.outputs, WIDER)


def test_an_unknown_required_output_is_refused_with_the_remedy(
    tiny_models: list[TinyModel],
) -> None:
    """A model that says it cannot be read without that output is not read."""
    required = EXTRA.model_copy(update={"required": True})

    with pytest.raises(ValidationError, match=r"'extra' is required and unknown .*; upgrade"):
        with_output(tiny_models[0], required)


@pytest.mark.parametrize("name", [SCORES, PROBABILITIES, CONTRIBUTIONS])
def test_a_missing_required_output_is_refused(tiny_models: list[TinyModel], name: str) -> None:
    """Every version gives scores, probabilities and contributions."""
    outputs = [spec for spec in tiny_models[0].manifest.outputs if spec.name != name]

    with pytest.raises(ContractError, match=f"the required output '{name}' is missing"):
        check_outputs(outputs, 2, 3)


def test_an_optional_output_of_another_shape_is_refused(tiny_models: list[TinyModel]) -> None:
    """An output that the table knows must be as the table says, required or not."""
    wrong = EXTRA.model_copy(update={"shape": ("N", 3)})

    with pytest.raises(ContractError, match=r"'extra' must be float32 \('N', 2, 3\), not float32"):
        check_outputs((*tiny_models[0].manifest.outputs, wrong), 2, 3, WIDER)


def test_two_outputs_of_one_name_are_refused(tiny_models: list[TinyModel]) -> None:
    """Outputs are told apart by name."""
    outputs = tiny_models[0].manifest.outputs

    with pytest.raises(ContractError, match="the outputs' names are not unique"):
        check_outputs((*outputs, outputs[0]), 2, 3)
