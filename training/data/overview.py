"""What a run is about to learn from, in words: classes, counts and splits, and what is doubtful."""

import logging
from collections.abc import Iterator, Sequence

import torch

from training.data.dataset import Dataset, Split
from training.data.listing import shortened
from training.data.pictures import Say

log = logging.getLogger("goodserve")

_SHOWN_CLASSES = 50
_UNEVEN = 10
_FEW = 10


def tell_splits(dataset: Dataset, train: Split, validation: Split, say: Say) -> None:
    """Say what the classes and splits are; warn of what is doubtful, quiet or not."""
    for line in overview(dataset.labels, train, validation, dataset.test):
        say(line)
    for doubt in doubts(dataset.labels, train, validation):
        log.warning(doubt)


def overview(labels: Sequence[str], train: Split, validation: Split, test: Split) -> Iterator[str]:
    """Give a table of the images of each class in each split."""
    counts = list(
        zip(*(_counts(split, labels) for split in (train, validation, test)), strict=True)
    )
    shown = range(min(len(labels), _SHOWN_CLASSES))
    width = max(len(name) for name in (*(labels[place] for place in shown), "all classes"))
    yield _row("class", ("train", "validation", "test"), width)
    for place in shown:
        yield _row(labels[place], counts[place], width)
    if len(labels) > len(shown):
        yield f"({len(labels) - len(shown)} more classes)"
    yield _row("all classes", tuple(map(sum, zip(*counts, strict=True))), width)


def doubts(labels: Sequence[str], train: Split, validation: Split) -> Iterator[str]:
    """Say where the classes are so uneven, or so small, that accuracies mislead."""
    learned, validated = _counts(train, labels), _counts(validation, labels)
    most, least = max(learned), min(learned)
    if most > _UNEVEN * least:
        yield (
            f"class {labels[learned.index(most)]!r} has {most:,} training images, "
            f"{labels[learned.index(least)]!r} {least:,}: a network may neglect the small classes; "
            "look at the accuracy per class"
        )
    few = [f"{name!r} {n}" for name, n in zip(labels, validated, strict=True) if n < _FEW]
    if few:
        yield (
            f"fewer than {_FEW} validation images in {len(few)} of {len(labels)} classes "
            f"({shortened(few, 5)}): accuracies and layer weights are rough; add images, or raise "
            "validation_fraction"
        )


def _counts(split: Split, labels: Sequence[str]) -> list[int]:
    counts: list[int] = torch.bincount(split.labels, minlength=len(labels)).tolist()
    return counts


def _row(name: str, counts: Sequence[object], width: int) -> str:
    return f"{name:<{width}}" + "".join(
        f" {count:>10,}" if isinstance(count, int) else f" {count:>10}" for count in counts
    )
