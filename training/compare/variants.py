"""What is compared: the method as it is set, without each of its parts, and backpropagation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from model.network.spec import NetworkSpec
from training.settings.fit import FitSettings
from training.settings.section import merged
from training.settings.sections import NetworkSettings

Rule = Literal["local", "backpropagation"]

FULL, UNIFORM, BACKPROPAGATION = "full", "uniform layer weights", "backpropagation"
TWO = "two-convolution layers"
_TEACHING = "cross_entropy"


@dataclass(frozen=True)
class Variant:
    """One way to train the network.

    Attributes:
        name: in tables and files.
        rule: layer by layer, or end to end.
        settings: of its run.
        rates: peak learning rates to try at the whole budget; validation chooses.
    """

    name: str
    rule: Rule
    settings: FitSettings
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is run, and why something is not.

    Attributes:
        variants: in the order of the table.
        left_out: a reason by the variant's name.
    """

    variants: tuple[Variant, ...]
    left_out: Mapping[str, str]


def plan(settings: FitSettings, rates: tuple[float, ...]) -> Plan:
    """Derive every variant from the settings of the full method.

    Args:
        settings: of the full method.
        rates: for backpropagation, which has a best rate of its own.
    """
    without, left_out = [], {}
    for name, (change, reason) in _changes(settings).items():
        if reason:
            left_out[name] = reason
        else:
            without.append(Variant(name, "local", changed(settings, change)))
    plain = changed(settings, {"optimiser": {"freeze_after": ()}})
    end_to_end = Variant(BACKPROPAGATION, "backpropagation", plain, rates)
    return Plan((Variant(FULL, "local", settings), *without, end_to_end), left_out)


def changed(settings: FitSettings, change: Mapping[str, Any]) -> FitSettings:
    """Lay a change over settings, and validate the whole again."""
    return FitSettings.model_validate(merged(settings.model_dump(), change))


def has_shortcut(network: NetworkSettings) -> bool:
    """Tell whether some layer of a network adds its input to what it passes on."""
    side = 2 ** len(network.widths)  # of an image that can be halved before every layer
    spec = NetworkSpec(
        side,
        side,
        2,
        network.widths,
        network.pooled_layers,
        regions=1,
        shortcut=network.shortcut,
        assignment="learnable",
    )
    return any(block.has_shortcut for block in spec.blocks())


def _changes(settings: FitSettings) -> dict[str, tuple[dict[str, Any], str]]:
    """Give, by name, what each variant changes, and why that would change nothing, if so."""
    terms, network = settings.objective.terms, settings.network
    changes: dict[str, tuple[dict[str, Any], str]] = {}
    for term in (name for name in terms if name != _TEACHING):
        reason = "" if terms[term].weight else "its weight is 0 already"
        changes[f"without {term}"] = {"objective": {"terms": {term: {"weight": 0.0}}}}, reason
    is_fixed = network.assignment == "fixed"
    changes["fixed partition"] = (
        {"network": {"assignment": "fixed"}},
        "the assignment is fixed already" if is_fixed else "",
    )
    changes["without shortcuts"] = (
        {"network": {"shortcut": False}},
        "" if has_shortcut(network) else "no layer has one: none keeps the width within a stage",
    )
    changes[TWO] = (
        {"network": {"convolutions": (2,)}},
        "a layer has two already" if max(network.convolutions) > 1 else "",
    )
    is_learned, has_adam = network.stem == "learned", settings.optimiser.optimizer == "adamw"
    changes["learned stem"] = (
        {"network": {"stem": "learned"}},
        "the stem is learned already" if is_learned else "",
    )
    changes["AdamW"] = (
        {"optimiser": {"optimizer": "adamw"}},
        "AdamW moves the convolutions already" if has_adam else "",
    )
    stops = any(part < 1 for part in settings.optimiser.freeze_after)
    changes["without freezing"] = (
        {"optimiser": {"freeze_after": ()}},
        "" if stops else "no layer stops early",
    )
    return changes
