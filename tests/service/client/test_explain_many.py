"""Many images taken apart by the client, against a real service with the bundled model."""

import threading
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from model.artifact.repository import BUNDLED_REPOSITORY
from service.client import AsyncClient, Client, Explanation, GoodserveError, RefusedError
from service.client.calls import explaining
from service.client.results import Limits
from tests.pictures import CLASSES, coloured, encoded
from tests.service.client.servers import PROBLEM, Reply, Scripted
from tests.service.models import app_on, served

PICTURES = [coloured(CLASSES[seed % 3], seed) for seed in range(20)]
FILE = encoded(PICTURES[0])


class Noted(httpx.HTTPTransport):
    """Sends requests over the network, and notes how many of which are under way."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.images: list[int] = []
        self.most_at_once = self._now = 0
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one."""
        is_asking = "/explain" in request.url.path
        with self._lock:
            self._now += is_asking
            self.most_at_once = max(self.most_at_once, self._now)
            if is_asking:
                form = request.read().count(b'name="image"')
                self.images.append(form or 1)
        try:
            return super().handle_request(request)
        finally:
            with self._lock:
                self._now -= is_asking


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    """Serve the bundled model."""
    with served(app_on(BUNDLED_REPOSITORY)) as client:
        yield client


@pytest.fixture
def noted() -> Noted:
    """Give what carries the client's requests."""
    return Noted()


@pytest.fixture
def client(service: httpx.Client, noted: Noted) -> Iterator[Client]:
    """Give a client of it."""
    with Client(str(service.base_url), transport=noted) as client:
        yield client


def assert_alike(found: Explanation, expected: Explanation) -> None:
    """Hold two explanations against each other, arrays included."""
    assert (found.label, found.model) == (expected.label, expected.model)
    assert len(found.evidence) == len(expected.evidence)
    for one, other in zip(found.evidence, expected.evidence, strict=True):
        assert (one.label, one.contrast) == (other.label, other.contrast)
        assert one.goodness == pytest.approx(other.goodness, abs=1e-4)
        np.testing.assert_allclose(one.map, other.map, atol=1e-4)


@pytest.mark.parametrize(("batch_size", "requests"), [(1, 20), (7, 3), (1000, 1)])
def test_explanations_come_back_in_the_images_order(
    client: Client, noted: Noted, batch_size: int, requests: int
) -> None:
    """However many images go into one request, each with its own maps."""
    found = list(client.explain_many(PICTURES, concurrency=3, batch_size=batch_size))

    assert (len(noted.images), sum(noted.images)) == (requests, 20)
    assert noted.most_at_once <= 3
    assert len({each.evidence[0].map.tobytes() for each in found}) == 20
    for one, picture in zip(found, PICTURES, strict=True):
        assert_alike(one, client.explain(picture))


def test_the_more_classes_the_fewer_images_share_a_request(client: Client, noted: Noted) -> None:
    """A request holds 64 explanations at most: of four each, sixteen images."""
    contrast = ("horse", "deer")

    found = list(
        client.explain_many(
            PICTURES, batch_size=1000, classes=["horse", "deer", "ship"], contrast=contrast
        )
    )

    assert sorted(noted.images) == [4, 16]
    labels = [[each.label for each in one.evidence] for one in found]
    assert labels == [["horse", "deer", "ship", None]] * 20
    assert {one.evidence[3].contrast for one in found} == {contrast}


def test_a_service_that_does_not_say_its_limit_gets_one_image_at_a_time() -> None:
    """As those before it was told; lists with commas count as the classes that they may name."""
    older, newer = Limits(images=32), Limits(images=32, explanations=64)

    assert explaining({}).within(older).images == 1
    assert explaining({}).within(newer).images == 32
    assert explaining({"classes": "horse,deer, ship"}).within(newer).images == 21
    assert explaining({"classes": ["x"] * 100}).within(newer).images == 1


def test_one_bad_image_among_many_raises(client: Client) -> None:
    """After the explanations before it, and it spoils no other one's."""
    answers = client.explain_many([FILE, FILE, b"none", FILE], concurrency=1)

    assert isinstance(next(answers), Explanation)
    assert isinstance(next(answers), Explanation)
    with pytest.raises(RefusedError, match="not-an-image"):
        next(answers)


def test_what_is_wrong_with_the_question_is_said_once(client: Client, noted: Noted) -> None:
    """An unknown class is no image's fault."""
    with pytest.raises(RefusedError, match="unknown-class"):
        list(client.explain_many(PICTURES, classes=["unicorn"], concurrency=1))

    assert len(noted.images) <= 2


def test_a_busy_service_is_asked_again(service: httpx.Client) -> None:
    """As for predictions: after a 429 the same images are sent once more."""
    models: Reply = (200, {}, service.get("/models").content)
    answer: Reply = (200, {}, service.post("/explain", content=FILE).content)
    script = Scripted(models, (429, {"Retry-After": "1"}, PROBLEM), answer)
    with served(script) as other, Client(str(other.base_url)) as client:
        (found,) = client.explain_many([FILE])
        assert_alike(found, client.explain(FILE))

    sent = [each["content-length"] for each in script.seen[1:3]]
    assert sent == [str(len(FILE))] * 2


@pytest.mark.anyio
async def test_the_asynchronous_client_gives_the_same(
    service: httpx.Client, client: Client
) -> None:
    """In order, whatever the number of images in a request; a bad one raises."""
    async with AsyncClient(str(service.base_url)) as other:
        found = [
            each
            async for each in other.explain_many(
                PICTURES, concurrency=3, batch_size=7, classes=["horse"]
            )
        ]
        with pytest.raises(GoodserveError, match="not-an-image"):
            [each async for each in other.explain_many([FILE, b"none"])]

    expected = client.explain_many(PICTURES, classes=["horse"])
    for one, two in zip(found, expected, strict=True):
        assert_alike(one, two)
