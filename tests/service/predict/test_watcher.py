"""The watcher: what it tries, what it leaves alone, when it tries again, whom it replaces."""

import asyncio
import itertools
from pathlib import Path

import pytest

from model.artifact.outputs import ContractError
from model.artifact.repository import ModelRepository
from model.artifact.version import BrokenVersionError, UnknownVersionError, VersionId
from service.predict.lane import Lane
from service.predict.lanes import Lanes
from service.predict.predictor import Predictor
from service.predict.refusals import RETRY_S, without_place
from service.predict.watcher import Watcher
from tests.service.fakes import Clock, FakeSession, Gate, fake_repository, loaded
from tests.service.fakes import open_lane as open_fake_lane

pytestmark = pytest.mark.anyio


class Opener:
    """Opens lanes of fakes, or fails as long as it is told to."""

    def __init__(self) -> None:
        """Begin without fault."""
        self.error: Exception | None = None
        self.broken: set[str] = set()
        self.session = FakeSession()
        self.attempts: list[str] = []
        self.before: list[VersionId | None] = []
        self.clock = Clock()

    async def __call__(self, wanted: VersionId, before: VersionId | None) -> Lane:
        """Open or fail."""
        self.attempts.append(wanted.version)
        self.before.append(before)
        if self.error is not None:
            raise self.error
        if wanted.version in self.broken:
            message = f"{wanted} is corrupt"
            raise BrokenVersionError(message)
        version = loaded(self.session, version=wanted.version)
        return open_fake_lane(version, clock=self.clock, stall_timeout_s=1.0)


class Watched:
    """A repository, lanes, and the watcher between them."""

    def __init__(self, root: Path, versions: int = 1) -> None:
        """Publish versions; nothing is looked at yet."""
        self.repository: ModelRepository = fake_repository(root, versions)
        self.opener, self.lanes, self.swaps = Opener(), Lanes(100), list[bool]()
        self.clock = self.opener.clock
        self.watcher = Watcher(
            self.repository,
            self.lanes,
            self.opener,
            on_swap=self.swaps.append,
            clock=self.clock,
        )


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


@pytest.mark.parametrize("place", [".", "m", "/srv/models"])
def test_a_place_is_told_from_what_only_looks_like_it(place: str) -> None:
    """A full stop, a letter, and a longer path stay."""
    reason = f"m.onnx of model.1 in {place} is cut at /srv/models-old. {place}/a is not"

    found = without_place(reason, place)

    middle = "is cut at /srv/models-old."
    assert found == f"m.onnx of model.1 in the repository {middle} the repository/a is not"


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
