"""`goodserve models show` tells what a running service makes of the version."""

import tempfile
from pathlib import Path

import pytest

from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from service.__main__ import main
from service.running import recorded, records_folder
from tests.service.fakes import fake_repository
from tests.service.http.test_named_models import until
from tests.service.models import fake_app_on, served


@pytest.fixture(autouse=True)
def own_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no service of this machine's be seen."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_the_reason_of_a_refusal_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the manifest, which alone goes to stdout."""
    root = tmp_path / "models"
    fake_repository(root, versions=2)
    assert main(["models", "new-key", str(tmp_path / "key")]) == 0
    sign = ["--key", str(tmp_path / "key"), "--repository", str(root)]
    assert main(["models", "sign", "colours/1", *sign]) == 0
    show = ["models", "show", "--repository", str(root)]

    with served(fake_app_on(root, public_key=tmp_path / "key.pub")) as client:
        url = str(client.base_url).rstrip("/")
        with recorded(str(root), records_folder(), url):
            ModelRepository(root).activate(VersionId("colours", "2"))
            until(lambda: "refused" in client.get("/health/ready").json())
            capsys.readouterr()
            assert main([*show, "colours/2"]) == 0
            assert main([*show, "colours/1"]) == 0

    printed = capsys.readouterr()
    first, second = printed.err.splitlines()
    assert first.startswith(f"goodserve: the service at {url} says: refused: colours/2 is not sig")
    assert second == f"goodserve: the service at {url} says: serving"
    assert printed.out.startswith("{")


def test_a_service_that_does_not_answer_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest is there without it."""
    root = tmp_path / "models"
    fake_repository(root)

    with recorded(str(root), records_folder(), "http://127.0.0.1:9"):
        assert main(["models", "show", "colours/1", "--repository", str(root)]) == 0

    assert "does not say what it makes of it" in capsys.readouterr().err
