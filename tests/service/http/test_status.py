"""What the service says of itself."""

import asyncio
import threading
from pathlib import Path

from service.http.status import Scrapes
from service.metrics import Metrics
from tests.service.fakes import Gate, fake_repository
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


class SlowMetrics(Metrics):
    """Takes as long to render as a gate is closed, and keeps the threads that did what."""

    def __init__(self) -> None:
        """Begin with a closed gate."""
        super().__init__()
        self.gate = Gate()
        self.refreshed: list[int] = []
        self.rendered: list[int] = []

    def refresh(self) -> None:
        """Keep the thread."""
        self.refreshed.append(threading.get_ident())
        super().refresh()

    def text(self) -> bytes:
        """Keep the thread, and wait."""
        self.rendered.append(threading.get_ident())
        self.gate()
        return super().text()


def test_who_asks_for_metrics_meanwhile_shares_one_rendering() -> None:
    """It keeps the event loop for others, goes on if one hangs up, and the next one is new."""
    metrics, here = SlowMetrics(), threading.get_ident()
    scrapes = Scrapes(metrics)

    async def ask() -> tuple[list[bytes], bytes]:
        asked = [asyncio.create_task(scrapes.text()) for _ in range(4)]
        await asyncio.sleep(0)
        await asyncio.to_thread(metrics.gate.wait_until_entered)
        asked.pop(0).cancel()
        metrics.denied("no-key")
        metrics.gate.let(2)
        return await asyncio.gather(*asked), await scrapes.text()

    first, then = asyncio.run(ask())

    assert len(set(first)) == 1
    assert b'goodserve_denied_total{reason="no-key"} 1.0' in then
    assert metrics.refreshed == [here, here]
    assert len(metrics.rendered) == 2
    assert here not in metrics.rendered
