"""What a soak makes of answers and faults, without a service."""

import json
from typing import Any

import numpy as np
import pytest

from benchmarks.callers import End, Known, Noted, judged
from benchmarks.faults import FAULTS, Seen
from benchmarks.mixed import KINDS, Ask, mixed
from benchmarks.pictures import KINDS as PICTURES
from benchmarks.pictures import draw_all
from benchmarks.soak import Done, Soak, faults_found, lines

SCORES = np.array([[1.0, 2.0], [5.0, 3.0]], np.float32)
RAW, ODD = (
    Ask("raw", "/predict", "image/png", b"", 1),
    Ask("odd", "/predict", "image/png", b"", None),
)
V2 = Ask("v2", "/v2/models/m/infer", "application/json", b"", 0)


def known() -> Known:
    """Know one version's scores for two pictures."""
    found = Known(["cat", "dog"])
    found.add("1", SCORES)
    return found


def predicted(version: str, cat: float, dog: float) -> dict[str, Any]:
    """Word an answer as `/predict` does."""
    classes = [{"label": "cat", "goodness": cat}, {"label": "dog", "goodness": dog}]
    return {"model": {"name": "m", "version": version}, "predictions": [{"classes": classes}]}


@pytest.mark.parametrize(
    ("ask", "status", "answer", "end"),
    [
        (RAW, 200, predicted("1", 5.0, 3.001), "right"),
        (RAW, 200, predicted("1", 5.0, 3.1), "wrong"),
        (RAW, 200, predicted("1", 1.0, 2.0), "wrong"),  # another picture's
        (RAW, 200, predicted("2", 5.0, 3.0), "wrong"),  # of a version that nobody published
        (RAW, 404, {}, "wrong"),
        (RAW, 500, {}, "lost"),
        (RAW, 503, {}, "later"),
        (RAW, 429, {}, "later"),
        (ODD, 422, {}, "refused"),
        (ODD, 200, predicted("1", 5.0, 3.0), "wrong"),
        (ODD, 500, {}, "wrong"),
        (V2, 200, {"model_version": "1", "outputs": [{"data": [1.0, 2.0]}]}, "right"),
        (V2, 200, {"model_version": "1", "outputs": [{"data": [2.0, 1.0]}]}, "wrong"),
    ],
)
def test_an_answer_is_held_against_its_versions_scores(
    ask: Ask, status: int, answer: dict[str, Any], end: End
) -> None:
    """Right to a thousandth, by the version that it names; refusals are for odd inputs alone."""
    assert judged(ask, status, json.dumps(answer).encode(), known())[0] == end


def test_every_kind_of_request_takes_its_turn() -> None:
    """Each picture in each form, and all odd inputs are among them."""
    asks = mixed(draw_all(PICTURES["png32"]), "m")

    assert {ask.kind for ask in asks} == set(KINDS)
    assert len({ask.body for ask in asks if ask.picture is None}) >= 8


def soak(*noted: Noted) -> Soak:
    """Give a soak of one kill and one other fault, with steady memory."""
    seen = Seen("all well", 1.5)
    done = [Done(FAULTS[0], 10, 20, seen), Done(FAULTS[2], 30, 40, seen)]
    memory = [(5.0, 100 * 2**20), (45.0, 110 * 2**20)]
    return Soak(done, {"the clock jumps": "no clock"}, memory, list(noted), [(0, 9), (42, 50)])


def test_what_was_lost_is_told_of_the_fault_that_it_fell_into() -> None:
    """A broken connection is forgiven where something was killed, and nowhere else."""
    good = Noted(1, 2, "raw", "right")
    while_killed, while_not, outside = (
        Noted(at, at + 1, "raw", "broken", "reset") for at in (15, 35, 5)
    )

    found = soak(good, while_killed)
    table = list(lines(found))

    assert faults_found(found, callers=1, most_growth=1.2) == []
    assert table[2] == "| a process is killed | 1 | all well | 1 | 1 | 0 | 0 | 1.5 s |"
    assert "| the clock jumps | 0 | not done: no clock | | | | | |" in table
    assert "| between them | | | 1 | 0 | 0 | 0 | |" in table
    assert faults_found(soak(while_killed, while_killed), 1, 1.2) == [
        "a process is killed: 2 connections broke, at most 1 may; 0 processes ended"
    ]
    assert len(faults_found(soak(while_not), 1, 1.2)) == 1
    assert faults_found(soak(outside), 1, 1.2) == ["1 connections broke between the faults"]
    assert faults_found(soak(Noted(15, 16, "raw", "lost", "why")), 1, 1.2) == ["raw was lost: why"]
    assert faults_found(soak(Noted(1, 2, "v2", "wrong", "why")), 1, 1.2) == ["v2 was wrong: why"]
    assert faults_found(soak(good), 1, 1.05) == ["memory grew by 1.100, at most 1.05 is allowed"]


def test_requests_under_way_when_a_fault_begins_belong_to_it() -> None:
    """They began before it, and ended after it began."""
    assert soak(Noted(9, 11, "raw", "right")).between() == []


def test_processes_that_end_during_a_fault_are_counted() -> None:
    """One is gone at its end; a new one that lives is none."""
    found = soak(Noted(1, 2, "raw", "right"))
    found.workers = [(9.5, frozenset({1, 2})), (12.0, frozenset({2})), (19.0, frozenset({2, 3}))]

    assert [found.deaths(done) for done in found.done] == [1, 0]
