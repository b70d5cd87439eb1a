"""What the metrics know of answers that the protocol's clients get."""

from pathlib import Path

import httpx
import pytest

from tests.service.fakes import fake_repository
from tests.service.http.v2.bodies import FILES, INFER, file_input, texts
from tests.service.models import fake_app_on, served

GOODNESS, PARTS = "goodserve_top_goodness", "goodserve_layer_contribution"
INPUTS = [file_input(FILES, data=texts(FILES))]


def counts(client: httpx.Client, family: str) -> dict[str, float]:
    """Read every series of a histogram."""
    lines = client.get("/metrics").text.splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith(family)]
    return {series: float(value) for series, _, value in found}


def test_goodness_is_counted_as_that_of_predict(tmp_path: Path) -> None:
    """The same images give the same counts, however they are asked about."""
    fake_repository(tmp_path)
    with served(fake_app_on(tmp_path)) as client:
        assert client.post(INFER, json={"inputs": INPUTS}).status_code == 200
        once = counts(client, GOODNESS)
        assert counts(client, PARTS) == {}
        client.post("/predict", files=[("image", ("a", file)) for file in FILES])
        twice = counts(client, GOODNESS)

    of = 'name="colours",version="1"'
    assert once[f"{GOODNESS}_count{{{of}}}"] == len(FILES)
    assert once[f"{GOODNESS}_sum{{{of}}}"] > 0
    assert twice == pytest.approx({series: 2 * value for series, value in once.items()})


def test_the_layers_parts_are_counted_where_they_are_asked_for(tmp_path: Path) -> None:
    """As those of `explain=true`."""
    fake_repository(tmp_path)
    with served(fake_app_on(tmp_path)) as client:
        outputs = [{"name": "contributions"}]
        client.post(INFER, json={"inputs": INPUTS, "outputs": outputs})
        once = counts(client, PARTS)
        client.post("/predict?explain=true", files=[("image", ("a", file)) for file in FILES])
        twice = counts(client, PARTS)

    for layer in ("stem", "block2"):
        of = f'layer="{layer}",name="colours",version="1"'
        assert once[f"{PARTS}_count{{{of}}}"] == len(FILES)
    assert twice == pytest.approx({series: 2 * value for series, value in once.items()})


def test_what_is_refused_is_not_counted(tmp_path: Path) -> None:
    """A request without an answer has no goodness."""
    fake_repository(tmp_path)
    with served(fake_app_on(tmp_path)) as client:
        broken = [file_input([b"none"], data=texts([b"none"]))]
        assert client.post(INFER, json={"inputs": broken}).status_code == 400

        assert counts(client, GOODNESS) == {}
