"""A service on a small disk of its own, where every fault can be done to it."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks.callers import Known, Scores, until
from benchmarks.forms import message
from benchmarks.servers import HOST, ROOT, Running, Spec, ours, running
from model.artifact.image import Pixels
from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository, StoredVersion
from model.artifact.runtime import OnnxSession
from model.artifact.version import VersionId

NAME = "cifar10"
_DISK = "96m"
_FAKETIME = "/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1"
# Seconds; processes start slowly where a machine is starved.
RECOVERS_S = 240


@dataclass
class Stage:
    """What faults act on.

    Attributes:
        server: the running service.
        repository: that it serves.
        models: two models, unlike in their weights, as published; new versions are copies.
        scores: of each model for every picture.
        known: the scores by version.
        has_disk: whether the repository lies on a disk of its own.
        clock: the file that shifts the service's clock; None: it cannot be shifted.
        swapping: held while a version is published or activated.
    """

    server: Running
    repository: ModelRepository
    models: Sequence[StoredVersion]
    scores: Sequence[Scores]
    known: Known
    has_disk: bool
    clock: Path | None
    swapping: threading.Lock = field(default_factory=threading.Lock)
    turn: int = 0

    @property
    def url(self) -> str:
        """Where the service listens."""
        return f"http://{HOST}:{self.server.port}"

    def publish(self, which: int) -> VersionId:
        """Publish one of the models once more.

        Raises:
            RepositoryError: it cannot be published.
        """
        stored = self.models[which]
        version = self.repository.publish(NAME, stored.model, stored.manifest, stored.graphs)
        self.known.add(version.version, self.scores[which])
        return version

    def swap(self) -> VersionId:
        """Activate the other one of the first two versions.

        Raises:
            RepositoryError: it cannot be activated.
        """
        self.turn = 1 - self.turn
        version = VersionId(NAME, str(self.turn + 1))
        self.repository.activate(version)
        return version

    def serves(self, version: VersionId) -> bool:
        """Tell whether every process answers by a version: it is asked on a few connections."""
        try:
            found = [httpx.get(f"{self.url}/health/ready", timeout=5).json() for _ in range(4)]
        except (httpx.TransportError, ValueError):
            return False
        return all((each.get("model") or {}).get("version") == version.version for each in found)

    def workers(self) -> list[psutil.Process]:
        """List the processes that serve."""
        children = psutil.Process(self.server.pid).children()
        return [each for each in children if _is_worker(each)]

    def processes(self) -> list[psutil.Process]:
        """List them, and the one that started them."""
        return [psutil.Process(self.server.pid), *self.workers()]

    def until_whole(self, workers: int) -> float:
        """Wait until so many processes serve; say how many seconds it took.

        Raises:
            TimeoutError: they do not.
        """

        def is_whole() -> bool:
            number = "goodserve_processes "
            try:
                text = httpx.get(f"{self.url}/metrics", timeout=5).text
            except httpx.TransportError:
                return False
            lines = [line for line in text.splitlines() if line.startswith(number)]
            is_counted = bool(lines) and float(lines[0].split()[1]) >= workers + 1
            return is_counted and len(self.workers()) >= workers

        return until(is_whole, RECOVERS_S)


@contextmanager
def staged(folder: Path, files: Sequence[bytes], pixels: Pixels, flags: str) -> Iterator[Stage]:
    """Serve two versions for as long as the block lasts.

    Args:
        folder: empty; becomes a small disk, where this program may mount one.
        files: the pictures as files.
        pixels: the same, `(N, 32, 32, 3)` uint8.
        flags: for the service.

    Raises:
        ServerError: it does not start.
    """
    bundled = ModelRepository(BUNDLED_REPOSITORY)
    models = [bundled.read(each) for each in (bundled.versions()[-1], bundled.versions()[0])]
    scores = [OnnxSession(each.model, "cpu")(pixels).scores for each in models]
    known = Known(models[0].manifest.labels)
    with disk(folder) as has_disk:
        root = folder / "models"
        repository = ModelRepository(root)
        for number, stored in enumerate(models):
            version = repository.publish(NAME, stored.model, stored.manifest, stored.graphs)
            known.add(version.version, scores[number])
        repository.activate(VersionId(NAME, "1"))
        spec, clock = _with_clock(
            ours("soak", ROOT, f"--repository {root} {flags}"), folder.parent / "clock"
        )
        with running(spec, message("raw", list(files[:1]), "image/png")) as server:
            yield Stage(server, repository, models, scores, known, has_disk, clock)


@contextmanager
def disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk on a folder; give whether that was possible: it needs root."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        yield False
        return
    command = [mount, "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(folder)]
    has_disk = subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield has_disk
    finally:
        if has_disk:
            subprocess.run([umount, "-l", str(folder)], check=True)


def _with_clock(spec: Spec, file: Path) -> tuple[Spec, Path | None]:
    """Have a server read its clock through libfaketime, where there is one."""
    library = Path(_FAKETIME.format(os.uname().machine))
    if not library.exists():
        return spec, None
    file.write_text("+0")
    variables = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        # As when a machine's clock is set: intervals go on as they were.
        "DONT_FAKE_MONOTONIC": "1",
    }
    return Spec(spec.name, spec.command, spec.folder, variables, spec.forms), file


def _is_worker(process: psutil.Process) -> bool:
    try:
        is_ended = process.status() == psutil.STATUS_ZOMBIE
        return not is_ended and any("spawn_main" in part for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def kill(process: psutil.Process) -> None:
    """End a process as the system does when memory runs out."""
    process.send_signal(signal.SIGKILL)
