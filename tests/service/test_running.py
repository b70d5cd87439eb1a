"""What is being served on this machine, as the commands see it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.running import Service, recorded, running_services, served_repositories
from tests.conftest import ROOT

SERVE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from service.running import recorded
with recorded("/there", Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_is_served_is_seen_while_it_is_served(tmp_path: Path) -> None:
    """And not afterwards."""
    folder = tmp_path / "records"

    with recorded("/models", folder):
        assert served_repositories(folder) == ["/models"]

    assert served_repositories(folder) == []


def test_services_say_where_they_answer(tmp_path: Path) -> None:
    """Or that they do not know; two of them may serve one repository."""
    with recorded("/models", tmp_path / "a", "http://127.0.0.1:8000"):
        assert running_services(tmp_path / "a") == [Service("/models", "http://127.0.0.1:8000")]
    with recorded("/models", tmp_path / "b"):
        assert running_services(tmp_path / "b") == [Service("/models", None)]


def test_a_killed_service_is_not_believed(tmp_path: Path) -> None:
    """Its record is still there, and its lock is not."""
    folder = tmp_path / "records"

    died = subprocess.run([sys.executable, "-c", SERVE_AND_DIE, str(folder)], cwd=ROOT, check=False)

    assert died.returncode == -signal.SIGKILL
    assert len(list(folder.iterdir())) == 1
    assert served_repositories(folder) == []


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_folder_that_others_may_fill_is_not_believed(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The service goes on without a record, and says so."""
    folder = tmp_path / "records"
    folder.mkdir()
    folder.chmod(mode)

    with recorded("/models", folder):
        assert list(folder.iterdir()) == []

    (folder / str(os.getpid())).write_text("/elsewhere")
    assert served_repositories(folder) == []
    assert "must be told the repository" in caplog.text
