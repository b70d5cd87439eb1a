"""What Prometheus may know of answers: how familiar, how good, how early, and of trials."""

from collections.abc import Collection, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from model.artifact.version import VersionId
from service.drift import Drift
from service.gone_series import GONE

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PERCENTILE_BUCKETS = (1, 2, 5, 10, 25, 50, 75, 90, 100)
_GOODNESS_BUCKETS = (0.5, 1, 2, 3, 4, 6, 8, 10, 12, 16, 24)
_CONTRIBUTION_BUCKETS = (-4, -2, -1, -0.5, 0, 0.5, 1, 2, 4, 8, 16)
# A label's values are kept until the process ends: what comes after so many shares one.
_MOST_VERSIONS, _MOST_LAYERS, OTHER = 32, 32, "other"
_DRIFT_WINDOW = 1000
BY_VERSION = ("name", "version")


class AnswerMetrics:
    """Counts, for one process, what versions say of images."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register every metric of answers."""
        own = registry
        self._familiarity = Histogram(
            "goodserve_familiarity_percentile",
            "Percentage of the validation images that are less familiar, by version",
            BY_VERSION,
            buckets=_PERCENTILE_BUCKETS,
            registry=own,
        )
        self._top_goodness = Histogram(
            "goodserve_top_goodness",
            "Goodness of the class that is answered, by version",
            BY_VERSION,
            buckets=_GOODNESS_BUCKETS,
            registry=own,
        )
        self._contribution = Histogram(
            "goodserve_layer_contribution",
            "What each layer adds to that goodness, of answers with explain=true",
            [*BY_VERSION, "layer"],
            buckets=_CONTRIBUTION_BUCKETS,
            registry=own,
        )
        self._early = Counter(
            "goodserve_early_images",
            "Images that the first layers alone answered, by version",
            BY_VERSION,
            registry=own,
        )
        self._trial_images = Counter(
            "goodserve_trial_images",
            "Images that a version on trial and the active one both saw, by what came of it",
            [*BY_VERSION, "outcome"],
            registry=own,
        )
        self._trial_latency = Histogram(
            "goodserve_trial_duration_seconds",
            "Seconds that a version on trial took for a request, by outcome",
            [*BY_VERSION, "outcome"],
            buckets=LATENCY_BUCKETS_S,
            registry=own,
        )
        self._versions: set[VersionId] = set()
        self._drift_index = Gauge(
            "goodserve_drift_index",
            "Population stability index of familiarity over a version's last thousand images",
            BY_VERSION,
            registry=own,
            multiprocess_mode="livemax",
        )
        self._drifts: dict[tuple[str, str], Drift] = {}

    def familiarity(self, version: VersionId, percentiles: Sequence[float]) -> None:
        """Count how familiar a version found the images of one request."""
        if not percentiles:
            return
        labels = self._named(version)
        seen = self._familiarity.labels(*labels)
        for percentile in percentiles:
            seen.observe(percentile)
        drift = self._drifts.get(labels)
        if drift is None:
            drift = self._drifts[labels] = Drift(_DRIFT_WINDOW)
        drift.note(percentiles)

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
            name = layer if place < _MOST_LAYERS else OTHER
            seen = self._contribution.labels(*labels, name)
            for row in rows:
                seen.observe(row[place])

    def early(self, version: VersionId, count: int) -> None:
        """Count images of one request that a version answered by its first layers alone."""
        self._early.labels(*self._named(version)).inc(count)

    def trial_request(self, version: VersionId, outcome: str, seconds: float) -> None:
        """Count one request that a version on trial ran."""
        self._trial_latency.labels(*self._named(version), outcome).observe(seconds)

    def trial_images(self, version: VersionId, outcome: str, count: int) -> None:
        """Count images by whether a version on trial agrees with the active one."""
        self._trial_images.labels(*self._named(version), outcome).inc(count)

    def show_drift(self, loaded: Collection[VersionId] | None) -> None:
        """Take the indices of drift anew; that of a version which is loaded no more ends.

        Args:
            loaded: the versions that are; None: all.
        """
        kept = {(OTHER, OTHER), *((each.name, each.version) for each in loaded or ())}
        for labels, drift in list(self._drifts.items()):
            is_gone = loaded is not None and labels not in kept
            self._drift_index.labels(*labels).set(GONE if is_gone else drift.index())
            if is_gone:
                del self._drifts[labels]

    def _named(self, version: VersionId) -> tuple[str, str]:
        """Give a version's labels; all versions after the first 32 share one."""
        if version not in self._versions:
            if len(self._versions) >= _MOST_VERSIONS:
                return OTHER, OTHER
            self._versions.add(version)
        return version.name, version.version
