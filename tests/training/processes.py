"""Trainings that run in processes of their own."""

import subprocess
import time
from pathlib import Path


def wait_for_an_epoch(process: subprocess.Popen[str], run: Path, timeout_s: float = 300) -> None:
    """Wait for the first epoch's line in the log."""
    log, deadline = run / "log.jsonl", time.monotonic() + timeout_s
    while not (log.exists() and log.read_text()):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)  # another process writes it: there is no clock to inject
