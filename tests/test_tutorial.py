"""The tutorial, followed command by command."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.servers import free_port
from tests.conftest import ROOT

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
_BLOCK = re.compile(r"(<!-- not run.*?-->\n)?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "== end of block =="


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Run the blocks as one shell session; give its folder and what each block printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "docs").symlink_to(ROOT / "docs")
    blocks = [block for not_run, block in _BLOCK.findall(TUTORIAL) if not not_run]
    port = str(free_port())
    script = f"\necho '{_END}'\n".join(blocks).replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    # A reader's machine does nothing else meanwhile.
    script = script.replace("\nsleep 2\n", "\nsleep 20\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": path, "GOODSERVE_PORT": port, "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        ["bash", "-c", f"set -eu; trap 'kill %1 2>/dev/null || true' EXIT\n{script}"],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout.split(_END)


def said(followed: tuple[Path, list[str]], command: str) -> str:
    """Give what the block with a command printed."""
    blocks = [block for not_run, block in _BLOCK.findall(TUTORIAL) if not not_run]
    (place,) = (number for number, block in enumerate(blocks) if command in block)
    return followed[1][place]


def test_the_trained_network_is_published(followed: tuple[Path, list[str]]) -> None:
    """It tells the shapes apart, and is the active version."""
    assert "published shapes/1 to models, active" in said(followed, "--run runs/first --publish")
    assert "* shapes/1" in said(followed, "models list")
    assert (followed[0] / "runs" / "first" / "report.html").exists()


def test_the_answer_adds_up(followed: tuple[Path, list[str]]) -> None:
    """The unseen disc is one, and the layers' contributions sum to its goodness."""
    answer = json.loads(said(followed, "top_k=2&explain=true"))

    top = answer["predictions"][0]["classes"][0]
    parts = [layer["contribution"] for layer in top["layers"]]
    assert top["label"] == "disc"
    assert sum(parts) == pytest.approx(top["goodness"], abs=1e-4)


def test_the_picture_and_the_table_are_there(followed: tuple[Path, list[str]]) -> None:
    """The evidence is a picture that can be opened; every unseen picture has a row."""
    folder, _ = followed

    with Image.open(folder / "why.png") as picture:
        size = picture.size

    rows = (folder / "answers.csv").read_text().splitlines()
    assert min(size) >= 48
    assert rows[0].startswith("path,label,probability,familiarity")
    assert len(rows) == 1 + 3 * 5


def test_versions_swap_as_it_says(followed: tuple[Path, list[str]]) -> None:
    """Ready with 1, then with 2, and with 1 again; the page's JSON is what comes."""
    ready = [
        json.loads(text.strip().splitlines()[-1])["model"]["version"]
        for text in followed[1]
        if '{"status":"ready"' in text
    ]
    shown = re.findall(r'^\{"status":"ready".*$', TUTORIAL, re.MULTILINE)

    assert ready == ["1", "2", "1"]
    assert all(any(line in text for text in followed[1]) for line in shown)
