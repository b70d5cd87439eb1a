"""A version that averages an image and its mirror image, trained and served for real."""

import shutil
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from model.artifact.repository import ModelRepository
from tests.pictures import encoded, textured
from tests.service.models import app_on, served
from tests.trained import SmallModel
from training.__main__ import main

# As large as the network's images, so that mirroring is exact.
SIDE = 16


def answers(client: httpx.Client, body: bytes) -> tuple[Any, Any]:
    """Ask for an image's class, and for what speaks for red against blue."""
    predicted = client.post("/predict?top_k=3&explain=true", content=body)
    explained = client.post("/explain?contrast=red,blue", content=body)
    assert predicted.status_code == explained.status_code == 200, explained.text
    return predicted.json()["predictions"][0], explained.json()["explanations"][0]["evidence"][0]


def test_a_mirror_image_has_the_same_answer_and_the_mirrored_map(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """A finished run is read so without training, and published; positions still sum up."""
    run, root = tmp_path / "run", tmp_path / "models"
    shutil.copytree(small_models[0].run, run)
    shutil.rmtree(run / "export")
    flags = ["--resume", "--mirrored", "--quiet", "--publish", str(root), "--name", "colours"]
    assert main(["fit", "--run", str(run), *flags]) == 0
    picture = textured(SIDE, SIDE)
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    with served(app_on(root)) as client:
        (ours, map_), (theirs, mirrored_map) = (
            answers(client, encoded(each)) for each in (picture, mirrored)
        )

    assert ours["label"] == theirs["label"]
    assert ours["probability"] == pytest.approx(theirs["probability"], abs=1e-5)
    here, there = np.array(map_["map"]), np.array(mirrored_map["map"])
    np.testing.assert_allclose(here, there[:, ::-1], atol=1e-5)
    assert np.abs(here - here[:, ::-1]).max() > 1e-4
    goodness = {each["label"]: each["goodness"] for each in ours["classes"]}
    assert here.sum() == pytest.approx(goodness["red"] - goodness["blue"], abs=1e-4)
    (version,) = ModelRepository(root).versions()
    assert ModelRepository(root).manifest(version).training["mirrored"] is True
