"""What Prometheus may know."""

import os
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

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
from service.drift import Drift
from service.errors import ClientError, DeadlineError, TryLaterError

CONTENT_TYPE = CONTENT_TYPE_LATEST

OUTCOMES = ("ok", "client_error", "try_later", "deadline", "disconnected", "server_error")
DENIALS = ("no-key", "unknown-key", "missing-scope", "too-often")
_LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PERCENTILE_BUCKETS = (1, 2, 5, 10, 25, 50, 75, 90, 100)
_GOODNESS_BUCKETS = (0.5, 1, 2, 3, 4, 6, 8, 10, 12, 16, 24)
_CONTRIBUTION_BUCKETS = (-4, -2, -1, -0.5, 0, 0.5, 1, 2, 4, 8, 16)
# A label's values are kept until the process ends: what comes after so many shares one.
_MOST_VERSIONS, _MOST_LAYERS, _OTHER = 32, 32, "other"
_DRIFT_WINDOW = 1000
MODEL_IMAGES, MODEL_RUNS = "goodserve_model_images", "goodserve_model_runs"
_BY_VERSION = ("name", "version")
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counts for one process; with several workers, gathered from all of them."""

    def __init__(self, shared: Path | None = None) -> None:
        """Register every metric in a registry of its own; `shared` is the workers' folder."""
        self._shared = shared
        # A series beside every counter, which no query here needs.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        own = self._registry = CollectorRegistry()
        self._requests = Counter(
            "goodserve_requests",
            "Requests with images by outcome",
            ["outcome"],
            registry=own,
        )
        self._latency = Histogram(
            "goodserve_request_duration_seconds",
            "Seconds from the first byte read to the answer, by outcome",
            ["outcome"],
            buckets=_LATENCY_BUCKETS_S,
            registry=own,
        )
        self._batch_size = Histogram(
            "goodserve_batch_size", "Images in one run", buckets=_BATCH_BUCKETS, registry=own
        )
        self._model_images = Counter(
            MODEL_IMAGES, "Images in runs, by version", _BY_VERSION, registry=own
        )
        self._model_runs = Counter(MODEL_RUNS, "Runs, by version", _BY_VERSION, registry=own)
        self._depth = Gauge(
            "goodserve_queue_depth",
            "Images that wait or run",
            registry=own,
            multiprocess_mode="livesum",
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
            "1 for the version that serves",
            ["name", "version"],
            registry=own,
            multiprocess_mode="livemax",
        )
        self._familiarity = Histogram(
            "goodserve_familiarity_percentile",
            "Percentage of the validation images that are less familiar, by version",
            ["name", "version"],
            buckets=_PERCENTILE_BUCKETS,
            registry=own,
        )
        self._top_goodness = Histogram(
            "goodserve_top_goodness",
            "Goodness of the class that is answered, by version",
            ["name", "version"],
            buckets=_GOODNESS_BUCKETS,
            registry=own,
        )
        self._contribution = Histogram(
            "goodserve_layer_contribution",
            "What each layer adds to that goodness, of answers with explain=true",
            ["name", "version", "layer"],
            buckets=_CONTRIBUTION_BUCKETS,
            registry=own,
        )
        self._trial_images = Counter(
            "goodserve_trial_images",
            "Images that a version on trial and the active one both saw, by what came of it",
            [*_BY_VERSION, "outcome"],
            registry=own,
        )
        self._trial_latency = Histogram(
            "goodserve_trial_duration_seconds",
            "Seconds that a version on trial took for a request, by outcome",
            [*_BY_VERSION, "outcome"],
            buckets=_LATENCY_BUCKETS_S,
            registry=own,
        )
        self._versions: set[VersionId] = set()
        self._drift_index = Gauge(
            "goodserve_drift_index",
            "Population stability index of familiarity over the last thousand images",
            registry=own,
            multiprocess_mode="livemax",
        )
        self._drift, self._drift_of = Drift(_DRIFT_WINDOW), VersionId("none", "1")
        self._shown: set[VersionId] = set()
        self._read_depth: Callable[[], int] = lambda: 0
        # There from the start: a rate over a series that only just appeared misses its first count.
        for outcome in OUTCOMES:
            self._requests.labels(outcome)
            self._latency.labels(outcome)
        for result in ("loaded", "refused"):
            self._swaps.labels(result)
        for reason in DENIALS:
            self._denied.labels(reason)

    def request(self, outcome: str, seconds: float) -> None:
        """Count one request with images, whatever its end."""
        self._requests.labels(outcome).inc()
        self._latency.labels(outcome).observe(seconds)

    def denied(self, reason: str) -> None:
        """Count one request that was turned away for who sent it, before it was read."""
        self._denied.labels(reason).inc()

    def batch(self, version: VersionId, size: int) -> None:
        """Count one run of `size` images by a version."""
        self._batch_size.observe(size)
        self._model_images.labels(*self._named(version)).inc(size)
        self._model_runs.labels(*self._named(version)).inc()

    def runs(self) -> dict[VersionId, tuple[int, int]]:
        """Give the images and the runs that each version has been asked for since the start."""
        found: dict[str, dict[VersionId, int]] = {MODEL_IMAGES: {}, MODEL_RUNS: {}}
        for family in self._gathered().collect():
            for sample in family.samples:
                counts = found.get(sample.name.removesuffix("_total"))
                labels = sample.labels
                is_count = sample.name.endswith("_total") and labels.get("version") != _OTHER
                if counts is not None and is_count:
                    counts[VersionId(labels["name"], labels["version"])] = int(sample.value)
        runs = found[MODEL_RUNS]
        return {version: (images, runs[version]) for version, images in found[MODEL_IMAGES].items()}

    def familiarity(self, version: VersionId, percentiles: Sequence[float]) -> None:
        """Count how familiar a version found the images of one request."""
        if version != self._drift_of:
            self._drift.forget()
            self._drift_of = version
        seen = self._familiarity.labels(*self._named(version))
        for percentile in percentiles:
            seen.observe(percentile)
        self._drift.note(percentiles)

    def top_goodness(self, version: VersionId, goodness: Sequence[float]) -> None:
        """Count the goodness of the class that a version answered for each image of one request."""
        seen = self._top_goodness.labels(*self._named(version))
        for each in goodness:
            seen.observe(each)

    def contributions(
        self, version: VersionId, layers: Sequence[str], rows: Sequence[Sequence[float]]
    ) -> None:
        """Count what each layer contributed to that goodness: a row for each image."""
        labels = self._named(version)
        for place, layer in enumerate(layers):
            name = layer if place < _MOST_LAYERS else _OTHER
            seen = self._contribution.labels(*labels, name)
            for row in rows:
                seen.observe(row[place])

    def trial_request(self, version: VersionId, outcome: str, seconds: float) -> None:
        """Count one request that a version on trial ran."""
        self._trial_latency.labels(*self._named(version), outcome).observe(seconds)

    def trial_images(self, version: VersionId, outcome: str, count: int) -> None:
        """Count images by whether a version on trial agrees with the active one."""
        self._trial_images.labels(*self._named(version), outcome).inc(count)

    def _named(self, version: VersionId) -> tuple[str, str]:
        """Give a version's labels; all versions after the first 32 share one."""
        if version not in self._versions:
            if len(self._versions) >= _MOST_VERSIONS:
                return _OTHER, _OTHER
            self._versions.add(version)
        return version.name, version.version

    def watch_depth(self, depth: Callable[[], int]) -> None:
        """Say where to ask how many images wait, which `refresh` does: no request pays for it."""
        self._read_depth = depth

    def refresh(self) -> None:
        """Take the gauges anew; another process' `render` reads what was taken here last."""
        self._depth.set(self._read_depth())
        self._drift_index.set(self._drift.index())

    def swap(self, serving: Collection[VersionId], *, succeeded: bool) -> None:
        """Count one attempt to load a version, and say which ones answer for their models."""
        self._swaps.labels("loaded" if succeeded else "refused").inc()
        for version in self._shown - set(serving):
            self._active.labels(version.name, version.version).set(0)
        for version in serving:
            self._active.labels(version.name, version.version).set(1)
        self._shown = set(serving)

    def render(self) -> bytes:
        """Write everything in Prometheus' text format."""
        self.refresh()
        return generate_latest(self._gathered())

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
    for path in folder.glob("gauge_live*_*.db"):
        found = re.search(r"_(\d+)\.db$", path.name)
        if found and not _is_alive(int(found[1])):
            mark_process_dead(int(found[1]), str(folder))  # type: ignore[no-untyped-call]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, so there is one
    return True
