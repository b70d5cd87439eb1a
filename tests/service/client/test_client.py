"""The client against a real service with the bundled model, over real sockets."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from service.client import (
    AsyncClient,
    Client,
    GoodserveError,
    ImageLike,
    NotFoundError,
    Prediction,
    RefusedError,
    UnreadableError,
)
from tests.pictures import CLASSES, coloured, encoded
from tests.service.models import app_on, served

PICTURES = [coloured(CLASSES[seed % 3], seed) for seed in range(50)]
FILE = encoded(PICTURES[0])


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    """Serve the bundled model."""
    with served(app_on(BUNDLED_REPOSITORY)) as client:
        yield client


@pytest.fixture
def client(service: httpx.Client) -> Iterator[Client]:
    """Give a client of it."""
    with Client(str(service.base_url)) as client:
        yield client


def test_an_image_may_be_given_in_any_way(
    service: httpx.Client, client: Client, tmp_path: Path
) -> None:
    """Path, text, bytes, Pillow image and pixels have one answer, and it is the service's."""
    path = tmp_path / "red.png"
    path.write_bytes(FILE)
    pixels = np.asarray(PICTURES[0])
    images: list[ImageLike] = [path, str(path), FILE, PICTURES[0], pixels]

    answers = [client.predict(image) for image in images]

    expected = service.post("/predict", content=FILE).json()
    assert [each.classes for each in answers] == [answers[0].classes] * 5
    (prediction,) = expected["predictions"]
    assert [each.label for each in answers[0].classes] == [
        each["label"] for each in prediction["classes"]
    ]
    assert answers[0].familiarity == prediction["familiarity"]
    assert str(answers[0].model) == str(ModelRepository(BUNDLED_REPOSITORY).active())


GREY = np.arange(35, dtype=np.uint8).reshape(5, 7) * 7
COLOURS = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)


@pytest.mark.parametrize(
    ("image", "same"),
    [
        (GREY, Image.fromarray(GREY).convert("RGB")),
        (np.dstack([COLOURS, np.full_like(GREY, 255)]), COLOURS),
        (np.repeat(np.repeat(COLOURS, 2, axis=0), 2, axis=1)[::2, ::2], COLOURS),
        (Image.new("CMYK", (7, 5), (0, 0, 0, 0)), np.full((5, 7, 3), 255, np.uint8)),
    ],
)
def test_pixels_of_other_kinds_are_taken(client: Client, image: ImageLike, same: ImageLike) -> None:
    """Grey, with an alpha channel, not in one piece, for print."""
    assert client.predict(image) == client.predict(same)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((5, 7), np.float32), "not float32 of"),
        (np.zeros((5, 7, 2), np.uint8), r"not uint8 of \(5, 7, 2\)"),
        (np.zeros((0, 7), np.uint8), r"\(0, 7\)"),
        (7, "not int"),
        ("no/such.png", "no/such.png: No such file"),
    ],
)
def test_what_is_no_image_is_refused_here(client: Client, image: ImageLike, message: str) -> None:
    """Before anything is sent, saying what would be taken."""
    with pytest.raises(UnreadableError, match=message):
        client.predict(image)


def test_options_reach_the_service(client: Client) -> None:
    """Each of them shows in the answer."""
    active = ModelRepository(BUNDLED_REPOSITORY).active()
    assert active is not None
    asked = {"model": active.name, "version": active.version}
    answer = client.predict(FILE, top_k=2, explain=True, confidence=0.9, **asked)

    assert len(answer.classes) == 2
    for each in answer.classes:
        assert each.layers is not None
        assert sum(part.contribution for part in each.layers) == pytest.approx(each.goodness, 1e-4)
    assert answer.conformal_set is not None
    assert answer.settled_at is not None
    assert client.predict(FILE, model="cifar10", version="1").model.version == "1"
    assert client.predict(FILE, model="cifar10", version=1).model.version == "1"
    assert client.predict(FILE, version=1).model == client.predict(FILE, version="1").model
    stable = client.predict(FILE, model="cifar10", version="stable")
    assert stable.model.version == active.version


def test_a_problem_is_typed(client: Client) -> None:
    """Its kind, title, status and request id are those of the problem details."""
    with pytest.raises(NotFoundError) as unknown:
        client.predict(FILE, model="ghost")
    with pytest.raises(RefusedError, match=r"^415 unsupported-format: ") as refused:
        client.predict(encoded(PICTURES[0], "GIF"))

    assert (unknown.value.status, unknown.value.kind) == (404, "unknown-model")
    assert unknown.value.title == "Unknown model"
    assert unknown.value.request_id
    assert refused.value.request_id != unknown.value.request_id


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_many_images_come_back_in_their_order(client: Client, batch_size: int) -> None:
    """However many go into one request; beyond what the service takes there are more requests."""
    found = list(client.predict_many(PICTURES, concurrency=3, batch_size=batch_size, top_k=1))

    alone = [client.predict(each, top_k=1) for each in PICTURES]
    assert [each.label for each in found] == [each.label for each in alone]
    assert [each.probability for each in found] == pytest.approx(
        [each.probability for each in alone], abs=1e-5
    )


