"""Which variants there are, and why one is left out."""

from typing import Any

import pytest

from tests.training.compare.settings import fit_settings
from training.compare.variants import BACKPROPAGATION, FULL, TWO, Plan, plan
from training.settings.fit import flat


def planned(**changes: Any) -> Plan:
    """Plan a comparison of a network with a shortcut."""
    return plan(fit_settings(**changes), (0.01, 0.02))


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("without entropy", {"entropy_weight"}),
        ("without orthogonality", {"orthogonality_weight"}),
        ("without similarity", {"similarity_weight"}),
        ("fixed partition", {"assignment"}),
        ("without shortcuts", {"shortcut"}),
        ("without freezing", {"freeze_after"}),
        (TWO, {"convolutions"}),
        (BACKPROPAGATION, {"freeze_after"}),
        (FULL, set()),
    ],
)
def test_a_variant_differs_in_one_thing(name: str, differs: set[str]) -> None:
    """Everything else, seed and budget included, is the full method's."""
    found = {variant.name: variant.settings for variant in planned().variants}

    full, other = flat(found[FULL]), flat(found[name])

    assert {key for key in full if full[key] != other[key]} == differs


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        ({"widths": (8, 12), "pool_before": (2,)}, "without shortcuts", "no layer has one"),
        ({"shortcut": False}, "without shortcuts", "no layer has one"),
        ({"freeze_after": ()}, "without freezing", "no layer stops early"),
        ({"assignment": "fixed"}, "fixed partition", "fixed already"),
        ({"convolutions": 2}, TWO, "has two already"),
        ({"convolutions": (1, 2)}, TWO, "has two already"),
        ({"entropy_weight": 0}, "without entropy", "0 already"),
    ],
)
def test_what_would_change_nothing_is_left_out(
    changes: dict[str, object], name: str, reason: str
) -> None:
    """The reason stands in the result."""
    found = planned(**changes)

    assert reason in found.left_out[name]
    assert name not in [variant.name for variant in found.variants]


def test_backpropagation_alone_has_rates_to_try() -> None:
    """The layer-local variants keep the rate of the full method."""
    rates = {variant.name: variant.rates for variant in planned().variants}

    assert rates.pop(BACKPROPAGATION) == (0.01, 0.02)
    assert set(rates.values()) == {()}
