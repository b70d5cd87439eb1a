"""Single images with what the network says of them, and which layer says how much."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.results.answers import RunAnswers
from training.results.examples import Kind
from training.results.html.heat import png


@dataclass(frozen=True)
class Bar:
    """What one layer contributes to the score of one class.

    Attributes:
        layer: its name.
        value: a part of the score.
        left: where the bar begins, in percent of the width; zero is at 50.
        width: of the bar, in percent.
    """

    layer: str
    value: float
    left: float
    width: float


@dataclass(frozen=True)
class Card:
    """One image.

    Attributes:
        picture: a `data:` address.
        label: what it is.
        answer: what the network says it is.
        probability: of the answer.
        for_answer: contributions to the answer's score, first layer first.
        for_label: to the label's score; empty where the answer is right.
    """

    picture: str
    label: str
    answer: str
    probability: float
    for_answer: tuple[Bar, ...]
    for_label: tuple[Bar, ...]


@dataclass(frozen=True)
class Gallery:
    """All cards.

    Attributes:
        mistakes: the surest first.
        classes: for each class that is shown its name, typical images, and least sure ones.
    """

    mistakes: tuple[Card, ...]
    classes: tuple[tuple[str, tuple[Card, ...], tuple[Card, ...]], ...]


def gallery(
    answers: RunAnswers, temperature: float, labels: Sequence[str], layers: Sequence[str]
) -> Gallery:
    """Arrange the examples of a run."""
    examples, split = answers.examples, answers.validation
    probabilities = split.probabilities(temperature)[examples.places]
    truth = split.labels[examples.places]
    # One scale for the whole page, so that bars can be compared from card to card.
    rows = np.arange(len(truth))[:, None]
    shown = np.stack([probabilities.argmax(1), truth], axis=1)
    largest = float(np.abs(examples.contributions.swapaxes(1, 2)[rows, shown]).max(initial=1e-9))
    words = _Words(tuple(labels), tuple(layers), largest)
    cards = [
        _card(words, picture, said, int(label), parts)
        for picture, said, label, parts in zip(
            examples.pictures, probabilities, truth, examples.contributions, strict=True
        )
    ]

    def chosen(kind: Kind, k: int) -> tuple[Card, ...]:
        return tuple(cards[row] for row in examples.of(kind) if truth[row] == k)

    groups = [(name, chosen("typical", k), chosen("unsure", k)) for k, name in enumerate(labels)]
    return Gallery(
        mistakes=tuple(cards[row] for row in examples.of("mistake")),
        classes=tuple(each for each in groups if each[1] or each[2]),
    )


@dataclass(frozen=True)
class _Words:
    """What all cards share: names, and the contribution that has the longest bar."""

    labels: tuple[str, ...]
    layers: tuple[str, ...]
    largest: float

    def bars(self, contributions: NDArray[np.float32]) -> tuple[Bar, ...]:
        bars = []
        for layer, value in zip(self.layers, contributions.tolist(), strict=True):
            width = 50 * abs(value) / self.largest
            bars.append(Bar(layer, value, 50 - width if value < 0 else 50.0, width))
        return tuple(bars)


def _card(
    words: _Words,
    picture: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    label: int,
    contributions: NDArray[np.float32],
) -> Card:
    answer = int(probabilities.argmax())
    return Card(
        picture=png(picture),
        label=words.labels[label],
        answer=words.labels[answer],
        probability=float(probabilities[answer]),
        for_answer=words.bars(contributions[:, answer]),
        for_label=() if answer == label else words.bars(contributions[:, label]),
    )
