"""Starting several processes that train together, as torchrun or another launcher does."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers import free_port
from tests.conftest import ROOT

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def start(command: Sequence[str], **variables: str) -> subprocess.Popen[str]:
    """Start one command with one thread, our packages and these variables."""
    # A training has a setting for its threads; a program of a test has none.
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **variables}
    return subprocess.Popen(
        command,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def torchrun(*arguments: str) -> subprocess.Popen[str]:
    """Start two processes of `goodserve-train` by torchrun."""
    return start([*TORCHRUN, "-m", "--", "training", *arguments])


def ranks(commands: Sequence[Sequence[str]]) -> list[subprocess.Popen[str]]:
    """Start processes of commands of their own, the first of which leads, without torchrun."""
    port = free_port()
    shared = {"WORLD_SIZE": str(len(commands)), "MASTER_ADDR": "127.0.0.1"}
    return [
        start(command, RANK=str(rank), MASTER_PORT=str(port), **shared)
        for rank, command in enumerate(commands)
    ]


def ended(process: subprocess.Popen[str], timeout_s: float = 300) -> tuple[int, str, str]:
    """Wait for a process; give its exit status, output and errors."""
    output, errors = process.communicate(timeout=timeout_s)
    return process.returncode, output, errors


def fit_command(source: Path, run: Path, *flags: str) -> list[str]:
    """Word a training of one process."""
    return [sys.executable, "-m", "training", *fit(source, run, *flags)]


def fit(source: Path, run: Path, *flags: str) -> list[str]:
    """Word what follows the name of the program."""
    return ["fit", f"folder:{source}", "--run", str(run), *flags]
