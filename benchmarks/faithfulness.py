"""Do maps show what the answer rests on? Deletion, insertion, pointing, and occlusion.

    python -m benchmarks.faithfulness RUN [--images 500]

needs the run's data, and Captum: pip install goodserve[faithfulness].
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor

from benchmarks.attributions import Attribute, attributions, in_squares, occlusion
from model.network.stack import ForwardForwardNetwork
from training.data.load import load_dataset
from training.results.run import Run

_STEPS = 16
_BATCH = 100


class Row(NamedTuple):
    """What one way of attribution reaches.

    Attributes:
        deletion: mean probability while the strongest pixels are blurred first; lower is better.
        insertion: while they are shown first, on the blurred image; higher is better.
        mass: the part of the evidence for a class that lies in its quarter of a mosaic.
        hits: how often the strongest pixel does.
        occlusion: mean rank correlation with what painting squares over costs.
        ms: for one image.
    """

    deletion: float
    insertion: float
    mass: float
    hits: float
    occlusion: float
    ms: float


def measure(network: ForwardForwardNetwork, images: Tensor, labels: Tensor, way: Attribute) -> Row:
    """Measure one way on images `(N, H, W, 3)`, uint8, all for the class that is answered."""
    with torch.no_grad():
        answered = torch.cat(
            [network(part).scores.argmax(1) for part in torch.split(images, _BATCH)]
        )
    started = time.perf_counter()
    maps = _mapped(way, images, answered)
    ms = (time.perf_counter() - started) / len(images) * 1000
    deletion = _curve(network, images, answered, maps, inserts=False)
    insertion = _curve(network, images, answered, maps, inserts=True)
    mosaics, quarters, classes = mosaic(images, labels)
    mass, hits = pointing(_mapped(way, mosaics, classes), quarters)
    agreement = _rank_correlation(in_squares(maps), occlusion(network, images, answered))
    return Row(deletion, insertion, mass, hits, agreement, ms)


def mosaic(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Paste each halved image into a mosaic with three of other classes.

    Returns:
        `(N, H, W, 3)`, uint8; `(N,)`, the quarter in which the image lies, 0 to 3; and its
        class, `(N,)`.
    """
    chance = torch.Generator().manual_seed(0)
    halved = F.avg_pool2d(images.permute(0, 3, 1, 2).float(), 2).round().to(torch.uint8)
    halved = halved.permute(0, 2, 3, 1)
    quarters = torch.randint(0, 4, (len(images),), generator=chance)
    chosen = torch.stack([_three_others(labels, each, chance) for each in range(len(images))])
    # The image swaps places with whatever lies in its quarter.
    places = torch.cat([torch.arange(len(images))[:, None], chosen], 1)
    rows = torch.arange(len(images))
    places[rows, 0] = places[rows, quarters]
    places[rows, quarters] = rows
    top = torch.cat([halved[places[:, 0]], halved[places[:, 1]]], 2)
    bottom = torch.cat([halved[places[:, 2]], halved[places[:, 3]]], 2)
    return torch.cat([top, bottom], 1), quarters, labels


def pointing(maps: Tensor, quarters: Tensor) -> tuple[float, float]:
    """Say how much of what speaks for a class lies in its quarter, and whether the peak does."""
    positive = maps.clamp_min(0)
    size = maps.shape[1] // 2
    sums = F.avg_pool2d(positive[:, None], size).flatten(1)
    share = sums.gather(1, quarters[:, None])[:, 0] / sums.sum(1).clamp_min(1e-12)
    peak = maps.flatten(1).argmax(1)
    row, column = peak // maps.shape[2], peak % maps.shape[2]
    found = (row >= size).long() * 2 + (column >= size).long()
    return float(share.mean()), float((found == quarters).float().mean())


def _three_others(labels: Tensor, image: int, chance: torch.Generator) -> Tensor:
    """Draw three images of other classes."""
    others = torch.nonzero(labels != labels[image])[:, 0]
    return others[torch.randint(0, len(others), (3,), generator=chance)]


def _mapped(way: Attribute, images: Tensor, classes: Tensor) -> Tensor:
    parts = zip(torch.split(images, _BATCH), torch.split(classes, _BATCH), strict=True)
    return torch.cat([way(*part) for part in parts])


def _curve(
    network: ForwardForwardNetwork, images: Tensor, classes: Tensor, maps: Tensor, *, inserts: bool
) -> float:
    """Blur or show pixels, the strongest first; give the mean probability along the way.

    Source: deletion and insertion after Petsiuk et al. (BMVC 2018).
    """
    blurred = _blurred(images)
    order = maps.flatten(1).argsort(1, descending=True).argsort(1)
    pixels = order.shape[1]
    total = 0.0
    for step in range(_STEPS + 1):
        done = (order < pixels * step // _STEPS).view(*maps.shape, 1)
        shown = torch.where(done == inserts, images, blurred)
        with torch.no_grad():
            for part, label in zip(
                torch.split(shown, _BATCH), torch.split(classes, _BATCH), strict=True
            ):
                total += network(part).probabilities.gather(1, label[:, None]).sum().item()
    return total / len(images) / (_STEPS + 1)


def _blurred(images: Tensor) -> Tensor:
    blurred = images.permute(0, 3, 1, 2).float()
    for _ in range(3):
        blurred = F.avg_pool2d(blurred, 11, 1, 5, count_include_pad=False)
    return blurred.permute(0, 2, 3, 1).round().to(torch.uint8)


def _rank_correlation(ours: Tensor, theirs: Tensor) -> float:
    """Average Spearman's correlation over images `(N, R, R)`."""
    ranks = [each.flatten(1).argsort(1).argsort(1).float() for each in (ours, theirs)]
    centred = [F.normalize(each - each.mean(1, keepdim=True), dim=1) for each in ranks]
    return float((centred[0] * centred[1]).sum(1).mean())


def lines(rows: dict[str, Row], n: int) -> Iterator[str]:
    """Write the table."""
    yield "| map | deletion | insertion | mass | hits | occlusion | ms |"
    yield "|---|---|---|---|---|---|---|"
    for name, row in rows.items():
        figures = " | ".join(f"{figure:.3f}" for figure in row[:-1])
        yield f"| {name} | {figures} | {row.ms:.2f} |"
    yield f"\nn = {n} test images"


def main() -> None:
    """Measure every way on a run's test images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--images", type=int, default=500, help="test images")
    given = parser.parse_args()
    run = Run(given.run)
    settings = run.settings()
    network = run.load_model().network.eval()
    test = load_dataset(settings.data, settings.run.seed).test
    chosen = test.first(given.images)
    rows = {
        name: measure(network, chosen.images, chosen.labels, way)
        for name, way in attributions(network).items()
    }
    print("\n".join(lines(rows, len(chosen))))


if __name__ == "__main__":
    main()
