"""A real Prometheus over a server that is watched, with the alert rules that are shipped."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.servers import HOST, ROOT, ServerError, free_port

ALERTS = ROOT / "docker" / "observe" / "alerts.yml"
_START_S = 60
# A scrape may take as long: on a busy machine one second would be too little.
_EVERY_S = 2
_CONFIG = """\
global: {{scrape_interval: {every}s, evaluation_interval: {every}s}}
rule_files: ['{rules}']
scrape_configs:
  - job_name: goodserve
    static_configs: [{{targets: {targets}}}]
"""


class Prometheus:
    """Asks a Prometheus by its HTTP API."""

    def __init__(self, url: str, client: httpx.Client) -> None:
        """Ask at `url` by a client of the caller's."""
        self.url = url
        self._client = client

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Give what an expression is now: its series, each with labels and a value.

        Raises:
            ServerError: Prometheus does not understand it.
        """
        return list(self._get("/api/v1/query", {"query": expr})["result"])

    def values(self, expr: str) -> list[float]:
        """Give the values alone."""
        return [float(each["value"][1]) for each in self.query(expr)]

    def rules(self) -> list[dict[str, Any]]:
        """Give every rule, with its state and what went wrong with it."""
        groups = self._get("/api/v1/rules", {})["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _get(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        answer = self._client.get(path, params=params).json()
        if answer["status"] != "success":
            reason = f"{answer['error']}: {params}"
            raise ServerError(reason)
        found: dict[str, Any] = answer["data"]
        return found

    def wait_for(self, expr: str, at_most_s: float = 120) -> list[float]:
        """Wait until an expression has data; give it.

        Raises:
            ServerError: it never had.
        """
        deadline = time.monotonic() + at_most_s
        while time.monotonic() < deadline:
            if found := self.values(expr):
                return found
            time.sleep(0.5)
        reason = f"{expr} has no data after {at_most_s:g} s"
        raise ServerError(reason)


def is_here() -> bool:
    """Tell whether there is a Prometheus, with its tool, to be started."""
    return all(map(shutil.which, ("prometheus", "promtool")))


@contextmanager
def scraping(targets: Sequence[str]) -> Iterator[Prometheus]:
    """Run a Prometheus over these `host:port`, every other second, for as long as the block lasts.

    Raises:
        ServerError: it does not start.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="goodserve-prometheus-") as folder:
        config = Path(folder) / "prometheus.yml"
        text = _CONFIG.format(every=_EVERY_S, rules=ALERTS, targets=list(targets))
        config.write_text(text)
        process = subprocess.Popen(
            [
                shutil.which("prometheus") or "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={HOST}:{port}",
                "--log.level=warn",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://{HOST}:{port}"
            _wait_until_ready(process, url)
            with httpx.Client(base_url=url, timeout=30) as client:
                yield Prometheus(url, client)
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/-/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    reason = f"prometheus was not ready within {_START_S} s"
    raise ServerError(reason)
