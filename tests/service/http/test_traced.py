"""What a trace says of a request when a trial has another version see its images too."""

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from service.timeline import TIMELINE, Timeline
from tests.pictures import coloured, encoded
from tests.service.fakes import fake_repository
from tests.service.http.test_named_models import until
from tests.service.http.test_protocol import until_metric
from tests.service.http.test_trials import begin, state
from tests.service.models import fake_app_on, served

AGREED = 'goodserve_trial_images_total{name="colours",outcome="agreed",version="2"} 1.0'


@pytest.mark.parametrize(("mode", "answers"), [("shadow", "colours/1"), ("canary", "colours/2")])
def test_a_comparison_is_no_part_of_the_request(tmp_path: Path, mode: str, answers: str) -> None:
    """The version that answered is named, whichever it is, and its run alone is noted."""
    repository = fake_repository(tmp_path, versions=2)
    begin(repository, shadow=mode == "shadow")
    traced: list[Timeline] = []

    async def trace(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        traced.append(Timeline())
        token = TIMELINE.set(traced[-1])
        await app(scope, receive, send)
        TIMELINE.reset(token)

    with served(replace(fake_app_on(tmp_path), tracing=trace)) as client:
        until(lambda: state(client, "2") in ("ready", "serving"))
        answer = client.post("/predict", content=encoded(coloured("red", 1)))
        until_metric(client, AGREED)

    (timeline,) = traced
    assert "colours/" + answer.json()["model"]["version"] == timeline.model == answers
    assert sorted(part.name for part in timeline.parts) == ["batch", "decode", "queue", "run"]
