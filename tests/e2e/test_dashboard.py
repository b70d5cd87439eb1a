"""The dashboard, held against the schema that Grafana's makers generate for Python."""

import enum
import json
import types
import typing
from typing import Any

import pytest

from benchmarks.dashboard import dashboard

pytest.importorskip("grafana_foundation_sdk", reason="the schema is not installed here")

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

register_default_plugins()


def faults(  # noqa: PLR0911  one end for each kind of type
    value: Any, hint: Any, at: str = "dashboard"
) -> list[str]:
    """List where a value is not of the type that the schema says."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (Any, object) or type(hint).__name__ == "_ProtocolMeta":
        return nested(value, at) if hasattr(value, "to_json") else []
    if origin in (typing.Union, types.UnionType):
        found = [faults(value, each, at) for each in arguments]
        return min(found, key=len)
    if origin is typing.Literal:
        return [] if value in arguments else [f"{at}: {value!r} is none of {arguments}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{at}: {value!r} is no list"]
        return [f for i, each in enumerate(value) for f in faults(each, arguments[0], f"{at}[{i}]")]
    if origin is dict:
        return [] if isinstance(value, dict) else [f"{at}: {value!r} is no object"]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return [] if value in [each.value for each in hint] else [f"{at}: {value!r}, not {hint}"]
    if hint is float and type(value) is int:
        return []
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        return [f"{at}: {value!r} is no {hint.__name__}"]
    return nested(value, at) if hasattr(value, "to_json") else []


def nested(value: Any, at: str) -> list[str]:
    """List the faults of an object's fields."""
    hints = typing.get_type_hints(type(value))
    return [
        fault
        for name, hint in hints.items()
        for fault in faults(getattr(value, name), hint, f"{at}.{name}")
    ]


def lost(given: Any, kept: Any, at: str = "dashboard") -> list[str]:
    """List what the schema does not know: it is missing when what was read is written again."""
    if isinstance(given, dict):
        unknown = [f"{at}.{name}" for name in given if name not in kept]
        return unknown + [
            f for n in given if n in kept for f in lost(given[n], kept[n], f"{at}.{n}")
        ]
    if isinstance(given, list):
        pairs = zip(given, kept, strict=True)
        return [f for i, pair in enumerate(pairs) for f in lost(*pair, f"{at}[{i}]")]
    return [] if given == kept else [f"{at}: {given!r} became {kept!r}"]


def checked(found: dict[str, Any]) -> list[str]:
    """Read a dashboard by the schema; list what is wrong or unknown."""
    read = Dashboard.from_json(found)
    written = json.loads(JSONEncoder().encode(read))
    return nested(read, "dashboard") + lost(found, written)


def test_the_dashboard_follows_the_schema() -> None:
    """Every field is known, and of the right type; identifiers are there once."""
    found = dashboard()
    numbers = [panel["id"] for panel in found["panels"]]

    assert checked(found) == []
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d.update(refresh=10), "dashboard.refresh: 10 is no"),
        (lambda d: d["panels"][1].update(titel="x"), "dashboard.panels[1].titel"),
        (lambda d: d["panels"][1]["targets"][0].update(expr=1), ".expr: 1 is no str"),
        (lambda d: d["panels"][1]["options"].update(colorMode="loud"), "color_mode"),
        (lambda d: d["panels"][1]["gridPos"].update(w="4"), "w: '4' is no int"),
        (lambda d: d.update(graphTooltip=7), "graph_tooltip"),
    ],
)
def test_what_is_wrong_is_found(change: Any, fault: str) -> None:
    """A field of another type, one that is misspelt, a value that no panel knows."""
    found = dashboard()
    change(found)

    assert any(fault in each for each in checked(found)), checked(found)


def test_panels_do_not_overlap() -> None:
    """Each place of the grid belongs to one panel."""
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        grid = panel["gridPos"]
        columns = range(grid["x"], grid["x"] + grid["w"])
        places = {(x, grid["y"] + y) for x in columns for y in range(grid["h"])}
        assert not taken & places, panel["title"]
        assert max(columns) < 24
        taken |= places
