"""The channels that speak loudest for a class, and the patches of images that they respond to.

Axes: N images of the split, Q rows (a class with one of its channels), T patches, S their side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from model.network.evidence import channel_assignment, channel_weights
from model.network.field import Field, receptive_fields
from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Split

_BATCH = 250
# More images hardly show stronger responses, and each costs a pass through the network.
_MOST_IMAGES = 5_000
_FEW_CLASSES = 20
_CHANNELS, _PATCHES = 4, 6
_CHANNELS_OF_MANY, _PATCHES_OF_MANY = 3, 4
_LARGEST_SIDE = 32
_OUTSIDE = 128


@dataclass(frozen=True)
class Channels:
    """The strongest channels of some classes.

    Attributes:
        classes: `(Q,)`, int64, in ascending order; of a class the strongest channel first.
        layers: `(Q,)`, int64, from 0.
        channels: `(Q,)`, int64, in their layer, from 0.
        shares: `(Q,)`, float32, the class's share in the channel's assignment, 0 to 1: the mean
            over its regions.
        weights: `(Q,)`, float32, what the class's score gains where all regions of the channel
            are one standard deviation more active than usual (where the readout does not
            standardise: by 1).
        fields: `(Q,)`, int64, pixels to a side of what one position sees.
        sides: `(Q,)`, int64, of the patches as they are kept, at most 32.
        patches: `(Q, T, S, S, 3)`, uint8, the upper left `sides` are used; grey is outside of
            the image. The strongest response comes first, and each is of another image.
        responses: `(Q, T)`, float32, the activity at the patch's middle; 0: there was none.
        places: `(Q, T)`, int64, of the image in the validation split.
    """

    classes: NDArray[np.int64]
    layers: NDArray[np.int64]
    channels: NDArray[np.int64]
    shares: NDArray[np.float32]
    weights: NDArray[np.float32]
    fields: NDArray[np.int64]
    sides: NDArray[np.int64]
    patches: NDArray[np.uint8]
    responses: NDArray[np.float32]
    places: NDArray[np.int64]


class Strong(NamedTuple):
    """A class and one of its strongest channels; see `Channels`."""

    class_: int
    layer: int
    channel: int
    share: float
    weight: float


class Responses(NamedTuple):
    """Where some channels of one layer respond most, a column for each channel.

    Attributes:
        activity: `(T, C)`, float32, falling.
        images: `(T, C)`, int64, different ones in a column.
        rows: `(T, C)`, int64, of the position.
        columns: `(T, C)`, int64, of the position.
    """

    activity: Tensor
    images: Tensor
    rows: Tensor
    columns: Tensor


def channels_of(network: ForwardForwardNetwork, split: Split, classes: Sequence[int]) -> Channels:
    """Find the strongest channels of some classes, and what they respond to.

    Args:
        network: calibrated, in evaluation mode, on the CPU.
        split: at most 5,000 images of it, evenly spaced, are looked at.
        classes: in ascending order; with more than 20 of them, less of each is kept.
    """
    is_few = len(classes) <= _FEW_CLASSES
    strong = strongest(network, classes, _CHANNELS if is_few else _CHANNELS_OF_MANY)
    looked_at = torch.linspace(0, len(split) - 1, min(len(split), _MOST_IMAGES)).round().long()
    count = _PATCHES if is_few else _PATCHES_OF_MANY
    wanted: dict[int, list[int]] = {}
    for each in strong:
        wanted.setdefault(each.layer, []).append(each.channel)
    seen = responses(network, split.take(looked_at), wanted, count)
    columns = [_column(seen[e.layer], wanted[e.layer].index(e.channel)) for e in strong]
    fields = [receptive_fields(network.spec)[each.layer] for each in strong]
    sides = [min(field.size, _LARGEST_SIDE) for field in fields]
    places = np.stack([looked_at[column.images].numpy() for column in columns])
    patches = np.zeros((*places.shape, max(sides), max(sides), 3), np.uint8)
    for q, (column, field, side) in enumerate(zip(columns, fields, sides, strict=True)):
        images = split.take(torch.from_numpy(places[q])).images.numpy()
        for t, image in enumerate(images):
            cut = patch(image, field, (int(column.rows[t]), int(column.columns[t])))
            patches[q, t, :side, :side] = _shrunk(cut, side)
    return Channels(
        classes=np.array([each.class_ for each in strong]),
        layers=np.array([each.layer for each in strong]),
        channels=np.array([each.channel for each in strong]),
        shares=np.array([each.share for each in strong], np.float32),
        weights=np.array([each.weight for each in strong], np.float32),
        fields=np.array([field.size for field in fields]),
        sides=np.array(sides),
        patches=patches,
        responses=np.stack([column.activity.numpy() for column in columns]),
        places=places,
    )


def strongest(network: ForwardForwardNetwork, classes: Sequence[int], count: int) -> list[Strong]:
    """Give the channels with the largest weight in each class's score, over all layers."""
    weights, shares = channel_weights(network), channel_assignment(network)
    sizes = [block.spec.channels for block in network.layers()]
    where = [(layer, c) for layer, size in enumerate(sizes) for c in range(size)]
    found = []
    for k in classes:
        rows: list[int] = weights[:, k].topk(min(count, len(weights))).indices.tolist()
        for row in rows:
            layer, channel = where[row]
            found.append(Strong(k, layer, channel, shares[row, k].item(), weights[row, k].item()))
    return found


