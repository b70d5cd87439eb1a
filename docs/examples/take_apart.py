#!/usr/bin/env python3
"""Take the scores of a trained network apart: by layer, by channel and by position.

python take_apart.py tour/runs/first tour/unseen/disc/0.png
"""

import sys
from pathlib import Path

import torch
from PIL import Image

from model.artifact.image import to_pixels
from model.network.parts import channel_contributions, position_contributions
from training.results.run import Run


def main(run: Path, picture: Path) -> None:
    """Print which layer, channel and position speaks most for the class of a picture."""
    trained = Run(run).load_model()
    network, labels = trained.network, trained.report.labels
    with Image.open(picture) as image:
        pixels = to_pixels(image, network.spec.image_height, network.spec.image_width)
    images = torch.from_numpy(pixels)[None]  # (N, H, W, 3), uint8
    with torch.inference_mode():
        scores, probabilities, contributions = network(images)  # (N, K), (N, K), (N, L, K)
        channels = channel_contributions(network, images)  # L tensors (N, C_l, R_l, R_l, K)
        positions = position_contributions(network, images)  # L tensors (N, H_l, W_l, K)
    found = int(scores[0].argmax())
    print(f"{labels[found]}, probability {probabilities[0, found]:.3f}")
    for number, layer in enumerate(trained.report.layers):
        part = contributions[0, number, found]
        by_channel = channels[number][0, ..., found].sum((1, 2))
        by_position = positions[number][0, ..., found]
        # Three ways to add up the same number; float32 rounds each a little otherwise.
        torch.testing.assert_close(by_channel.sum(), part, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(by_position.sum(), part, rtol=1e-4, atol=1e-4)
        channel = int(by_channel.argmax())
        row, column = divmod(int(by_position.argmax()), by_position.shape[1])
        print(
            f"{layer.name}: contribution {part:+.3f}, most of it from channel {channel} "
            f"({by_channel[channel]:+.3f}) and from position {row}, {column} "
            f"of {by_position.shape[0]} x {by_position.shape[1]} ({by_position[row, column]:+.3f})"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
