"""What several processes counted, and how many files that takes."""

import os
import re
import subprocess
import sys
from pathlib import Path

COUNT_ONE = """
import os, sys
from pathlib import Path
from service.shared_counts import count_in_place

count_in_place(int(sys.argv[1]))
from service.metrics import Metrics

metrics = Metrics(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
metrics.request("ok", 0.001)
metrics.refresh()
print(metrics.text().decode(), flush=True)
os.kill(os.getpid(), 9)
"""


def counted(folder: Path, place: int) -> str:
    """Have a process in some place count one request; it dies once it has told what there is."""
    command = [sys.executable, "-c", COUNT_ONE, str(place)]
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout


def test_a_process_goes_on_with_the_counts_of_the_one_before(tmp_path: Path) -> None:
    """Nothing is lost with one that is killed, and however many are, each place has one file."""
    texts = [counted(tmp_path, place) for place in (0, 1, 0, 0, 1)]

    counts = [re.findall(r'requests_total{outcome="ok"} (\S+)', text) for text in texts]
    assert counts == [["1.0"], ["2.0"], ["3.0"], ["4.0"], ["5.0"]]
    assert 'goodserve_request_duration_seconds_count{name="",outcome="ok"} 5.0' in texts[-1]
    assert "goodserve_queue_depth 0.0" in texts[-1]
    kinds = sorted(path.name.partition("_")[0] for path in tmp_path.glob("[ch]*.db"))
    assert kinds == ["counter", "counter", "histogram", "histogram"]
