"""Refusals: whose way they stand in, how long, and what callers read of them."""

from pathlib import Path

import pytest

from model.artifact.outputs import ContractError
from model.artifact.version import UnknownVersionError, VersionId
from service.predict.refusals import RETRY_S
from tests.service.predict.watched import Watched

pytestmark = pytest.mark.anyio


async def test_what_requests_name_stands_in_nobodys_way(tmp_path: Path) -> None:
    """It is remembered for those who name it again, and hides nothing that was to serve."""
    at = Watched(tmp_path, versions=3)
    await at.watcher.look()
    at.opener.broken = {"2", "3"}

    await at.watcher.load(VersionId("colours", "2"))

    assert at.watcher.refusal is None
    assert at.watcher.refusals.reason("colours/2") == "colours/2 is corrupt"
    at.repository.activate(VersionId("colours", "3"))
    await at.watcher.look()
    assert at.watcher.refusal is not None
    assert at.watcher.refusal.version == "colours/3"


async def refused_letters(root: Path) -> Watched:
    """Let a second model be refused, of which there are two versions, when it is named."""
    at = Watched(root)
    stored = at.repository.read(VersionId("colours", "1"))
    for _ in range(2):
        at.repository.publish("letters", stored.model, stored.manifest)
    at.repository.activate(VersionId("letters", "1"))
    await at.watcher.look()
    state = at.repository.state()
    assert state is not None
    at.opener.error = ContractError("bad")
    await at.watcher.bring_up(state, "letters")
    return at


async def test_a_damaged_active_file_is_told_before_other_models(tmp_path: Path) -> None:
    """The default model stands first, then the file, then any other model."""
    at = await refused_letters(tmp_path)
    assert at.watcher.refusal is not None
    assert at.watcher.refusal.version == "letters/1"

    (tmp_path / "active.json").write_text("{")
    await at.watcher.look()

    assert at.watcher.refusal.version == "active.json"


@pytest.mark.parametrize("change", ["deactivated", "activated"])
async def test_what_is_not_to_serve_any_more_is_forgotten(tmp_path: Path, change: str) -> None:
    """Also of a model that nobody asks for: no alarm goes on until the next start."""
    at = await refused_letters(tmp_path)
    assert [each.version for each in at.watcher.refusals.standing()] == ["letters/1"]

    if change == "deactivated":
        at.repository.deactivate("letters")
    else:
        at.repository.activate(VersionId("letters", "2"))
    await at.watcher.look()

    assert at.watcher.refusals.standing() == ()
    assert at.watcher.refusal is None


async def test_callers_do_not_read_where_the_repository_lies(tmp_path: Path) -> None:
    """Neither of a version that is missing, nor where loading fails in any other way."""
    at = Watched(tmp_path)
    place = at.repository.place
    for error in (
        UnknownVersionError(f"there is no version colours/1 in {place}"),
        OSError(f"cannot map {place}/colours/1/model.onnx"),
    ):
        at.opener.error = error

        await at.watcher.look()

        assert at.watcher.refusal is not None
        assert "the repository" in at.watcher.refusal.reason
        assert str(tmp_path) not in f"{at.watcher.refusal.reason}{at.lanes.why_none}"
        at.clock.now += RETRY_S
