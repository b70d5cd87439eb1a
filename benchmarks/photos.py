"""A folder of photos: our training from scratch and from trained layers, and a plain CNN.

    python -m benchmarks.photos folder:PATH --fit '--from cifar10/4 --freeze 2' --fit '--epochs 20'

Everything runs on one thread, one after the other, and is judged once on the same test images. The
plain CNN is what a tutorial would write: three convolutions with batch norm and pooling, the mean
over positions, a linear layer, trained by backpropagation with Adam. CPU seconds are those of
its steps alone, and of our whole command: reading, testing and the report too, though not of what
other processes decode.
"""

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from torch import Tensor, nn

from training.command_line import app
from training.data.augment import Augmentation
from training.data.dataset import Split
from training.data.load import load_dataset
from training.data.split import split_validation
from training.fit.batches import Batches
from training.results.run import Run
from training.settings.load import load_settings

_BATCH, _RATE, _DECAY = 64, 0.003, 1e-4
_AT_ONCE = 250


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each way to train; return the exit status."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    print("| trained | seed | test accuracy | n | CPU s |\n| --- | --- | --- | --- | --- |")
    for seed in options.seeds:
        for epochs in options.cnn_epochs:
            row = plain_cnn(options.data, options.image_size, epochs, seed)
            _say(f"plain CNN, {epochs} epochs, {options.image_size} pixels", seed, row)
        for flags in options.fit:
            _say(f"`fit {flags}`", seed, fitted(options.data, flags, seed))
    return 0


def plain_cnn(data: str, image_size: int, epochs: int, seed: int) -> tuple[float, int, float]:
    """Train by backpropagation; give test accuracy, n and CPU seconds."""
    settings = load_settings({"data": data, "image_size": image_size, "seed": seed})
    dataset = load_dataset(settings.data, seed)
    train, _ = split_validation(dataset, settings.data.validation_fraction, seed)
    torch.manual_seed(seed)
    network = _cnn(len(dataset.labels))
    began = time.process_time()
    batches = Batches(train, _BATCH, seed, Augmentation(padding=4, flip=True))
    _train(network, batches, epochs)
    seconds = time.process_time() - began
    return _accuracy(network, dataset.test), len(dataset.test), seconds


def fitted(data: str, flags: str, seed: int) -> tuple[float, int, float]:
    """Train with goodserve; give test accuracy, n and CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        fixed = ["--run", str(run), "--seed", str(seed), "--threads", "1", "--quiet"]
        began = time.process_time()
        app(["fit", data, *shlex.split(flags), *fixed])
        seconds = time.process_time() - began
        report = Run(run).load_model().report
    return report.test.accuracy, report.test.n, seconds


def _cnn(num_classes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for taken, given in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(taken, given, 3, padding=1), nn.BatchNorm2d(given), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, num_classes)
    )


def _train(network: nn.Module, batches: Batches, epochs: int) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _RATE, total_steps=epochs * batches.steps
    )
    for epoch in range(epochs):
        for step, indices in enumerate(batches.order(epoch)):
            batch = batches.augmented(indices, epoch, step)
            loss = F.cross_entropy(network(_pixels(batch.images)), batch.labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


@torch.no_grad()
def _accuracy(network: nn.Module, split: Split) -> float:
    network.eval()
    right = 0
    for part in split.parts(_AT_ONCE):
        right += int((network(_pixels(part.images)).argmax(1) == part.labels).sum())
    return right / len(split)


def _pixels(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float().div(127.5).sub(1)


def _say(trained: str, seed: int, row: tuple[float, int, float]) -> None:
    accuracy, n, seconds = row
    print(f"| {trained} | {seed} | {accuracy:.2%} | {n:,} | {seconds:.0f} |", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.photos", description=__doc__)
    parser.add_argument("data", help="folder:PATH, csv:FILE or jsonl:FILE")
    parser.add_argument("--fit", action="append", default=[], help="flags of one training")
    parser.add_argument("--image-size", type=int, default=64, help="side for the plain CNN")
    parser.add_argument("--cnn-epochs", type=int, nargs="*", default=[20])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    return parser


if __name__ == "__main__":
    sys.exit(main())
