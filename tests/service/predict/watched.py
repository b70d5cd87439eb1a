"""A watcher over a repository whose versions are opened as a test says."""

from pathlib import Path

from model.artifact.repository import ModelRepository
from model.artifact.version import BrokenVersionError, VersionId
from service.predict.lane import Lane
from service.predict.lanes import Lanes
from service.predict.watcher import Watcher
from tests.service.fakes import Clock, FakeSession, fake_repository, loaded
from tests.service.fakes import open_lane as open_fake_lane


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
