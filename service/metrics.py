"""What Prometheus may know."""

import os
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from model.artifact.version import VersionId
from service.answer_metrics import BY_VERSION, LATENCY_BUCKETS_S, OTHER, AnswerMetrics
from service.errors import ClientError, DeadlineError, TryLaterError
from service.gone_series import GONE, WithoutGone
from service.process_metrics import ProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST

OUTCOMES = ("ok", "client_error", "try_later", "deadline", "disconnected", "server_error")
DENIALS = ("no-key", "unknown-key", "missing-scope", "too-often")
MODEL_IMAGES, MODEL_RUNS = "goodserve_model_images", "goodserve_model_runs"
# Requests that ended before any model was known count for none.
NO_MODEL = ""
_MOST_NAMES = 32
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Refused(NamedTuple):
    """A version that was to serve and does not: the labels that say so."""

    name: str
    version: str
    reason: str


class Sources(NamedTuple):
    """Where gauges are read, which `Metrics.refresh` does: no request pays for them.

    Attributes:
        depth: images that wait or run.
        wait_s: seconds that an image would wait which came now.
        refused: the versions that do not serve.
        serving: the versions that answer for their models.
        loaded: the versions of which there is a lane; None: all that were ever.
    """

    depth: Callable[[], int] = lambda: 0
    wait_s: Callable[[], float] = lambda: 0.0
    refused: Callable[[], Iterable[Refused]] = tuple
    serving: Callable[[], Collection[VersionId]] = tuple
    loaded: Callable[[], Collection[VersionId] | None] = lambda: None


