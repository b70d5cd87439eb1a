"""`POST /explain` on a real model behind a real server."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.pictures import coloured, encoded
from tests.service.models import app_on, filled_repository, served
from tests.trained import SmallModel


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory, small_models: list[SmallModel]
) -> Iterator[httpx.Client]:
    """Serve a small model that was trained and exported for real."""
    root = tmp_path_factory.mktemp("repository")
    filled_repository(root, small_models)
    with served(app_on(root)) as client:
        yield client


def file(seed: int = 0, size: tuple[int, int] = (24, 20), kind: str = "PNG", **more: Any) -> bytes:
    """Draw a picture of noise around red."""
    return encoded(coloured("red", seed, size), kind, **more)


def explain(client: httpx.Client, query: str = "", body: bytes | None = None) -> Any:
    """Ask for one image's parts."""
    answer = client.post(f"/explain?{query}", content=body or file())
    assert answer.status_code == 200, answer.text
    return answer.json()["explanations"][0]


def test_every_sum_is_the_score(client: httpx.Client) -> None:
    """Layers, positions of each layer and of the whole, all add up to what `/predict` says."""
    labels = "blue,green,red"

    found = explain(client, f"classes={labels}&channels=20")

    predicted = client.post("/predict?top_k=3", content=file()).json()["predictions"][0]
    goodness = {each["label"]: each["goodness"] for each in predicted["classes"]}
    assert found["label"] == predicted["label"]
    for part in found["evidence"]:
        score = pytest.approx(goodness[part["label"]], abs=1e-4)
        assert part["goodness"] == score
        assert np.sum(part["map"]) == score
        assert sum(channel["contribution"] for channel in part["channels"]) == score
        assert part["residual"] < 1e-5
        for layer in part["layers"]:
            assert np.sum(layer["map"]) == pytest.approx(layer["contribution"], abs=1e-4)
    assert [part["label"] for part in found["evidence"]] == labels.split(",")


def test_by_default_the_top_class_is_taken_apart(client: httpx.Client) -> None:
    """One entry, for the class that is answered, on the network's grid."""
    found = explain(client)

    (part,) = found["evidence"]
    assert part["label"] == found["label"]
    assert part["contrast"] is None
    assert np.array(part["map"]).shape == (16, 16)
    assert [np.array(layer["map"]).shape for layer in part["layers"]] == [(16, 16), (8, 8)]
    assert len(part["channels"]) == 5


def test_a_contrast_is_the_difference_of_two_classes(client: httpx.Client) -> None:
    """What speaks for one rather than the other, position by position."""
    found = explain(client, "classes=red,blue&contrast=red,blue")

    red, blue, between = found["evidence"]
    assert (between["label"], between["contrast"]) == (None, ["red", "blue"])
    difference = np.array(red["map"]) - np.array(blue["map"])
    np.testing.assert_allclose(between["map"], difference, atol=1e-5)


def test_classes_may_come_one_by_one(client: httpx.Client) -> None:
    """The same list in two spellings gives the same answer."""
    at_once = explain(client, "classes=red,green")
    one_by_one = explain(client, "classes=red&classes=green")

    assert at_once == one_by_one


def test_several_images_are_answered_in_their_order(client: httpx.Client) -> None:
    """A form of three gives three, each as it is alone."""
    files = [("image", (f"{seed}.png", file(seed))) for seed in range(3)]

    answer = client.post("/explain", files=files).json()

    alone = [explain(client, body=file(seed)) for seed in range(3)]
    for together, single in zip(answer["explanations"], alone, strict=True):
        assert together["label"] == single["label"]
        ours, theirs = (each["evidence"][0]["map"] for each in (together, single))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("classes=purple", "unknown-class", "there are blue, green, red"),
        ("contrast=red", "bad-contrast", "two classes"),
        ("layer=block9", "unknown-layer", "there are stem, block2"),
        ("channels=-1", "bad-option", "channels"),
        ("colour=red", "bad-option", "colour"),
        ("&".join(["classes=red"] * 17), "too-many-classes", "the limit is 16"),
    ],
)
def test_a_bad_question_is_told(client: httpx.Client, query: str, kind: str, words: str) -> None:
    """422, with the kind of the problem and what would be right."""
    answer = client.post(f"/explain?{query}", content=file())

    assert answer.status_code == 422
    assert answer.json()["type"].endswith(kind)
    assert words in answer.json()["detail"]


def test_images_times_classes_are_bounded(client: httpx.Client) -> None:
    """Thirty images of three classes each would be a long answer."""
    files = [("image", (f"{seed}.png", file(seed))) for seed in range(30)]

    answer = client.post("/explain?classes=red,blue,green", files=files)

    assert answer.status_code == 422
    assert "90 explanations, the limit for one request is 64" in answer.json()["detail"]
    assert client.post("/explain?classes=red,blue", files=files).status_code == 200


def test_a_picture_keeps_its_size_and_its_turn(client: httpx.Client) -> None:
    """The overlay is upright, at the size of the image as a person sees it, above a legend."""
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    turned = file(size=(400, 300), kind="JPEG", exif=exif)

    answer = client.post("/explain", content=turned, headers={"Accept": "image/png"})

    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as drawn:
        assert drawn.width == 300
        assert 400 < drawn.height < 470


def test_evidence_for_is_orange_and_against_is_blue(client: httpx.Client) -> None:
    """A picture that is half red shows red's evidence in one half alone, and in its colour."""
    half = Image.new("RGB", (64, 64), "white")
    half.paste((220, 0, 0), (0, 0, 32, 64))
    buffer = io.BytesIO()
    half.save(buffer, "PNG")

    answer = client.post(
        "/explain?contrast=red,blue&layer=block2",
        content=buffer.getvalue(),
        headers={"Accept": "image/png"},
    )

    part = explain(client, "contrast=red,blue", buffer.getvalue())["evidence"][0]
    cells = np.array(part["layers"][1]["map"])
    with Image.open(io.BytesIO(answer.content)) as drawn:
        pixels = np.asarray(drawn.convert("RGB"), dtype=int)[:64, :64]
    warmth = (pixels[..., 0] - pixels[..., 2]).reshape(8, 8, 8, 8).mean((1, 3))
    strong = np.abs(cells) > 0.5 * np.abs(cells).max()
    assert (np.sign(warmth[strong]) == np.sign(cells[strong])).all()


def test_a_picture_shows_one_image(client: httpx.Client) -> None:
    """Two images cannot be drawn as one."""
    files = [("image", (f"{seed}.png", file(seed))) for seed in range(2)]

    answer = client.post("/explain", files=files, headers={"Accept": "image/png"})

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("one-image")


def test_a_version_without_the_graph_says_how_to_get_it(
    tmp_path: Path, small_models: list[SmallModel]
) -> None:
    """409, and `/predict` answers as before."""
    small = small_models[0]
    bare = small.manifest.model_copy(update={"evidence": None})
    without = SmallModel(small.run, small.model, bare, {})
    filled_repository(tmp_path, [without])

    with served(app_on(tmp_path)) as client:
        refused = client.post("/explain", content=file())
        predicted = client.post("/predict?explain=true", content=file())

    assert refused.status_code == 409
    assert "goodserve-train export" in refused.json()["detail"]
    assert predicted.status_code == 200


def test_a_text_is_refused_as_by_predict(client: httpx.Client) -> None:
    """The same admission, body and decoding stand before both."""
    answer = client.post("/explain", content=b"no picture")

    assert answer.status_code == 400
    assert answer.json()["type"].endswith("not-an-image")
