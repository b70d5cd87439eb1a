"""Single images with what the network says of them, and which layer says how much."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.results.answers import RunAnswers
from training.results.examples import Examples, Kind
from training.results.html.heat import png
from training.results.html.overlay import Overlay, overlay

_OF_A_CLASS: tuple[Kind, ...] = ("typical", "wrong", "unsure", "unfamiliar")


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
class Parts:
    """The score of one class, taken apart.

    Attributes:
        name: of the class.
        bars: contributions, first layer first.
        overlay: the evidence by position; None where there is none.
    """

    name: str
    bars: tuple[Bar, ...]
    overlay: Overlay | None


@dataclass(frozen=True)
class Card:
    """One image.

    Attributes:
        picture: a `data:` address.
        label: what it is.
        answer: what the network says it is.
        probability: of the answer.
        familiarity: which percentage of the validation images is less familiar; None in older
            runs.
        for_answer: the parts of the answer's score.
        for_label: of the label's score; None where the answer is right.
    """

    picture: str
    label: str
    answer: str
    probability: float
    familiarity: float | None
    for_answer: Parts
    for_label: Parts | None


@dataclass(frozen=True)
class Gallery:
    """All cards.

    Attributes:
        mistakes: the surest first.
        classes: for each class that is shown its name, and its images by kind.
        has_evidence: whether the cards show evidence by position.
        has_familiarity: whether they say how familiar the images are.
    """

    mistakes: tuple[Card, ...]
    classes: tuple[tuple[str, dict[Kind, tuple[Card, ...]]], ...]
    has_evidence: bool
    has_familiarity: bool


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
    cards = [_card(words, examples, row, p, int(truth[row])) for row, p in enumerate(probabilities)]

    def chosen(kind: Kind, k: int) -> tuple[Card, ...]:
        return tuple(cards[row] for row in examples.of(kind) if truth[row] == k)

    groups = [
        (name, {kind: found for kind in _OF_A_CLASS if (found := chosen(kind, k))})
        for k, name in enumerate(labels)
    ]
    return Gallery(
        mistakes=tuple(cards[row] for row in examples.of("mistake")),
        classes=tuple(each for each in groups if each[1]),
        has_evidence=examples.evidence is not None,
        has_familiarity=examples.familiarity is not None,
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
    examples: Examples,
    row: int,
    probabilities: NDArray[np.float32],
    label: int,
) -> Card:
    answer = int(probabilities.argmax())

    def parts(k: int, number: int) -> Parts:
        maps, picture = examples.evidence, examples.pictures[row]
        return Parts(
            name=words.labels[k],
            bars=words.bars(examples.contributions[row][:, k]),
            overlay=None if maps is None else overlay(picture, maps[row, number]),
        )

    return Card(
        picture=png(examples.pictures[row]),
        label=words.labels[label],
        answer=words.labels[answer],
        probability=float(probabilities[answer]),
        familiarity=None if examples.familiarity is None else float(examples.familiarity[row]),
        for_answer=parts(answer, 0),
        for_label=None if answer == label else parts(label, 1),
    )
