"""The strongest channels of each class, with the patches that they respond to."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from training.results.answers import RunAnswers
from training.results.html.heat import png


@dataclass(frozen=True)
class Patch:
    """What a channel responds to.

    Attributes:
        picture: a `data:` address.
        label: of the image that it is cut from.
    """

    picture: str
    label: str


@dataclass(frozen=True)
class ChannelCard:
    """One channel of one class.

    Attributes:
        layer: its name.
        channel: from 0.
        share: of the class in its assignment, 0 to 1.
        weight: in the class's score.
        field: pixels to a side of what a position sees.
        patches: the strongest response first; none of a channel that is never active.
        own: how many of them are of the class.
    """

    layer: str
    channel: int
    share: float
    weight: float
    field: int
    patches: tuple[Patch, ...]
    own: int


def channel_groups(
    answers: RunAnswers, labels: Sequence[str], layers: Sequence[str]
) -> tuple[tuple[str, tuple[ChannelCard, ...]], ...]:
    """Give each class's name with its strongest channels; nothing in older runs."""
    kept = answers.channels
    if kept is None:
        return ()
    cards = []
    for q, k in enumerate(kept.classes.tolist()):
        is_active = kept.responses[q] > 0
        truth = answers.validation.labels[kept.places[q][is_active]].tolist()
        side = int(kept.sides[q])
        cut = kept.patches[q][is_active][:, :side, :side]
        card = ChannelCard(
            layer=layers[kept.layers[q]],
            channel=int(kept.channels[q]),
            share=float(kept.shares[q]),
            weight=float(kept.weights[q]),
            field=int(kept.fields[q]),
            patches=tuple(Patch(png(p), labels[t]) for p, t in zip(cut, truth, strict=True)),
            own=truth.count(k),
        )
        cards.append((k, card))
    groups = groupby(cards, key=lambda each: each[0])
    return tuple((labels[k], tuple(card for _, card in group)) for k, group in groups)
