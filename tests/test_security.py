"""docs/security.md names tests that exist and limits that hold."""

import re
from pathlib import Path

import pytest

from service.settings import Settings
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))


def section(title: str) -> list[list[str]]:
    """Give the rows of the table in a section, its head left out."""
    part = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    """As a function of that file."""
    file = Path(ROOT / path)

    assert file.exists()
    assert re.search(rf"^(async )?def {name}\(", file.read_text(), re.MULTILINE)


def test_every_threat_has_a_test() -> None:
    """What stands against it is shown, and not only said."""
    rows = section("Threats")

    assert len(rows) > 20
    assert [row[0] for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+`", row[2])] == []


def test_the_limits_are_those_of_the_settings() -> None:
    """Every setting that says what happens beyond it is in the table, with its default."""
    rows = {row[0].strip("`"): row[1] for row in section("Limits") if row[0].startswith("`--")}
    fields = Settings.model_fields
    bounding = {
        "--" + name.replace("_", "-")
        for name, field in fields.items()
        if "beyond" in (field.description or "")
    }

    assert bounding <= rows.keys()
    for flag, default in rows.items():
        field = fields[flag.removeprefix("--").replace("-", "_")]
        assert float(default) == field.default, flag
