"""The changelog's form, and that every release has an upgrade note of the form that is promised."""

import re
import tomllib
from datetime import date

from tests.conftest import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
UPGRADING = (ROOT / "docs" / "upgrading.md").read_text()
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
PARTS = ["You must", "You may", "Stays", "Going back"]


def sections(text: str, heading: str) -> dict[str, str]:
    """Cut a text at its headings, `## ` for example; what stands before the first is left out."""
    _, *rest = re.split(rf"^{heading}", text, flags=re.MULTILINE)
    parts = [part.partition("\n") for part in rest]
    return {title: content for title, _, content in parts}


def releases() -> list[tuple[str, str]]:
    """List the changelog's releases, newest first, each with its date."""
    _, *titles = sections(CHANGELOG, "## ")
    found = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})", each) for each in titles]
    assert all(found), titles
    return [(match[1], match[2]) for match in found if match is not None]


def test_the_changelog_is_in_order() -> None:
    """Unreleased first, then releases by number and date, each with known kinds of changes."""
    titles = list(sections(CHANGELOG, "## "))
    numbers = [tuple(map(int, number.split("."))) for number, _ in releases()]
    days = [date.fromisoformat(day) for _, day in releases()]

    assert titles[0] == "[Unreleased]"
    assert numbers == sorted(set(numbers), reverse=True)
    assert days == sorted(days, reverse=True)
    for content in sections(CHANGELOG, "## ").values():
        kinds = list(sections(content, "### "))
        assert kinds == [kind for kind in KINDS if kind in kinds]


def test_a_list_of_the_changelog_is_one_list() -> None:
    """No blank line within a list: what is appended after one belongs elsewhere."""
    assert re.findall(r"\n\n- .*", re.sub(r"### \w+\n\n- ", "", CHANGELOG)) == []


def test_the_newest_release_is_the_projects_version() -> None:
    """What pyproject.toml calls itself is what was written up last."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert releases()[0][0] == project["version"]


def test_every_release_has_an_upgrade_note() -> None:
    """A note for each release, newest first, and in each the four parts, none of them empty."""
    notes = {
        title.removeprefix("To "): content
        for title, content in sections(UPGRADING, "## ").items()
        if title.startswith("To ")
    }

    assert list(notes) == [number for number, _ in releases()]
    for note in notes.values():
        parts = re.findall(r"^\*\*(.+)\*\*\n\n- ", note, re.MULTILINE)
        assert parts == PARTS
