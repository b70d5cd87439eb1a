"""Classes as callers name them: lists with commas, of labels that may have commas themselves."""

from collections.abc import Callable, Sequence

from service.errors import UnprocessableError

_MOST_TOLD = 20
_PAIR = 2


def places_of(values: Sequence[str], labels: tuple[str, ...]) -> list[int]:
    """Give the places of the classes that lists with commas name.

    Args:
        values: each a label, or several with commas between.
        labels: the K classes.

    Raises:
        UnprocessableError: one is unknown.
    """
    place = _place_in(labels)
    return [place(label) for value in values for label in _taken_apart(value, labels)]


def pair_of(values: Sequence[str], labels: tuple[str, ...]) -> tuple[int, int] | None:
    """Give the places of two classes that are to be told apart; None where none are named.

    Args:
        values: two labels, or one text `A,B`.
        labels: the K classes.

    Raises:
        UnprocessableError: one is unknown, they are not two, or the text can be read in two ways.
    """
    if not values:
        return None
    found = list(values) if len(values) == _PAIR else _halves(values, labels)
    if len(found) != _PAIR or found[0] == found[1]:
        detail = "contrast takes two classes: contrast=A,B, or contrast=A&contrast=B"
        raise UnprocessableError("bad-contrast", detail)
    place = _place_in(labels)
    return place(found[0]), place(found[1])


def _halves(values: Sequence[str], labels: tuple[str, ...]) -> list[str]:
    """Cut `A,B` at the comma that has a label on both sides."""
    known, text = _stripped(labels), values[0].strip() if len(values) == 1 else ""
    fitting = []
    for label in known:
        # Not every comma is tried: of a text of many that would copy it as often.
        rest = text[len(label) :].lstrip() if text.startswith(label) else ""
        if rest.startswith(",") and rest[1:].strip() in known:
            fitting.append([label, rest[1:].strip()])
    if len(fitting) > 1:
        detail = "contrast can be read in several ways; write contrast=A&contrast=B"
        raise UnprocessableError("bad-contrast", detail)
    return fitting[0] if fitting else _taken_apart(text, labels)


def _taken_apart(text: str, labels: tuple[str, ...]) -> list[str]:
    """Cut a list at its commas, but not inside a label; the longest label wins."""
    known = _stripped(labels)
    # So that a long list takes no longer than its length: no label has more commas.
    most = 1 + max(label.count(",") for label in labels)
    pieces = text.split(",") if text else []
    found, start = list[str](), 0
    while start < len(pieces):
        ends = range(min(len(pieces), start + most), start, -1)
        spans = {end: ",".join(pieces[start:end]).strip() for end in ends}
        end = next((end for end in ends if spans[end] in known), start + 1)
        found.append(spans[end])
        start = end
    return found


def _stripped(labels: tuple[str, ...]) -> set[str]:
    return {label.strip() for label in labels}


def _place_in(labels: tuple[str, ...]) -> Callable[[str], int]:
    """Give what finds a label's place."""
    places = {label.strip(): place for place, label in enumerate(labels)}

    def place(label: str) -> int:
        found = places.get(label.strip())
        if found is None:
            some = ", ".join(labels[:_MOST_TOLD]) + (", ..." if len(labels) > _MOST_TOLD else "")
            detail = f"there is no class {label[:50]!r}; there are {some}"
            raise UnprocessableError("unknown-class", detail)
        return found

    return place