class Metrics(AnswerMetrics):
    """Counts for one process; with several workers, gathered from all of them."""

    def __init__(self, shared: Path | None = None) -> None:
        """Register every metric in a registry of its own; `shared` is the workers' folder."""
        self._shared = shared
        # A series beside every counter, which no query here needs.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        own = self._registry = CollectorRegistry()
        super().__init__(own)
        self._requests = Counter(
            "goodserve_requests",
            "Requests with images by outcome",
            ["outcome"],
            registry=own,
        )
        self._latency = Histogram(
            "goodserve_request_duration_seconds",
            "Seconds from the first byte read to the answer, by outcome and model",
            ["outcome", "name"],
            buckets=LATENCY_BUCKETS_S,
            registry=own,
        )
        self._batch_size = Histogram(
            "goodserve_batch_size", "Images in one run", buckets=_BATCH_BUCKETS, registry=own
        )
        self._queue_wait = Histogram(
            "goodserve_queue_wait_seconds",
            "Seconds that the first request of a batch waited for a worker",
            buckets=LATENCY_BUCKETS_S,
            registry=own,
        )
        self._batch_time = Histogram(
            "goodserve_batch_duration_seconds",
            "Seconds that a worker took for a batch, decoding included",
            buckets=LATENCY_BUCKETS_S,
            registry=own,
        )
        self._model_images = Counter(
            MODEL_IMAGES, "Images in runs, by version", BY_VERSION, registry=own
        )
        self._model_runs = Counter(MODEL_RUNS, "Runs, by version", BY_VERSION, registry=own)
        self._depth = Gauge(
            "goodserve_queue_depth",
            "Images that wait or run",
            registry=own,
            multiprocess_mode="livesum",
        )
        self._wait = Gauge(
            "goodserve_expected_wait_seconds",
            "Seconds that an image would wait which came now; over --max-wait-s it is refused",
            registry=own,
            multiprocess_mode="livemax",
        )
        self._denied = Counter(
            "goodserve_denied",
            "Requests turned away for who sent them, by reason",
            ["reason"],
            registry=own,
        )
        self._swaps = Counter(
            "goodserve_swaps", "Versions loaded or refused", ["result"], registry=own
        )
        self._active = Gauge(
            "goodserve_active_version",
            "1 for the versions that answer for their models",
            BY_VERSION,
            registry=own,
            multiprocess_mode="livemax",
        )
        self._refused = Gauge(
            "goodserve_refused_version",
            "1 for a version that was to serve and does not, by the kind of reason",
            [*BY_VERSION, "reason"],
            registry=own,
            multiprocess_mode="livemax",
        )
        self._names: set[str] = set()
        # Found once: looking labels up takes longer than counting.
        self._ends: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._runs_of: dict[VersionId, tuple[Counter, Counter]] = {}
        self._shown: set[VersionId] = set()
        self._shown_refused: set[Refused] = set()
        self._sources = Sources()
        # There from the start: a rate over a series that only just appeared misses its first count.
        self._begin(NO_MODEL)
        for result in ("loaded", "refused"):
            self._swaps.labels(result)
        for reason in DENIALS:
            self._denied.labels(reason)

    def request(self, outcome: str, seconds: float, name: str = NO_MODEL) -> None:
        """Count one request with images, whatever its end, for the model of that name."""
        end = self._ends.get((outcome, name))
        if end is None:
            self._begin(name)
            end = self._ends[outcome, name]
        counter, histogram = end
        counter.inc()
        histogram.observe(seconds)

    def _begin(self, name: str) -> None:
        """Have every outcome of a model's requests; all after the first 32 models share one."""
        known = name in self._names or len(self._names) < _MOST_NAMES
        if known:
            self._names.add(name)
        for outcome in OUTCOMES:
            latency = self._latency.labels(outcome, name if known else OTHER)
            self._ends[outcome, name] = self._requests.labels(outcome), latency

    def denied(self, reason: str) -> None:
        """Count one request that was turned away for who sent it, before it was read."""
        self._denied.labels(reason).inc()

    def batch(self, version: VersionId, size: int) -> None:
        """Count one run of `size` images by a version."""
        self._batch_size.observe(size)
        found = self._runs_of.get(version)
        if found is None:
            labels = self._named(version)
            found = self._model_images.labels(*labels), self._model_runs.labels(*labels)
            self._runs_of[version] = found
        images, runs = found
        images.inc(size)
        runs.inc()

    def batch_times(self, waited_s: float, taken_s: float) -> None:
        """Count how long the first request of a batch waited, and what the batch took."""
        self._queue_wait.observe(waited_s)
        self._batch_time.observe(taken_s)

    def runs(self) -> dict[VersionId, tuple[int, int]]:
        """Give the images and the runs that each version has been asked for since the start."""
        found: dict[str, dict[VersionId, int]] = {MODEL_IMAGES: {}, MODEL_RUNS: {}}
        for family in self._gathered().collect():
            for sample in family.samples:
                counts = found.get(sample.name.removesuffix("_total"))
                labels = sample.labels
                is_count = sample.name.endswith("_total") and labels.get("version") != OTHER
                if counts is not None and is_count:
                    counts[VersionId(labels["name"], labels["version"])] = int(sample.value)
        runs = found[MODEL_RUNS]
        return {version: (images, runs[version]) for version, images in found[MODEL_IMAGES].items()}

    def watch(self, sources: Sources) -> None:
        """Say where to read the gauges."""
        self._sources = sources

    def refresh(self) -> None:
        """Take the gauges anew; another process' `text` reads what was taken here last."""
        self.show_drift(self._sources.loaded())
        self._depth.set(self._sources.depth())
        self._wait.set(self._sources.wait_s())
        self._show_serving(self._sources.serving())
        refused = set(self._sources.refused())
        if refused != self._shown_refused:
            for each in self._shown_refused - refused:
                self._refused.labels(*each).set(GONE)
            for each in refused:
                self._refused.labels(*each).set(1)
            self._shown_refused = refused

    def swap(self, *, succeeded: bool) -> None:
        """Count one attempt to load a version."""
        self._swaps.labels("loaded" if succeeded else "refused").inc()
        self._show_serving(self._sources.serving())

    def _show_serving(self, serving: Collection[VersionId]) -> None:
        """Say which versions answer for their models; those of before do not any more."""
        for version in self._shown - set(serving):
            self._active.labels(version.name, version.version).set(GONE)
        for version in serving:
            self._active.labels(version.name, version.version).set(1)
            if version.name not in self._names:
                self._begin(version.name)
        self._shown = set(serving)

    def text(self) -> bytes:
        """Write what was counted and what `refresh` took last, in Prometheus' text format.

        It takes tens of milliseconds, in any thread.
        """
        own = CollectorRegistry()
        own.register(ProcessCollector(self._processes()))
        return generate_latest(WithoutGone(self._gathered())) + generate_latest(own)

    def _processes(self) -> list[int]:
        """List the service's processes, the one that started the others first."""
        if self._shared is None:
            return [os.getpid()]
        return [os.getppid(), *sorted(each for each in _workers(self._shared) if _is_alive(each))]

    def _gathered(self) -> CollectorRegistry:
        """Give what reads the counts of all processes."""
        if self._shared is None:
            return self._registry
        _forget_dead_workers(self._shared)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._shared))  # type: ignore[no-untyped-call]
        return registry


def outcome_of(error: Exception | None) -> str:
    """Name the end of a request as the metrics do."""
    if error is None:
        return "ok"
    if isinstance(error, ClientError):
        return "client_error"
    if isinstance(error, TryLaterError):
        return "try_later"
    return "deadline" if isinstance(error, DeadlineError) else "server_error"


def _forget_dead_workers(folder: Path) -> None:
    """Drop the gauges of workers that are gone; what they counted stays."""
    for process in _workers(folder):
        if not _is_alive(process):
            mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]


def _workers(folder: Path) -> set[int]:
    """List the processes that have gauges in the workers' folder."""
    names = (path.name for path in folder.glob("gauge_live*_*.db"))
    return {int(found[1]) for name in names if (found := re.search(r"_(\d+)\.db$", name))}


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, so there is one
    return True
