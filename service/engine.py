"""Composes the part that predicts; it needs an event loop, but no HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from model.artifact.repository import ModelRepository
from model.artifact.runtime import (
    Device,
    graph_opener,
    release_freed_memory,
    session_opener,
    stage_opener,
)
from model.artifact.version import VersionId
from service.layout import Layout
from service.metrics import Metrics, Refused, Sources
from service.opened import opened_repository
from service.predict.anytime import Depth, Early
from service.predict.decode import Decode, Decoder, ImageLimits
from service.predict.health import Health
from service.predict.lane import Lane, LaneParts
from service.predict.lanes import Lanes
from service.predict.loading import Further, OpenSession, RunSizes
from service.predict.on_demand import OnDemand
from service.predict.opening import Opening
from service.predict.predictor import Predictor
from service.predict.refusals import Refusals
from service.predict.trials import TrialHooks, Trials
from service.predict.watcher import Watcher
from service.predict.worker import Crew
from service.settings import Settings

log = logging.getLogger("goodserve")


_FIRST_LOOK_S = 10.0
_GIVE_BACK_AFTER_S = 0.5


class Placement(NamedTuple):
    """Where sessions run, and how the machine is shared out."""

    device: Device
    layout: Layout


@dataclass(frozen=True)
class Engine:
    """Everything that predicts, and what watches over it."""

    repository: ModelRepository
    predictor: Predictor
    lanes: Lanes
    watcher: Watcher
    health: Health
    on_demand: OnDemand
    trials: Trials

    @asynccontextmanager
    async def running(self, poll_interval_s: float | None) -> AsyncIterator[None]:
        """Load the active version, then keep in step with the repository while the block lasts.

        Args:
            poll_interval_s: seconds between looks; None: as often as is usual for the storage.
        """
        # Not for longer: whoever watches over the process wants to hear from it.
        first = asyncio.create_task(self.watcher.look())
        await asyncio.wait({first}, timeout=_FIRST_LOOK_S)
        if first.done():
            first.result()
        if self.lanes.active is None:
            log.warning("%s has no version to serve yet; waiting", self.repository.place)
        poll_s = poll_interval_s or self.repository.storage.usual_poll_s
        watch = partial(self._watch, first, poll_s)
        tasks = [
            asyncio.create_task(self.health.keep_running("watcher", watch)),
            asyncio.create_task(self.health.keep_running("health", self.health.watch)),
        ]
        try:
            yield
        finally:
            tasks.append(first)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.trials.close()
            self.lanes.close()

    async def _watch(self, first: asyncio.Task[None], poll_interval_s: float) -> None:
        """Go on looking once the first look has ended."""
        await asyncio.wait({first})
        await self.watcher.watch(poll_interval_s)


def build_engine(
    settings: Settings,
    placement: Placement,
    metrics: Metrics,
    open_session: OpenSession | None = None,
    decode: Decode | None = None,
) -> Engine:
    """Compose the prediction side; nothing is loaded or started yet.

    Args:
        settings: of the whole service.
        placement: where sessions run, and on how many threads.
        metrics: hears of batches and swaps.
        open_session: opens a model; by default onnxruntime does.
        decode: turns files into pixels; by default Pillow does, within the settings' limits.
    """
    repository = opened_repository(settings)

    def give_back() -> None:
        # Later: its last workers still end, and with them its sessions go.
        loop = asyncio.get_running_loop()
        loop.call_later(_GIVE_BACK_AFTER_S, loop.run_in_executor, None, release_freed_memory)

    lanes = Lanes(settings.max_waiting_images, settings.max_wait_s, settings.max_models, give_back)
    device, layout = placement
    opener = open_session or session_opener(device)
    parts = LaneParts(
        decode=decode or decoder(settings),
        aside=ThreadPoolExecutor(settings.decode_threads, "decode"),
        crew=Crew(layout.lane_workers, layout.max_batch_size),
        stall_timeout_s=settings.stall_timeout_s,
        on_batch=metrics.batch,
        on_times=metrics.batch_times,
    )

    sizes = RunSizes(layout.max_batch_size, layout.intra_op_threads, layout.lone_threads)
    opening = Opening(
        repository,
        opener,
        sizes,
        Further(_early(settings, lanes, device), graph_opener(device)),
        settings.floor_points,
        settings.load_timeout_s,
        settings.metrics_folder and settings.metrics_folder / "loading",
    )

    async def open_lane(wanted: VersionId, before: VersionId | None) -> Lane:
        # Where nobody answers yet there is nobody to give way to.
        version = await opening.load(wanted, before, gives_way=lanes.active is not None)
        await asyncio.to_thread(release_freed_memory)
        return Lane(version, parts)

    def on_swap(succeeded: bool) -> None:  # noqa: FBT001  a callback
        metrics.swap(succeeded=succeeded)

    trials = Trials(repository, lanes, TrialHooks(metrics.trial_request, metrics.trial_images))
    watcher = Watcher(repository, lanes, open_lane, trials=trials, on_swap=on_swap)
    on_demand = OnDemand(repository, lanes, watcher)
    refused = partial(refused_labels, watcher.refusals)
    metrics.watch(
        Sources(
            depth=lambda: lanes.depth,
            wait_s=lanes.expected_wait_s,
            refused=refused,
            serving=lambda: lanes.serving,
            loaded=lambda: [lane.id for lane in lanes.all],
        )
    )
    health = Health(lanes, metrics.refresh)
    predictor = Predictor(lanes, on_demand, trials)
    return Engine(repository, predictor, lanes, watcher, health, on_demand, trials)


def refused_labels(refusals: Refusals) -> set[Refused]:
    """Give the labels of what stands refused: `active.json` itself has no version."""
    found = set()
    for each in refusals.standing():
        name, _, version = each.version.partition("/")
        found.add(Refused(name, version, each.kind))
    return found


def _early(settings: Settings, lanes: Lanes, device: Device) -> Early | None:
    """Say when versions may stop early; None where the settings never let them."""
    depth = Depth(settings.anytime, settings.anytime_under_load, settings.max_wait_s / 2)
    if depth.usual is None and depth.under_load is None:
        return None
    return Early(
        open_stage=stage_opener(device),
        confidence=lambda: depth.confidence(lanes.expected_wait_s()),
    )


def decoder(settings: Settings) -> Decoder:
    """Make what decodes files within the settings' limits."""
    limits = ImageLimits(
        settings.max_image_bytes, settings.max_image_pixels, settings.max_request_pixels
    )
    return Decoder(limits, settings.large_image_pixels)