def responses(
    network: ForwardForwardNetwork, split: Split, wanted: Mapping[int, Sequence[int]], count: int
) -> dict[int, Responses]:
    """Find, for some channels of some layers, the images to which they respond most.

    Args:
        network: in evaluation mode, on the CPU.
        split: the images.
        wanted: the channels of each layer, from 0.
        count: images for each channel, as far as there are that many.
    """
    found: dict[int, Responses] = {}
    for number, part in enumerate(split.passes(_BATCH)):
        with torch.no_grad():
            # No layer is run behind the last one that is asked for.
            for layer, (_, activity) in enumerate(
                islice(network.activities(part.images), max(wanted) + 1)
            ):
                if layer in wanted:
                    here = _peaks(
                        activity[:, list(wanted[layer])].float(), number * split.at_once(_BATCH)
                    )
                    found[layer] = _best([found[layer], here] if layer in found else [here], count)
    return found


def patch(image: NDArray[np.uint8], field: Field, position: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut out of `(H, W, 3)` pixels what a position sees; grey is outside of the image."""
    size = field.size
    cut = np.full((size, size, 3), _OUTSIDE, np.uint8)
    top, left = (field.first(each) for each in position)
    inside = image[max(top, 0) : top + size, max(left, 0) : left + size]
    down, across = max(-top, 0), max(-left, 0)
    cut[down : down + inside.shape[0], across : across + inside.shape[1]] = inside
    return cut


def _shrunk(cut: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if len(cut) == side:
        return cut
    return np.asarray(Image.fromarray(cut).resize((side, side), Image.Resampling.BOX))


def _peaks(activity: Tensor, first: int) -> Responses:
    """Find the strongest position of each image, which are numbered from `first` on."""
    peaks, places = activity.flatten(2).max(2)
    images = torch.arange(first, first + len(activity))[:, None].expand_as(places)
    width = activity.shape[-1]
    return Responses(peaks, images, places // width, places % width)


def _best(parts: Sequence[Responses], count: int) -> Responses:
    joined = Responses(*map(torch.cat, zip(*parts, strict=True)))
    order = joined.activity.topk(min(count, len(joined.activity)), dim=0).indices
    return Responses(*(each.gather(0, order) for each in joined))


def _column(found: Responses, number: int) -> Responses:
    return Responses(*(each[:, number] for each in found))
