"""`goodserve models`: the repository from the shell."""

from pathlib import Path

import pytest

from model.artifact.manifest import Manifest
from model.artifact.repository import ModelRepository
from service.__main__ import main
from tests.model.artifact.tiny import tiny_model, tiny_stages
from tests.service.models import filled_repository
from tests.trained import SmallModel


@pytest.fixture
def repository(small_models: list[SmallModel], tmp_path: Path) -> ModelRepository:
    """Fill a repository with three versions."""
    return filled_repository(tmp_path, small_models)


def models(repository: ModelRepository, *arguments: str) -> int:
    """Run `goodserve models`."""
    return main(["models", arguments[0], "--repository", str(repository.root), *arguments[1:]])


def test_list_marks_the_active_version(
    repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line per version, an asterisk before the active one, broken ones named."""
    (repository.root / "colours" / "3" / "manifest.json").unlink()

    assert models(repository, "list") == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line[:11] for line in lines] == ["* colours/1", "  colours/2", "  colours/3"]
    assert "3 classes" in lines[0]
    assert "(n = " in lines[0]
    assert "broken: colours/3 is incomplete" in lines[2]


def test_show_prints_the_manifest(
    repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON, without the golden pictures."""
    assert models(repository, "show", "colours/2") == 0

    printed = capsys.readouterr().out
    assert '"labels"' in printed
    assert "golden" not in printed


def test_activate_and_rollback(
    repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both say what is active afterwards."""
    assert models(repository, "activate", "colours/2") == 0
    assert str(repository.active()) == "colours/2"
    assert models(repository, "rollback") == 0
    assert str(repository.active()) == "colours/1"

    assert capsys.readouterr().out == "colours/2 is active\ncolours/1 is active again\n"


def test_activating_says_what_it_mends(
    repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    """A copy is kept of a damaged file; a later format is refused."""
    path = repository.root / "active.json"
    path.write_text("{")
    assert models(repository, "activate", "colours/2") == 0

    (kept,) = repository.root.glob("active.json.damaged-*")
    said = capsys.readouterr()
    assert said.out == "colours/2 is active\n"
    assert said.err.startswith("goodserve: active.json cannot be read: Invalid JSON")
    assert f"it is kept as {kept.name}" in said.err

    path.write_text('{"format": 3}')
    assert models(repository, "activate", "colours/1") == 2
    assert path.read_text() == '{"format": 3}'


def test_verify_makes_the_services_own_checks(
    repository: ModelRepository,
    small_models: list[SmallModel],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Sound versions pass; one that does not reproduce its golden inputs does not."""
    assert models(repository, "verify") == 0
    assert capsys.readouterr().out.count("is sound") == 3

    wrong = small_models[0].manifest.model_copy(update={"golden": small_models[1].manifest.golden})
    repository.publish("colours", small_models[0].model, wrong, small_models[0].graphs)

    assert models(repository, "verify", "colours/4") == 2
    assert "golden inputs do not reproduce" in capsys.readouterr().err
    repository.publish("colours", *small_models[0].published)
    assert models(repository, "verify") == 2
    assert "colours/5 is sound" in capsys.readouterr().out


def test_verify_checks_the_parts_of_a_version(
    repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version cut in two is sound if its parts give what the whole gives."""
    tiny, right, wrong = tiny_model(0), tiny_stages(0), tiny_stages(1)
    of_the_whole = {"golden": tiny.manifest.golden, "model_sha256": tiny.manifest.model_sha256}
    mixed = Manifest.model_validate({**wrong.manifest.model_dump(), **of_the_whole})
    repository.publish("colours", tiny.model, right.manifest, right.graphs)
    repository.publish("colours", tiny.model, mixed, wrong.graphs)

    assert models(repository, "verify", "colours/4") == 0
    assert models(repository, "verify", "colours/5") == 2

    assert "do not give the whole's contributions" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("activate", "colours/9"), "there is no version colours/9"),
        (("rollback",), "nothing was active before"),
        (("show", "other/1"), "there is no version other/1"),
        (("activate", "../1"), "bad model name '..'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    repository: ModelRepository,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """Status 2, and the reason."""
    assert models(repository, *arguments) == 2

    printed = capsys.readouterr().err
    assert printed.startswith("goodserve: ")
    assert message in printed


@pytest.mark.parametrize("command", ["list", "verify"])
def test_a_mistyped_path_does_not_look_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """A repository without versions is an error, not an empty answer."""
    assert main(["models", command, "--repository", str(tmp_path)]) == 2

    assert f"there are no versions in {tmp_path}" in capsys.readouterr().err


def test_a_trial_from_its_beginning_to_its_end(
    repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command says what is so afterwards, and the list shows the labels."""
    assert models(repository, "label", "colours/2", "night") == 0
    assert models(repository, "canary", "colours/2", "--percent", "20", "--shadow") == 0
    assert models(repository, "list") == 0
    assert models(repository, "promote") == 0
    assert models(repository, "unlabel", "colours", "night") == 0

    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == [
        "night names colours/2",
        "colours/2 is compared on 20 % of the requests",
    ]
    assert printed[3].endswith("canary  night")
    assert printed[-2:] == ["colours/2 is active", "night names no version of colours any more"]


def test_an_abandoned_trial_leaves_the_active_version(
    repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to promote then."""
    assert models(repository, "canary", "colours/2") == 0
    assert models(repository, "abandon") == 0
    assert models(repository, "promote") == 2

    assert str(repository.active()) == "colours/1"
    assert "no version of colours is on trial" in capsys.readouterr().err
