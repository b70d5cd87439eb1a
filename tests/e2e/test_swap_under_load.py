"""Versions are swapped under load, and no request is lost or answered wrongly."""

import itertools
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from model.artifact.image import to_pixels
from model.artifact.repository import ModelRepository
from tests.e2e.server import running
from tests.pictures import CLASSES, coloured, encoded
from tests.service.models import filled_repository, scores_alone
from tests.trained import SmallModel

CLIENTS = 16
RATE_PER_S = 200
SWAPS = 5
PATIENCE_S = 120
PICTURES = [coloured(CLASSES[seed % 3], seed) for seed in range(32)]
FILES = [encoded(picture) for picture in PICTURES]


@dataclass
class Answer:
    """What came back for one picture."""

    picture: int
    status: int
    version: str = ""
    goodness: dict[str, float] = field(default_factory=dict)


def send_at_a_rate(url: str, client: int, answers: list[Answer], over: threading.Event) -> None:
    """Send one client's share of the requests, each at its own appointed time, until it is over."""
    gap = CLIENTS / RATE_PER_S
    started = time.monotonic() + gap * client / CLIENTS
    with httpx.Client(timeout=60) as session:
        for turn in itertools.count():
            time.sleep(max(0.0, started + turn * gap - time.monotonic()))
            if over.is_set():
                return
            picture = (client + 7 * turn) % len(FILES)
            answers.append(ask(session, url, picture))


def ask(session: httpx.Client, url: str, picture: int) -> Answer:
    """Send one picture and keep what matters of the answer."""
    response = session.post(f"{url}/predict", content=FILES[picture])
    if response.status_code != httpx.codes.OK:
        return Answer(picture, response.status_code)
    content = response.json()
    goodness = {c["label"]: c["goodness"] for c in content["predictions"][0]["classes"]}
    return Answer(picture, response.status_code, content["model"]["version"], goodness)


def publish_again_and_again(
    repository: ModelRepository, models: list[SmallModel], answers: list[Answer]
) -> None:
    """Publish and activate version after version, each when the one before has answered."""
    for turn in range(SWAPS):
        small = models[(turn + 1) % len(models)]
        version = repository.publish("colours", *small.published)
        repository.activate(version)
        deadline = time.monotonic() + PATIENCE_S
        while version.version not in {answer.version for answer in answers[-4 * CLIENTS :]}:
            assert time.monotonic() < deadline, f"{version} answers nobody"
            time.sleep(0.05)
        time.sleep(1)


def test_no_request_is_lost_through_five_swaps(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """Of some 200 a second all are 200, and are what the version that they name gives alone."""
    repository = filled_repository(tmp_path, small_models[:1])
    answers: list[Answer] = []
    over = threading.Event()

    with running(tmp_path) as server:
        threads = [
            threading.Thread(target=send_at_a_rate, args=(server.url, client, answers, over))
            for client in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        try:
            publish_again_and_again(repository, small_models, answers)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert server.stop() == 0

    assert len(answers) > 100 * SWAPS
    assert {answer.status for answer in answers} == {200}
    assert {answer.version for answer in answers} == {str(n) for n in range(1, SWAPS + 2)}
    assert worst_difference(answers, small_models) < 1e-4


def worst_difference(answers: list[Answer], models: list[SmallModel]) -> float:
    """Compare every answer with its version's own answer to that picture alone."""
    pixels = np.stack([to_pixels(picture, 16, 16) for picture in PICTURES])
    alone = [scores_alone(small.model, pixels) for small in models]
    worst = 0.0
    for answer in answers:
        expected = alone[(int(answer.version) - 1) % len(models)][answer.picture]
        found = np.array([answer.goodness[label] for label in CLASSES])
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst
