"""Prometheus' own graphs of a service at work, as a picture.

    python -m benchmarks.observe --out docs/observe.png
    python -m benchmarks.observe --data cifar-10-batches-bin/test_batch.bin --seconds 120

A real service of two processes answers callers who ask in every way, with one version on trial, one
that is refused, and answers given early; a real Prometheus scrapes it. Needs Debian's `prometheus`
and `chromium`, and Playwright.
"""

import argparse
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

from benchmarks.dashboard import Query, queries
from benchmarks.observed import pictures, watched
from benchmarks.servers import ServerError, stopping_on_sigterm

_SHOWN = (
    "Requests by outcome",
    "p50, p90 and p99 of answers",
    "Wait for a worker",
    "Images answered by the first layers",
    "Goodness of the class that is answered",
    "Trials: agreed, differed, skipped",
)
_WIDTH, _HEIGHT, _COLUMNS, _TITLE = 620, 300, 2, 26


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, ask, scrape and draw; return the exit status."""
    options = _parser().parse_args(arguments)
    stopping_on_sigterm()
    files = pictures(options.data)
    with tempfile.TemporaryDirectory(prefix="goodserve-observe-") as folder:
        try:
            with watched(Path(folder), files) as (_, prometheus):
                time.sleep(options.seconds)
                shown = [each for each in queries("20s") if each.panel in _SHOWN]
                graphs = _graphs(prometheus.url, shown, options.seconds)
        except ServerError as error:
            print(f"benchmarks.observe: {error}", file=sys.stderr)
            return 2
    _laid_out(graphs).save(options.out, optimize=True)
    print(f"{len(graphs)} graphs, {options.out.stat().st_size / 1000:.0f} kB in {options.out}")
    return 0


def _graphs(url: str, shown: Sequence[Query], seconds: float) -> list[tuple[str, Image.Image]]:
    """Have Chromium draw Prometheus' graph of each query: one picture for each panel."""
    found: dict[str, Image.Image] = {}
    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        for query in shown:
            if query.panel in found:
                continue
            asked = {
                "g0.expr": " or ".join(_marked(shown, query.panel)),
                "g0.tab": "0",
                "g0.range_input": f"{seconds:.0f}s",
                "g0.step_input": "1",
            }
            page.goto(f"{url}/classic/graph?{urlencode(asked)}")
            page.wait_for_selector(".rickshaw_graph svg path", timeout=30_000)
            page.wait_for_timeout(500)
            taken = page.locator("#graph0, .graph_container, .graph_area").first.screenshot()
            found[query.panel] = Image.open(io.BytesIO(taken))
        browser.close()
    return list(found.items())


def _marked(shown: Sequence[Query], panel: str) -> list[str]:
    """Give a panel's expressions, told apart by a label where there are several."""
    mine = [each for each in shown if each.panel == panel]
    if len(mine) == 1:
        return [mine[0].expr]
    return [f'label_replace({each.expr}, "line", "{each.line}", "", "")' for each in mine]


def _laid_out(graphs: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Lay the graphs out in two columns, each under its panel's title, in few colours."""
    rows = -(-len(graphs) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _WIDTH, rows * (_HEIGHT + _TITLE)), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (title, graph) in enumerate(graphs):
        left, top = number % _COLUMNS * _WIDTH, number // _COLUMNS * (_HEIGHT + _TITLE)
        draw.text((left + 8, top + 6), title, fill="black", font_size=15)
        graph.thumbnail((_WIDTH, _HEIGHT))
        sheet.paste(graph, (left, top + _TITLE))
    return sheet.quantize(128)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.observe",
        description="Draw Prometheus' graphs of a service at work.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, help="a batch file of CIFAR-10, binary version; else drawn pictures")
    add("--seconds", type=float, default=90, help="of traffic before the graphs")
    add("--out", type=Path, default=Path("observe.png"), help="the picture")
    return parser


if __name__ == "__main__":
    sys.exit(main())