def test_images_are_taken_as_the_answers_are(client: Client) -> None:
    """Of an endless supply few are held, and leaving off early is no error."""
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield FILE

    answers = client.predict_many(endless(), concurrency=2, batch_size=3)
    first = [next(answers) for _ in range(5)]

    assert len(first) == 5
    assert taken <= 3 * (2 * 2 + 2)
    answers.close()  # type: ignore[attr-defined]


def test_one_bad_image_among_many_raises(client: Client) -> None:
    """After the answers before it."""
    answers = client.predict_many([FILE, FILE, b"none", FILE], concurrency=1)

    assert isinstance(next(answers), Prediction)
    assert isinstance(next(answers), Prediction)
    with pytest.raises(RefusedError, match="not-an-image"):
        next(answers)


def a_folder(root: Path) -> Path:
    """Write pictures in two folders, one that is broken, and what is none."""
    for number, picture in enumerate(PICTURES[:20]):
        folder = root / ("a" if number % 2 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{number:02}.png")
    (root / "a" / "broken.jpg").write_bytes(b"broken")
    (root / "a" / "empty.png").write_bytes(b"")
    (root / "notes.txt").write_text("no picture")
    return root


def test_a_folder_is_answered_file_by_file(client: Client, tmp_path: Path) -> None:
    """In order; a file that is no image spoils no other one's answer."""
    found = list(client.predict_folder(a_folder(tmp_path), batch_size=5))

    assert [each.path for each in found] == sorted(tmp_path.glob("*/*"))
    failed = {Path(each.path).name: str(each.error) for each in found if each.prediction is None}
    assert list(failed) == ["broken.jpg", "empty.png"]
    assert "not-an-image" in failed["broken.jpg"]
    assert "the file is empty" in failed["empty.png"]


def test_what_is_no_images_fault_ends_it(client: Client, tmp_path: Path) -> None:
    """An unknown model is said once, and not of every file."""
    with pytest.raises(NotFoundError):
        list(client.predict_folder(a_folder(tmp_path), model="ghost"))


def test_explanations_are_arrays(client: Client) -> None:
    """A map for each layer and one for all; each sums to what it explains."""
    found = client.explain(FILE, classes=["horse", "deer"], contrast=("horse", "deer"), channels=3)

    assert [each.label for each in found.evidence] == ["horse", "deer", None]
    assert found.evidence[2].contrast == ("horse", "deer")
    for each in found.evidence:
        assert each.map.dtype == np.float32
        assert each.map.shape == (32, 32)
        assert each.map.sum() == pytest.approx(each.goodness, abs=1e-3)
        assert len(each.channels) == 3
        for layer in each.layers:
            assert layer.map.sum() == pytest.approx(layer.contribution, abs=1e-3)
    horse, deer, both = (each.map for each in found.evidence)
    np.testing.assert_allclose(horse - deer, both, atol=1e-4)


def test_explanations_are_pictures(client: Client) -> None:
    """At the image's own size, above a legend; one layer looks unlike another."""
    first = client.draw(FILE, contrast=("horse", "deer"), layer="stem")
    second = client.draw(FILE, contrast=("horse", "deer"), layer="block4")

    assert first.format == "PNG"
    assert first.height > PICTURES[0].height
    assert first.tobytes() != second.tobytes()


def test_the_service_says_what_it_is(client: Client) -> None:
    """Models, their labels, the limits, and whether it is ready."""
    models, ready = client.models(), client.ready()

    assert ready.is_ready
    assert models.serving == ready.model
    assert models.limits.images == 32
    (active,) = (each for each in models.versions if each.is_active)
    assert "horse" in active.labels


@pytest.mark.anyio
async def test_the_asynchronous_client_gives_the_same(
    service: httpx.Client, client: Client, tmp_path: Path
) -> None:
    """One image, many in order, a folder with a broken file, explanations, problems."""
    folder = a_folder(tmp_path)
    async with AsyncClient(str(service.base_url)) as other:
        one = await other.predict(PICTURES[0])
        many = [each async for each in other.predict_many(PICTURES, concurrency=3, batch_size=7)]
        files = [each async for each in other.predict_folder(folder, batch_size=5)]
        explained = await other.explain(FILE, contrast=("horse", "deer"))
        drawn = await other.draw(FILE)
        models, ready = await other.models(), await other.ready()
        with pytest.raises(NotFoundError):
            await other.predict(FILE, model="ghost")
        with pytest.raises(GoodserveError, match="not-an-image"):
            [each async for each in other.predict_many([FILE, b"none"])]

    assert one == client.predict(PICTURES[0])
    assert [each.label for each in many] == [each.label for each in client.predict_many(PICTURES)]
    assert [(each.path, each.error is None) for each in files] == [
        (each.path, each.error is None) for each in client.predict_folder(folder)
    ]
    np.testing.assert_array_equal(
        explained.evidence[0].map,
        client.explain(FILE, contrast=("horse", "deer")).evidence[0].map,
    )
    assert drawn.size == client.draw(FILE).size
    assert models == client.models()
    assert ready.is_ready
