"""Whether a new version may take the place of the one that serves without anybody saying so."""

from model.artifact.manifest import Manifest

# Of the accuracies' difference: two standard errors of it are chance.
_STANDARD_ERRORS = 2.0


def objection(new: Manifest, old: Manifest) -> str | None:
    """Say what callers of the active version would not expect of the new one.

    Args:
        new: the version that was published.
        old: the version that is active under the same name.

    Returns:
        None where the classes are the same and the new one is not measurably less accurate.
    """
    if new.labels != old.labels:
        gone = [label for label in old.labels if label not in new.labels]
        come = [label for label in new.labels if label not in old.labels]
        named = [*(f"without {label}" for label in gone), *(f"with {label}" for label in come)]
        return f"it has other classes ({', '.join(named[:5]) or 'in another order'})"
    if new.accuracy is None or old.accuracy is None:
        return None
    one, other = new.accuracy, old.accuracy
    variance = one.value * (1 - one.value) / one.n + other.value * (1 - other.value) / other.n
    if other.value - one.value > _STANDARD_ERRORS * variance**0.5:
        return (
            f"it is less accurate ({one.value:.2%}, n = {one.n}; the active one {other.value:.2%}, "
            f"n = {other.n})"
        )
    return None
