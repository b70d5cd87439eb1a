"""Where each version is in its life, after the states of TensorFlow Serving."""

from typing import Literal

from model.artifact.version import VersionId
from service.predict.lanes import Lanes
from service.predict.trials import Trials
from service.predict.watcher import Watcher

State = Literal["loading", "ready", "serving", "draining", "unloaded", "refused"]


def state_of(version: VersionId, lanes: Lanes, watcher: Watcher, trials: Trials) -> State:
    """Say what a process does with a version now.

    loading   it is read and checked
    ready     it answers whoever names it
    serving   it answers requests that name no version: all, or a part while it is on trial
    draining  it answers the requests that it has, and no new ones
    refused   it failed a check, and was not loaded
    unloaded  it is in the repository, and is loaded when it is named
    """
    if any(lane.id == version for lane in lanes.open):
        trial = trials.of(version.name)
        is_tried = trial is not None and trial.id == version and trial.answers
        return "serving" if version in lanes.serving or is_tried else "ready"
    if version in watcher.loading:
        return "loading"
    if version in lanes.draining:
        return "draining"
    return "refused" if watcher.refusals.reason(str(version)) is not None else "unloaded"
