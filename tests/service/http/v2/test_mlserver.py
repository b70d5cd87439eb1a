"""`mlserver infer`, as it is on PyPI; it pins much, so it is tested where it is on the path."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from model.artifact.repository import BUNDLED_REPOSITORY
from tests.pictures import encoded
from tests.service.http.v2.bodies import file_input, pixel_input, texts
from tests.service.models import app_on, served

MLSERVER = shutil.which("mlserver")
PIXELS = np.random.default_rng(3).integers(0, 256, (6, 1, 32, 32, 3), np.uint8)
FILES = [encoded(Image.fromarray(pixels[0])) for pixels in PIXELS]


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    """Serve the bundled model."""
    with served(app_on(BUNDLED_REPOSITORY)) as client:
        yield client


@pytest.mark.skipif(MLSERVER is None, reason="no mlserver on the path")
@pytest.mark.parametrize(
    ("kind", "flags"), [("pixels", []), ("pixels", ["-b", "-s", "4"]), ("files", ["-s", "3"])]
)
def test_a_file_of_requests_is_answered(
    service: httpx.Client, tmp_path: Path, kind: str, flags: list[str]
) -> None:
    """One by one or in micro-batches, in JSON or binary, to the labels of `/predict`."""
    inputs: list[dict[str, Any]] = [
        pixel_input(each, data=each.ravel().tolist()) for each in PIXELS
    ]
    if kind == "files":
        inputs = [file_input([each], data=texts([each])) for each in FILES]
    lines = [json.dumps({"id": str(i), "inputs": [each]}) for i, each in enumerate(inputs)]
    (tmp_path / "in").write_text("\n".join(lines))
    where = ["-u", service.base_url.netloc.decode(), "-m", "cifar10"]
    files = ["-i", str(tmp_path / "in"), "-o", str(tmp_path / "out")]

    subprocess.run([str(MLSERVER), "infer", *where, *files, *flags], check=True, timeout=60)

    answers = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    found = {each["id"]: each["outputs"][0]["data"] for each in answers}
    predicted = service.post("/predict", files=[("i", ("a", file)) for file in FILES]).json()
    assert found == {str(i): [each["label"]] for i, each in enumerate(predicted["predictions"])}
