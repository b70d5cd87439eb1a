"""The watcher: what it tries, what it leaves alone, when it tries again, whom it replaces."""

import asyncio
import itertools
from pathlib import Path

import pytest

from model.artifact.outputs import ContractError
from model.artifact.version import VersionId
from service.predict.predictor import Predictor
from service.predict.refusals import RETRY_S
from tests.service.fakes import FakeSession, Gate
from tests.service.predict.watched import Watched

pytestmark = pytest.mark.anyio


async def test_a_transient_failure_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full GPU empties: not at every look, but every half minute, and logged once."""
    at = Watched(tmp_path)
    at.opener.error = RuntimeError("out of memory")

    for _ in range(10):
        await at.watcher.look()
    assert len(at.opener.attempts) == 1
    at.clock.now = RETRY_S
    await at.watcher.look()
    assert len(at.opener.attempts) == 2
    at.opener.error = None
    at.clock.now = 2 * RETRY_S
    await at.watcher.look()

    assert at.lanes.active is not None
    assert at.watcher.refusal is None
    assert at.swaps == [False, False, True]
    refusals = [r for r in caplog.records if r.getMessage().startswith("refused")]
    assert len(refusals) == 1


async def test_a_change_of_permissions_is_a_change(tmp_path: Path) -> None:
    """What was refused is tried again at once when its files' modes change."""
    at = Watched(tmp_path)
    at.opener.error = ContractError("a bad graph")
    await at.watcher.look()

    (tmp_path / "colours" / "1" / "model.onnx").chmod(0o640)
    await at.watcher.look()

    assert len(at.opener.attempts) == 2


async def test_a_bad_version_leaves_the_old_one(tmp_path: Path) -> None:
    """The reason is kept in one place; activating a good one forgets it."""
    at = Watched(tmp_path, versions=3)
    await at.watcher.look()
    at.opener.error = ContractError("golden inputs do not reproduce")
    at.repository.activate(VersionId("colours", "2"))

    await at.watcher.look()
    await at.watcher.look()

    assert at.opener.attempts == ["1", "2"]
    assert at.watcher.refusal is not None
    assert at.watcher.refusal.version == "colours/2"
    assert "golden inputs" in at.watcher.refusal.reason
    assert at.lanes.active is not None
    assert at.lanes.active.id.version == "1"
    at.opener.error = None
    at.repository.activate(VersionId("colours", "3"))
    await at.watcher.look()
    assert at.watcher.refusal is None
    assert at.lanes.active.id.version == "3"


async def test_going_back_to_what_serves_forgets_the_refusal(tmp_path: Path) -> None:
    """Nothing is loaded for it: the old lane never stopped."""
    at = Watched(tmp_path, versions=2)
    await at.watcher.look()
    at.opener.error = ContractError("bad")
    at.repository.activate(VersionId("colours", "2"))
    await at.watcher.look()
    at.repository.rollback()

    await at.watcher.look()

    assert at.watcher.refusal is None
    assert at.opener.attempts == ["1", "2"]


async def test_a_lane_that_hangs_is_replaced_by_the_same_version(tmp_path: Path) -> None:
    """Who waited got an error; who comes is answered by a new lane."""
    at, gate = Watched(tmp_path), Gate()
    at.opener.session = FakeSession(gate)
    await at.watcher.look()
    hung = asyncio.create_task(Predictor(at.lanes).predict([b"\1"]))
    await asyncio.to_thread(gate.wait_until_entered)
    at.opener.session = FakeSession()

    at.clock.now = 2.0
    at.lanes.give_up_lost()
    await at.watcher.look()

    with pytest.raises(Exception, match="does not answer"):
        await hung
    answers = await Predictor(at.lanes).predict([b"\1"])
    assert str(answers.id) == "colours/1"
    assert at.opener.attempts == ["1", "1"]
    gate.let()


async def test_a_lane_that_goes_on_failing_is_replaced_ever_more_seldom(tmp_path: Path) -> None:
    """Loading again and again would cost more than it brings; the lane answers meanwhile."""

    def run(_: object) -> None:
        raise RuntimeError

    at = Watched(tmp_path)
    at.opener.session = FakeSession(run)
    await at.watcher.look()
    replaced_at = []
    for tenth in range(1000):
        at.clock.now = tenth / 10
        before = len(at.opener.attempts)
        await asyncio.gather(Predictor(at.lanes).predict([b"\1"]), return_exceptions=True)
        await at.watcher.look()
        if len(at.opener.attempts) > before:
            replaced_at.append(at.clock.now)

    gaps = [after - before for before, after in itertools.pairwise(replaced_at)]
    assert replaced_at[0] == 0
    assert gaps == sorted(gaps)
    assert gaps[0] < 1
    assert gaps[-1] > RETRY_S - 1


async def test_a_damaged_active_file_is_a_refusal(tmp_path: Path) -> None:
    """The old version goes on; the file's own name stands in the refusal."""
    at = Watched(tmp_path)
    await at.watcher.look()
    (tmp_path / "active.json").write_text("{")

    await at.watcher.look()
    await at.watcher.look()

    assert at.watcher.refusal is not None
    assert at.watcher.refusal.version == "active.json"
    assert at.swaps == [True, False]


async def test_where_the_active_version_cannot_serve_the_one_before_does(tmp_path: Path) -> None:
    """A process that starts on a bad version answers as one that was there before would."""
    at = Watched(tmp_path, versions=3)
    for version in "23":
        at.repository.activate(VersionId("colours", version))
    at.opener.broken = {"3"}

    for _ in range(3):
        await at.watcher.look()

    assert at.lanes.active is not None
    assert at.lanes.active.id == VersionId("colours", "2")
    assert at.opener.attempts == ["3", "2"]
    assert at.watcher.refusal is not None
    assert at.watcher.refusal.version == "colours/3"
    at.opener.broken = set()
    at.clock.now = RETRY_S
    await at.watcher.look()
    assert at.lanes.active.id == VersionId("colours", "3")


async def test_a_version_that_stands_in_is_replaced_when_it_is_lost(tmp_path: Path) -> None:
    """Also while the active version is refused."""
    at = Watched(tmp_path, versions=2)
    at.repository.activate(VersionId("colours", "2"))
    at.opener.broken = {"2"}
    await at.watcher.look()
    first = at.lanes.active
    assert first is not None
    first.give_up()

    await at.watcher.look()

    assert at.lanes.active is not None
    assert at.lanes.active is not first
    assert at.lanes.active.id == VersionId("colours", "1")
    assert at.lanes.active.trouble() is None


async def test_a_version_is_loaded_beside_the_one_in_whose_place_it_comes(tmp_path: Path) -> None:
    """The one that serves; at the start the one that was active before."""
    at = Watched(tmp_path, versions=3)
    at.repository.activate(VersionId("colours", "2"))
    await at.watcher.look()
    at.repository.activate(VersionId("colours", "3"))
    await at.watcher.look()

    assert at.opener.before == [VersionId("colours", "1"), VersionId("colours", "2")]
