"""The dashboard's queries, as Grafana would send them."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.servers import ROOT

DASHBOARD = ROOT / "docker" / "observe" / "grafana" / "goodserve.json"
# These have data only where there is a GPU and NVIDIA's exporter beside it.
NEEDS_GPU = ("GPU: busy", "GPU: memory")


class Query(NamedTuple):
    """One query of one panel.

    Attributes:
        panel: its title.
        unit: of its values, as Grafana names it.
        expr: PromQL, its variables filled in.
        line: what tells its series from those of the panel's other queries.
    """

    panel: str
    unit: str
    expr: str
    line: str


def dashboard() -> dict[str, Any]:
    """Read the dashboard."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def queries(rate_interval: str) -> Iterator[Query]:
    """Give every query of every panel, for all replicas and models.

    Args:
        rate_interval: over which rates are taken, as Prometheus writes it: `1m`.
    """
    found = dashboard()
    for panel in found["panels"]:
        for target in panel.get("targets", ()):
            expr = filled(target["expr"], rate_interval)
            line = target["legendFormat"].partition("{{")[0].strip()
            yield Query(panel["title"], panel["fieldConfig"]["defaults"]["unit"], expr, line)


def filled(expr: str, rate_interval: str) -> str:
    """Put values in the place of Grafana's variables.

    Raises:
        ValueError: one is unknown.
    """
    for name, value in (("__rate_interval", rate_interval), ("instance", ".*"), ("name", ".*")):
        expr = expr.replace(f"${name}", value)
    left = re.search(r"\$\w+", expr)
    if left is not None:
        message = f"unknown variable {left[0]} in {expr}"
        raise ValueError(message)
    return expr
