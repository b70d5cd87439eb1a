"""Has the workers of a Ray cluster train a network together, and goes on where some are lost."""

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray.train import (
    FailureConfig,
    LoggingConfig,
    RunConfig,
    ScalingConfig,
    TrainingFailedError,
    WorkerGroupError,
)
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from training.cluster.desk import Desk
from training.cluster.joining import joined
from training.cluster.options import RayOptions
from training.cluster.worker import train
from training.errors import LostProcessError, TrainingError
from training.fit.stop import Interrupted, stop_on_signals
from training.request import FitRequest
from training.results.run import Run

_PATIENCE_S = 30 * 60
_LOOK_EVERY_S, _GRACE_S = 0.5, 30
# Ray would end workers that train, to start more of them.
_NEVER_S = 1e9


def fit(request: FitRequest, options: RayOptions) -> None:
    """Train by the workers of a cluster what `commands.fit` trains by this process.

    Raises:
        Interrupted: SIGINT or SIGTERM came.
        LostProcessError: workers were lost more often than is allowed, or there is no cluster.
        TrainingError: what was asked for cannot be done.
    """
    run = Run(request.folder.absolute())
    if not request.resume:
        run.refuse_existing()
    asked = replace(request, folder=run.folder)
    with joined(options.ray_address), TemporaryDirectory(prefix="goodserve-") as notes:
        for losses in range(options.ray_restarts + 1):
            try:
                _train(asked, options, notes, is_first=losses == 0)
            except LostProcessError as error:
                if losses == options.ray_restarts:
                    raise
                _tell(f"{error}; going on from the last checkpoint")
                asked = replace(asked, resume=request.resume or run.is_started())
            else:
                return


def _train(request: FitRequest, options: RayOptions, notes: str, *, is_first: bool) -> None:
    """Train until the end, or until a worker is lost.

    Ray's own restarts are not used: they would try again what a user must mend, and call `train`
    as if the run had not begun.
    """
    # On this machine, so that no other that is lost takes it with it.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    desk = ray.remote(num_cpus=0, scheduling_strategy=here)(Desk).remote()
    resources = {"CPU": options.ray_cores} | ({"GPU": 1} if options.ray_gpu else {})
    workers = options.ray_workers
    assert workers is not None  # noqa: S101  else nobody asks for a cluster
    if is_first and (room := _room(resources)) < workers:
        _tell(f"the cluster has room for {room} of {workers} workers; waiting for more")
    trainer = TorchTrainer(
        partial(train, request, desk, Path.cwd()),
        torch_config=TorchConfig(
            backend="cpu:gloo,cuda:nccl" if options.ray_gpu else "gloo", timeout_s=_PATIENCE_S
        ),
        scaling_config=ScalingConfig(
            # At first all of them. After a loss there may be no room for so many.
            num_workers=workers if is_first else (1, workers),
            use_gpu=options.ray_gpu,
            resources_per_worker=resources,
            elastic_resize_monitor_interval_s=_NEVER_S,
        ),
        run_config=RunConfig(
            storage_path=notes,  # of Ray alone: nothing is reported to it
            failure_config=FailureConfig(max_failures=0, max_preemption_failures=0),
            logging_config=LoggingConfig("ERROR"),
        ),
    )
    try:
        stopped = _followed(_begun(trainer.fit), desk).return_value
    except TrainingFailedError as error:
        raise _reason(error) from error
    if stopped is not None:
        raise Interrupted(stopped)


def _room(resources: dict[str, int]) -> int:
    """Count the workers for which the cluster has room, if nobody else uses it."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(
        int(min(node.get(name, 0) // need for name, need in resources.items())) for node in nodes
    )


def _followed(result: Future[Any], desk: Any) -> Any:  # noqa: ANN401  Ray's own
    """Print what the leader says until there is a result; pass a wish to stop on to it.

    Raises:
        Interrupted: the workers do not answer that.
    """
    asked_at: float | None = None
    # In a thread of its own, for in this one Ray takes Ctrl-C for itself, and kills the workers.
    with stop_on_signals(lambda is_asked: is_asked) as stop:
        while not result.done():
            wait([result], timeout=_LOOK_EVERY_S)
            _print_said(desk)
            if stop.is_set and asked_at is None:
                desk.stop.remote()
                asked_at = time.monotonic()
            if asked_at is not None and time.monotonic() - asked_at > _GRACE_S:
                message = "stopped, at the last checkpoint"
                raise Interrupted(message)
    _print_said(desk)
    return result.result()


def _begun(call: Callable[[], Any]) -> Future[Any]:
    """Call in a thread that keeps no process from ending."""
    result = Future[Any]()

    def run() -> None:
        try:
            result.set_result(call())
        except Exception as error:  # noqa: BLE001  raised where the result is read
            result.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return result


def _print_said(desk: Any) -> None:  # noqa: ANN401  Ray's own
    for said in ray.get(desk.taken.remote()):
        print(said.text, end="", file=sys.stderr if said.is_error else sys.stdout, flush=True)


def _reason(error: Exception) -> Exception:
    """Tell what a user can mend, and lost workers, from a bug, which keeps its traceback."""
    found: dict[int, Exception] = (
        error.worker_failures if isinstance(error, WorkerGroupError) else {0: error}
    )
    for failure in found.values():
        if isinstance(failure, TrainingError) and not isinstance(failure, LostProcessError):
            return failure
    if all(_is_loss(failure) for failure in found.values()):
        ranks = ", ".join(map(str, sorted(found)))
        return LostProcessError(f"a worker of this run was lost (seen by or of rank {ranks})")
    return error


def _is_loss(failure: BaseException) -> bool:
    """Tell whether a worker ended, or missed another: the first is told by Ray's own errors."""
    return isinstance(failure, LostProcessError) or type(failure).__module__.startswith("ray.")


def _tell(message: str) -> None:
    print(f"goodserve-train: {message}", file=sys.stderr)
