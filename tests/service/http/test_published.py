"""Where what is published cannot be listed, callers are told to come again."""

from pathlib import Path

import pytest

from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from service.errors import NotReadyError
from service.http.v2.repository import described
from tests.pictures import coloured, encoded
from tests.service.fakes import fake_manifest, fake_repository
from tests.service.models import fake_app_on, served


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models"),
        ("POST", "/v2/repository/index"),
        ("POST", "/v2/repository/models/others/unload"),
    ],
)
def test_a_list_that_cannot_be_read_is_not_ready(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    """503 without the repository's place, one line in the log, and what is loaded answers on."""
    root = tmp_path / "models"
    fake_repository(root)
    with served(fake_app_on(root, poll_interval_s=60)) as client:
        root.rename(tmp_path / "elsewhere")
        root.write_text("no folder")
        answer = client.request(method, path)
        predicted = client.post("/predict", content=encoded(coloured("red", 1)))

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "cannot be listed just now" in answer.text
    assert str(tmp_path) not in answer.text
    assert predicted.status_code == 200
    (line,) = [record for record in caplog.records if "cannot be listed" in record.getMessage()]
    assert line.exc_info is None
    assert str(root) in line.getMessage()


def test_a_version_is_not_refused_for_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    """Only one that is loaded can be described all the same, alone."""
    (tmp_path / "models").write_text("no folder")
    repository, version = ModelRepository(tmp_path / "models"), VersionId("colours", "2")

    with pytest.raises(NotReadyError, match="cannot be listed just now"):
        described(repository, version, None)
    manifest = fake_manifest()
    assert described(repository, version, manifest) == (["2"], manifest)
