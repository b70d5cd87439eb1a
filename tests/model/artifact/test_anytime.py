"""A network in two parts: what its manifest says, how it is stored, and what is refused."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from model.artifact.anytime import PASSED, Anytime, Threshold, contributions_spec
from model.artifact.checks import check_stages, golden_pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import ContractError
from model.artifact.repository import ModelRepository
from model.artifact.runtime import OnnxSession, OnnxStage
from model.artifact.version import BrokenVersionError, VersionId
from tests.model.artifact.tiny import PASSED_SPEC, TinyModel, TinyStages, tiny_stages

THRESHOLDS = ((0.9, 0.4), (0.98, 0.7), (0.99, 0.7))


@pytest.fixture(scope="module")
def stages() -> TinyStages:
    """Cut the first tiny model in two."""
    return tiny_stages(0)


def anytime(**changes: Any) -> Anytime:
    """Describe a cut after the first layer."""
    given: dict[str, Any] = {
        "prefix_layers": 1,
        "passed": PASSED_SPEC,
        "prefix_sha256": "0" * 64,
        "suffix_sha256": "1" * 64,
        "temperature": 1.5,
        "thresholds": [Threshold(confidence=c, probability=p) for c, p in THRESHOLDS],
    }
    return Anytime(**{**given, **changes})


@pytest.mark.parametrize(
    ("asked", "expected"), [(0.5, 0.4), (0.9, 0.4), (0.95, 0.7), (0.99, 0.7), (0.995, None)]
)
def test_the_least_confidence_that_is_enough_decides(asked: float, expected: float | None) -> None:
    """Between two stored confidences the higher one counts; beyond the last there is none."""
    assert anytime().probability(asked) == expected


@pytest.mark.parametrize("wrong", [((0.9, 0.5), (0.9, 0.6)), ((0.9, 0.5), (0.95, 0.4))])
def test_thresholds_that_fall_are_refused(wrong: tuple[tuple[float, float], ...]) -> None:
    """More confidence never takes less probability."""
    thresholds = [Threshold(confidence=c, probability=p) for c, p in wrong]

    with pytest.raises(ValidationError, match="thresholds must rise"):
        anytime(thresholds=thresholds)


def test_a_manifest_with_a_cut_survives_json(stages: TinyStages) -> None:
    """Written and read again it is the same, and without a cut it names no further graph."""
    manifest = stages.manifest

    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert set(manifest.graphs) == {"prefix.onnx", "suffix.onnx"}
    assert manifest.model_copy(update={"anytime": None}).graphs == {}


def test_a_prefix_of_all_layers_is_refused(stages: TinyStages) -> None:
    """Something must be left to stop before."""
    change = {"anytime": anytime(prefix_layers=2)}

    with pytest.raises(ValidationError, match="a prefix of 2 layers leaves none of the 2"):
        Manifest.model_validate({**stages.manifest.model_dump(), **change})


def published(
    repository: ModelRepository, tiny_models: list[TinyModel], stages: TinyStages
) -> VersionId:
    """Publish the first tiny model with its parts."""
    return repository.publish("colours", tiny_models[0].model, stages.manifest, stages.graphs)


def test_the_parts_are_stored_with_their_version(
    repository: ModelRepository, tiny_models: list[TinyModel], stages: TinyStages
) -> None:
    """They come back as they went in, and are as read-only as the model."""
    version = published(repository, tiny_models, stages)

    stored = repository.read(version)

    modes = {path.stat().st_mode & 0o777 for path in (repository.root / str(version)).iterdir()}
    assert stored.graphs == stages.graphs
    assert modes == {0o444}


@pytest.mark.parametrize(
    ("graphs", "message"),
    [
        ({}, r"(prefix|suffix)\.onnx is named by its manifest and missing"),
        ({"more.onnx": b""}, r"more\.onnx is not in its manifest"),
        ({"prefix.onnx": b"other"}, r"prefix\.onnx has sha256"),
    ],
)
def test_parts_other_than_the_manifests_are_not_published(
    repository: ModelRepository,
    tiny_models: list[TinyModel],
    stages: TinyStages,
    graphs: dict[str, bytes],
    message: str,
) -> None:
    """One missing, one too many, one with other bytes: nothing is left behind."""
    given = {**stages.graphs, **graphs} if graphs else {}

    with pytest.raises(BrokenVersionError, match=message):
        repository.publish("colours", tiny_models[0].model, stages.manifest, given)

    assert repository.versions() == []


def test_a_version_whose_part_is_gone_is_broken(
    repository: ModelRepository, tiny_models: list[TinyModel], stages: TinyStages
) -> None:
    """It is neither read nor activated."""
    version = published(repository, tiny_models, stages)
    (repository.root / str(version) / "suffix.onnx").unlink()

    for attempt in (repository.read, repository.activate):
        with pytest.raises(BrokenVersionError, match=r"incomplete: suffix\.onnx cannot be read"):
            attempt(version)


def test_both_parts_together_give_what_the_whole_gives(
    tiny_models: list[TinyModel], stages: TinyStages
) -> None:
    """Their graphs are those of the contract, and their contributions the whole's."""
    prefix, suffix = (OnnxStage(graph, "cpu") for graph in stages.graphs.values())
    part = contributions_spec(1, 3)

    prefix.check((stages.manifest.input, PASSED_SPEC, part))
    suffix.check((PASSED_SPEC, part))
    worst = check_stages(
        golden_pixels(stages.manifest), OnnxSession(tiny_models[0].model, "cpu"), prefix, suffix
    )

    assert worst < 1e-6
    assert prefix(np.zeros((5, 16, 16, 3), np.uint8))[PASSED].shape == (5, 3)


def test_parts_of_another_network_are_refused(
    tiny_models: list[TinyModel], stages: TinyStages
) -> None:
    """They do not give the whole's contributions."""
    prefix, suffix = (OnnxStage(graph, "cpu") for graph in stages.graphs.values())
    other = OnnxSession(tiny_models[1].model, "cpu")

    with pytest.raises(ContractError, match="do not give the whole's contributions: off by"):
        check_stages(golden_pixels(stages.manifest), other, prefix, suffix)


def test_parts_that_overlap_are_refused(tiny_models: list[TinyModel], stages: TinyStages) -> None:
    """Two prefixes give other layers than the whole."""
    prefix, suffix = (OnnxStage(graph, "cpu") for graph in stages.graphs.values())

    def twice(array: Any) -> Any:
        (found,) = suffix(array).values()
        return {"contributions": np.concatenate([found, found], axis=1)}

    with pytest.raises(ContractError, match=r"contributions of shape \(4, 3, 3\), not the whole's"):
        check_stages(
            golden_pixels(stages.manifest), OnnxSession(tiny_models[0].model, "cpu"), prefix, twice
        )
