"""Rules of a trial: who is drawn for it, and when it has failed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.artifact.labels import Canary
from model.artifact.version import VersionId
from service.predict.trial import ENOUGH, Tally, Trial, is_drawn, lower_bound, verdict

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def trial(percent: float = 10, version: str = "2") -> Trial:
    """Try a version on a tenth of the requests."""
    canary = Canary(version=version, percent=percent, max_disagreement=0.05, since=SINCE)
    return Trial(VersionId("colours", version), canary, Tally())


@given(key=st.binary(max_size=40), chances=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)))
def test_a_key_always_draws_the_same(key: bytes, chances: tuple[float, float]) -> None:
    """Chance has no part in it."""
    first, second = (is_drawn(trial(), key, chance) for chance in chances)

    assert first == second


def test_keys_draw_the_share_that_was_asked() -> None:
    """Of many callers a tenth is drawn, and for another version others are."""
    keys = [f"caller {n}".encode() for n in range(10_000)]

    drawn = {key for key in keys if is_drawn(trial(), key, 0)}
    for_another = {key for key in keys if is_drawn(trial(version="3"), key, 0)}

    assert 900 < len(drawn) < 1100
    assert len(drawn & for_another) < 200


@pytest.mark.parametrize(("percent", "expected"), [(0, 0), (25, 25), (100, 100)])
def test_without_a_key_chance_draws(percent: float, expected: int) -> None:
    """Of a hundred equally spaced chances so many are under the share."""
    drawn = [is_drawn(trial(percent), None, n / 100) for n in range(100)]

    assert sum(drawn) == expected


def test_a_trial_fails_by_its_failures() -> None:
    """One failure of many is under the limit of one in a hundred, many are not."""
    canary = trial().canary

    assert verdict(canary, Tally(ran=200, failed=1)) is None
    assert verdict(canary, Tally(ran=ENOUGH, failed=10)) == (
        f"10 of {ENOUGH} requests failed by its own fault, the limit is 1.0%"
    )


def test_a_trial_fails_by_its_disagreement() -> None:
    """A rate near the limit may be chance, one far beyond it is not."""
    canary = trial().canary

    assert verdict(canary, Tally(compared=100, differed=7)) is None
    assert verdict(canary, Tally(compared=100, differed=20)) == (
        "it names another class than the active version on 20 of 100 images, the limit is 5.0%"
    )
    any_disagreement = canary.model_copy(update={"max_disagreement": None})
    assert verdict(any_disagreement, Tally(compared=100, differed=100)) is None


def test_a_few_outcomes_are_no_verdict() -> None:
    """However bad they are."""
    few = ENOUGH - 1

    assert verdict(trial().canary, Tally(few, few, few, few)) is None


@given(n=st.integers(1, 5000), data=st.data())
def test_the_lower_bound_is_under_the_rate(n: int, data: st.DataObject) -> None:
    """It lies between nothing and what was seen, and rises with it."""
    count = data.draw(st.integers(0, n))

    low = lower_bound(count, n)

    assert 0 <= low <= count / n
    if count < n:
        assert low <= lower_bound(count + 1, n)
