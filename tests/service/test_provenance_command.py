"""`goodserve models new-key`, `sign` and `card`, and a service that trusts one key."""

import shlex
import time
from pathlib import Path

import httpx
import pytest

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.version import VersionId
from service.__main__ import main
from tests.service.fakes import fake_repository
from tests.service.models import fake_app_on, served
from training.command_line import app as training


def test_a_service_with_a_public_key_refuses_what_is_not_signed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so where it says of any refusal, and serves the version once that is signed."""
    root, key = tmp_path / "models", tmp_path / "key"
    fake_repository(root, versions=2)
    assert main(["models", "new-key", str(key)]) == 0
    sign = ["--key", str(key), "--repository", str(root)]
    assert main(["models", "sign", "colours/1", *sign]) == 0

    with served(fake_app_on(root, public_key=tmp_path / "key.pub")) as client:
        assert client.get("/health/ready").json()["model"]["version"] == "1"
        ModelRepository(root).activate(VersionId("colours", "2"))
        refused = wait_for(client, "refused")
        assert client.get("/health/ready").json()["model"]["version"] == "1"
        assert main(["models", "sign", "colours/2", *sign]) == 0
        wait_for(client, "model", {"name": "colours", "version": "2"})

    assert refused["version"] == "colours/2"
    assert "colours/2 is not signed" in refused["reason"]
    assert capsys.readouterr().out.splitlines()[1:] == [
        "colours/1 is signed",
        "colours/2 is signed",
    ]


def wait_for(client: httpx.Client, what: str, value: object = None) -> dict[str, str]:
    """Wait until `/health/ready` tells something."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = client.get("/health/ready").json().get(what)
        if found is not None and value in (None, found):
            return dict(found)
        time.sleep(0.02)
    raise AssertionError(client.get("/health/ready").text)


def test_serving_with_a_wrong_key_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service does not start."""
    wrong = tmp_path / "wrong.pub"
    wrong.write_text("no key")

    assert main(["serve", "--public-key", str(wrong), "--device", "cpu"]) == 2

    assert "must hold public keys of Ed25519" in capsys.readouterr().err


def test_a_card_says_what_the_manifest_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Its command is one that the training takes, and its metadata are YAML."""
    repository = ModelRepository(BUNDLED_REPOSITORY)
    active = repository.active()
    assert active is not None
    assert main(["models", "card", str(active), "--repository", str(BUNDLED_REPOSITORY)]) == 0

    card = capsys.readouterr().out
    manifest = repository.manifest(active)
    accuracy = manifest.accuracy
    assert accuracy is not None
    assert card.startswith("---\nlibrary_name: goodserve\n")
    assert f"metrics: [{{type: accuracy, value: {accuracy.value}}}]" in card
    cats = accuracy.per_class[manifest.labels.index("cat")]
    assert f"| cat | {cats:.2%} |" in card
    assert manifest.model_sha256 in card
    command = next(line for line in card.splitlines() if line.startswith("goodserve-train fit"))
    _, bound, _ = training.parse_args(shlex.split(command)[1:])
    assert bound.arguments["data"] == "cifar10:PATH"
    assert list(bound.arguments["network"].widths) == manifest.training["widths"]
