"""All settings of one run, composed of their sections, and their flat names."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from training.settings.data import DataSettings
from training.settings.section import Section, merged
from training.settings.sections import (
    NetworkSettings,
    ObjectiveSettings,
    OptimiserSettings,
    RunSettings,
)


class FitSettings(Section):
    """Everything that decides what a run learns: validated once, stored with the run."""

    data: DataSettings
    network: NetworkSettings = NetworkSettings()
    objective: ObjectiveSettings = ObjectiveSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    run: RunSettings = RunSettings()
    preset: str | None = Field(None, description="the preset below these settings, if any")

    # Rules over several fields stand here, not in the sections: the command line validates a
    # section by the flags alone, before the file's values are known.
    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "FitSettings":
        widths = self.network.widths
        beyond = [layer for layer in self.network.pooled_layers if layer > len(widths)]
        if beyond:
            message = f"pool_before names layers {beyond}, but widths has {len(widths)}: name both"
            raise ValueError(message)
        of_each = {
            "convolutions": len(self.network.convolutions),
            "freeze_after": len(self.optimiser.freeze_after),
        }
        for name, count in of_each.items():
            if count > len(widths):
                message = f"{name} names {count} layers, but widths has {len(widths)}: name both"
                raise ValueError(message)
        if self.optimiser.freeze >= len(widths):
            message = (
                f"freeze {self.optimiser.freeze} leaves none of the {len(widths)} layers to learn"
            )
            raise ValueError(message)
        if self.optimiser.epochs == 0 and self.optimiser.time is None:
            message = "epochs: 0 sets no limit, so name a time, or at least 1 epoch"
            raise ValueError(message)
        limit, batch_size = self.data.limit_train, self.optimiser.batch_size
        if limit is not None and limit < 2 * batch_size:
            message = (
                f"limit_train {limit} is under two batches of {batch_size}; "
                "raise it or lower batch_size"
            )
            raise ValueError(message)
        return self


# No name is in two sections (a test checks), so that every one of them can be a flag.
_SECTION_OF = {
    field: section
    for section, model in (
        ("data", DataSettings),
        ("network", NetworkSettings),
        ("objective", ObjectiveSettings),
        ("optimiser", OptimiserSettings),
        ("run", RunSettings),
    )
    for field in model.model_fields
    if field != "terms"
}
_REGULARISERS = ("entropy", "orthogonality")
_SHORT_WEIGHTS = {f"{term}_weight": term for term in (*_REGULARISERS, "similarity")}


def flat(settings: FitSettings) -> dict[str, Any]:
    """Name every setting without its section, as the flags do.

    Returns:
        JSON values by flat name; `data` is the source, each term of the objective gives
        `<term>_weight` and `<term>_warmup`, and `preset` is there if there is one.
    """
    sections = settings.model_dump(mode="json")
    named = {name: sections[section][name] for name, section in _SECTION_OF.items()}
    for term, values in sections["objective"]["terms"].items():
        named |= {f"{term}_{key}": value for key, value in values.items()}
    preset = {"preset": settings.preset} if settings.preset is not None else {}
    return {"data": named.pop("source")} | preset | named


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Put flat names into their sections; sections and unknown names stay as they are."""
    sections: dict[str, Any] = {}
    for name, value in values.items():
        sections = merged(sections, _placed(name, value))
    return sections


def _placed(name: str, value: object) -> dict[str, Any]:
    """Say where a flat name belongs."""
    if name == "data" and isinstance(value, str):
        return {"data": {"source": value}}
    if name in _SECTION_OF:
        return {_SECTION_OF[name]: {name: value}}
    if name == "regulariser_warmup":
        return {"objective": {"terms": {term: {"warmup": value} for term in _REGULARISERS}}}
    if name in _SHORT_WEIGHTS:
        return {"objective": {"terms": {_SHORT_WEIGHTS[name]: {"weight": value}}}}
    return {name: value}
