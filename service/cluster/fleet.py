"""The replicas of a cluster as an application of Ray Serve."""

from dataclasses import dataclass

from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

from model.artifact.place import absolute
from service.cluster.directory import DIRECTORY, Directory, Listed
from service.cluster.queue_policy import QueuePolicy
from service.cluster.replica import Replica
from service.settings import Settings

NAME = "goodserve"
_HEALTH_PERIOD_S = 2.0
_FORGET_S, _ASK_S = 10, 10


@dataclass(frozen=True)
class Fleet:
    """How many replicas there are, and what each has.

    Attributes:
        least: replicas at any time.
        most: replicas under load.
        cores: of each.
        waiting: images in each replica, waiting or running, from which there should be more.
        up_s: seconds that there must have been too many before one is added.
        down_s: seconds that there must have been few before one is taken away.
    """

    least: int = 1
    most: int = 1
    cores: int = 1
    waiting: float = 64
    up_s: float = 10
    down_s: float = 300


def start(fleet: Fleet, settings: Settings, host: str, port: int) -> None:
    """Start the replicas, or change what runs already; wait until they serve.

    Args:
        fleet: how many there shall be.
        settings: of each replica.
        host: address of the directory, on the cluster's head.
        port: likewise.

    Raises:
        RayError: they cannot be started.
        RuntimeError: likewise.
    """
    serve.start(proxy_location="HeadOnly", http_options={"host": host, "port": port})
    directory = serve.deployment(Directory).options(
        num_replicas=1, ray_actor_options={"num_cpus": 0}
    )
    serve.run(directory.bind(), name=DIRECTORY, route_prefix=f"/{NAME}")
    replicas = serve.deployment(Replica).options(
        autoscaling_config=scaling(fleet),
        ray_actor_options={"num_cpus": fleet.cores},
        health_check_period_s=_HEALTH_PERIOD_S,
        graceful_shutdown_timeout_s=settings.shutdown_grace_s + _FORGET_S,
    )
    # Without a route: requests come to the replicas themselves.
    serve.run(replicas.bind(of_each(fleet, settings)), name=NAME, route_prefix=None)


def stop() -> None:
    """End the replicas, each after what it has in flight, and then the directory."""
    serve.delete(NAME)
    serve.delete(DIRECTORY)


def listed() -> list[Listed]:
    """List the replicas that are ready.

    Raises:
        RayServeException: there is no fleet.
    """
    handle = serve.get_app_handle(DIRECTORY)
    return [Listed(*each) for each in handle.listed.remote().result(timeout_s=_ASK_S)]


def of_each(fleet: Fleet, settings: Settings) -> Settings:
    """Give the settings of one replica: one process, with as many threads as it has cores."""
    changed = {
        "repository": absolute(settings.repository),
        "workers": 1,
        "lane_workers": settings.lane_workers or fleet.cores,
        "lone_threads": settings.lone_threads or min(fleet.cores, 4),
    }
    if "port" not in settings.model_fields_set:
        changed["port"] = 0
    return settings.model_copy(update=changed)


def scaling(fleet: Fleet) -> AutoscalingConfig:
    """Word the fleet's size as Ray Serve wants it."""
    return AutoscalingConfig(
        min_replicas=fleet.least,
        max_replicas=fleet.most,
        upscale_delay_s=fleet.up_s,
        downscale_delay_s=fleet.down_s,
        metrics_interval_s=1,
        look_back_period_s=5,
        policy=AutoscalingPolicy(
            policy_function=f"{QueuePolicy.__module__}:{QueuePolicy.__name__}",
            policy_kwargs={"target": fleet.waiting},
        ),
    )
