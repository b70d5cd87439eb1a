"""Labels and trials: what `active.json` says of a version beside its being active."""

from datetime import UTC, datetime

import pytest

from model.artifact.labels import Canary, Stopped
from model.artifact.repository import ModelRepository
from model.artifact.version import RepositoryError, UnknownVersionError, VersionId
from tests.model.artifact.conftest import publish
from tests.model.artifact.tiny import TinyModel

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(name="two")
def two_versions(repository: ModelRepository, tiny_models: list[TinyModel]) -> ModelRepository:
    """Two versions of a model, the first one active."""
    for tiny in (tiny_models[0], tiny_models[0]):
        publish(repository, tiny)
    repository.activate(VersionId("colours", "1"))
    return repository


def trial(version: str = "2", percent: float = 10, **fields: float) -> Canary:
    """Try a version on a tenth of the requests."""
    return Canary(version=version, percent=percent, since=NOW, **fields)


def named(repository: ModelRepository) -> dict[str, str]:
    """Give the version that each label of the model names."""
    state = repository.state()
    assert state is not None
    return state.models["colours"].all_labels


def test_a_label_names_one_version_at_a_time(two: ModelRepository) -> None:
    """Setting it again moves it, and removing it leaves nothing behind."""
    two.set_label(VersionId("colours", "1"), "night")
    two.set_label(VersionId("colours", "2"), "night")
    assert named(two) == {"stable": "1", "night": "2"}

    two.remove_label("colours", "night")

    assert named(two) == {"stable": "1"}
    with pytest.raises(UnknownVersionError, match="colours has no label 'night'"):
        two.remove_label("colours", "night")


@pytest.mark.parametrize("label", ["stable", "canary", "2", "", "Night", "a/b", "a" * 64])
def test_labels_that_cannot_be_set_are_refused(two: ModelRepository, label: str) -> None:
    """Two of them name a part, and none may look like a version or leave a path."""
    with pytest.raises(RepositoryError, match=r"label|always names"):
        two.set_label(VersionId("colours", "2"), label)


def test_a_label_of_a_missing_version_is_refused(two: ModelRepository) -> None:
    """A label never names what is not there."""
    with pytest.raises(UnknownVersionError):
        two.set_label(VersionId("colours", "3"), "night")


def test_labels_survive_activation_and_rollback(two: ModelRepository) -> None:
    """What is active moves; what was labelled stays where it was."""
    two.set_label(VersionId("colours", "1"), "night")

    two.activate(VersionId("colours", "2"))
    assert named(two) == {"stable": "2", "night": "1"}
    two.rollback()

    assert named(two) == {"stable": "1", "night": "1"}


def test_a_trial_is_promoted(two: ModelRepository) -> None:
    """The version on trial becomes the active one, and the trial has ended."""
    two.begin_canary("colours", trial())
    assert named(two) == {"stable": "1", "canary": "2"}

    assert two.promote() == VersionId("colours", "2")

    assert named(two) == {"stable": "2"}
    assert two.rollback() == VersionId("colours", "1")


def test_activating_the_version_on_trial_ends_the_trial(two: ModelRepository) -> None:
    """It is not on trial any more, however it became active."""
    two.begin_canary("colours", trial())

    two.activate(VersionId("colours", "2"))

    assert named(two) == {"stable": "2"}


def test_a_failed_trial_leaves_its_reason(two: ModelRepository) -> None:
    """What is active stays so, and a new trial forgets the old reason."""
    two.begin_canary("colours", trial())
    two.end_canary("colours", Stopped(version="2", reason="it differs", at=NOW))

    state = two.state()
    assert state is not None
    stopped = state.models["colours"].stopped
    assert stopped is not None
    assert stopped.reason == "it differs"
    assert named(two) == {"stable": "1"}

    two.begin_canary("colours", trial())
    state = two.state()
    assert state is not None
    assert state.models["colours"].stopped is None


def test_only_the_trial_that_was_meant_is_ended(two: ModelRepository) -> None:
    """Somebody may have begun another one since."""
    old, new = trial(percent=5), trial(percent=50)
    two.begin_canary("colours", new)

    two.end_canary("colours", only=old)

    assert named(two)["canary"] == "2"


@pytest.mark.parametrize("version", ["1", "9"])
def test_what_cannot_be_tried_is_refused(two: ModelRepository, version: str) -> None:
    """The active version is not on trial, and a missing one cannot be."""
    with pytest.raises(RepositoryError):
        two.begin_canary("colours", trial(version))


def test_there_is_nothing_to_promote_or_to_end(two: ModelRepository) -> None:
    """Both say so."""
    with pytest.raises(UnknownVersionError, match="no version of colours is on trial"):
        two.promote()
    with pytest.raises(UnknownVersionError, match="no version of colours is on trial"):
        two.end_canary()
