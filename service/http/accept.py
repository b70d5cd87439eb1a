"""Which of the media types on offer a caller likes best, by its Accept header."""

import re
from collections.abc import Sequence

# What stands between commas; a comma inside quotes parts nothing.
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')


def preferred(accept: str, offers: Sequence[str]) -> str:
    """Choose one of the offers (RFC 9110, 12.5.1).

    Parameters of a media type other than its weight are passed over, and so are elements that are
    malformed.

    Args:
        accept: the header's value; empty: anything will do.
        offers: media types in lower case, ours first.

    Returns:
        The offer with the highest weight, of equal ones the first; the first one, too, if none is
        wanted.
    """
    weights = _weights(accept)
    return max(offers, key=lambda offer: _weight(weights, offer))


def _weights(accept: str) -> dict[str, float]:
    """Read the weight of each media range, 0 to 1."""
    weights: dict[str, float] = {}
    for element in _ELEMENT.findall(accept.lower()):
        media, *parameters = (part.strip() for part in element.split(";"))
        weight = _quality(parameters)
        if weight is not None:
            weights[media] = max(weight, weights.get(media, 0.0))
    return weights


def _quality(parameters: Sequence[str]) -> float | None:
    """Read the weight among the parameters, 1 if there is none; None: it is malformed."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return None
            return weight if 0 <= weight <= 1 else None
    return 1.0


def _weight(weights: dict[str, float], offer: str) -> float:
    """Give the weight of an offer: that of the range which names it most closely."""
    kind = offer.partition("/")[0]
    return next((weights[each] for each in (offer, f"{kind}/*", "*/*") if each in weights), 0.0)
