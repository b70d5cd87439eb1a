"""What the service says of itself."""

from pathlib import Path

from tests.service.fakes import fake_repository
from tests.service.models import fake_app_on, served


def test_models_lists_what_there_is(tmp_path: Path) -> None:
    """Every version with its labels, size and accuracy, and which one serves."""
    fake_repository(tmp_path, versions=3)

    with served(fake_app_on(tmp_path)) as client:
        answer = client.get("/models").json()

    assert answer["serving"] == {"name": "colours", "version": "1"}
    assert answer["device"] == "cpu"
    assert [(v["version"], v["is_active"]) for v in answer["versions"]] == [
        ("1", True),
        ("2", False),
        ("3", False),
    ]
    assert answer["versions"][0]["labels"] == ["blue", "green", "red"]
    assert answer["versions"][0]["accuracy_n"] > 0
