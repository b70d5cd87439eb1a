"""`goodserve models delete`, `gc` and `diff`, and which repository the commands mean."""

import tempfile
from pathlib import Path

import pytest

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.version import VersionId
from service.__main__ import main
from service.running import recorded, records_folder
from tests.model.artifact.tiny import tiny_model


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """Four versions, the first one active."""
    repository = ModelRepository(tmp_path / "models")
    for seed in (0, 0, 0, 1):
        tiny = tiny_model(seed)
        repository.publish("colours", tiny.model, tiny.manifest)
    repository.activate(VersionId("colours", "1"))
    return repository


@pytest.fixture(autouse=True)
def own_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no service of this machine's be seen."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("GOODSERVE_REPOSITORY", raising=False)


def test_delete_and_gc_say_what_is_gone(
    repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run deletes nothing, and what is needed is refused with status 2."""
    flag = ["--repository", str(repository.root)]

    assert main(["models", "gc", "--keep", "1", "--dry-run", *flag]) == 0
    assert len(repository.versions()) == 4
    assert main(["models", "delete", "colours/2", *flag]) == 0
    assert main(["models", "gc", "--keep", "1", *flag]) == 0
    assert main(["models", "delete", "colours/1", *flag]) == 2
    assert main(["models", "gc", "--keep", "0", *flag]) == 2

    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "colours/2 would be deleted",
        "colours/3 would be deleted",
        "colours/2 is deleted",
        "colours/3 is deleted",
    ]
    assert "colours/1 cannot be deleted: it is active" in printed.err
    assert [str(each) for each in repository.versions()] == ["colours/1", "colours/4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gc", "wrong"], "there are no versions of 'wrong' in "),
        (["gc", "wrong", "--dry-run"], "there are no versions of 'wrong' in "),
        (["delete"], "say which versions to delete: NAME/VERSION"),
        (["push", "--to", "elsewhere"], "say which versions to copy: NAME/VERSION"),
        (["pull", "--from", "elsewhere"], "say which versions to copy: NAME/VERSION"),
    ],
)
def test_what_would_do_nothing_is_refused(
    repository: ModelRepository,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """In one line, with status 2; nobody takes it for done."""
    assert main(["models", *arguments, "--repository", str(repository.root)]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_diff_says_in_what_two_versions_differ(
    repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settings and hashes of these; nothing of equal ones."""
    flag = ["--repository", str(repository.root)]

    assert main(["models", "diff", "colours/1", "colours/4", *flag]) == 0
    differing = capsys.readouterr().out.splitlines()
    assert main(["models", "diff", "colours/1", "colours/2", *flag]) == 0

    assert "setting seed: 0 -> 1" in differing
    assert any(line.startswith("sha256 of model.onnx: ") for line in differing)
    assert not any(line.startswith(("test accuracy", "data", "classes")) for line in differing)
    assert capsys.readouterr().out == "colours/1 and colours/2 are alike\n"


def test_diff_of_the_bundled_versions(capsys: pytest.CaptureFixture[str]) -> None:
    """Manifests of another release differ in what they have, too."""
    assert main(["models", "diff", "cifar10/1", "cifar10/4"]) == 0

    printed = capsys.readouterr().out
    assert "gives evidence: no -> yes" in printed
    assert "sha256 of evidence.onnx: - -> " in printed


def test_commands_mean_the_repository_that_is_served(
    repository: ModelRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    """By default, to read and to change; it is named."""
    with recorded(str(repository.root), records_folder()):
        assert main(["models", "list"]) == 0
        assert main(["models", "activate", "colours/4"]) == 0

    printed = capsys.readouterr()
    assert printed.out.startswith("* colours/1")
    assert f"goodserve: repository {repository.root}, which is being served" in printed.err
    assert str(repository.active()) == "colours/4"


@pytest.mark.parametrize("served", [False, True])
def test_the_packages_own_folder_is_not_changed_by_default(
    capsys: pytest.CaptureFixture[str], *, served: bool
) -> None:
    """Not even where a service serves it; reading it is harmless."""
    with recorded(str(BUNDLED_REPOSITORY) if served else "", records_folder()):
        assert main(["models", "list"]) == 0
        assert main(["models", "activate", "cifar10/1"]) == 2
        assert main(["models", "label", "cifar10/1", "old"]) == 2

    printed = capsys.readouterr()
    assert "cifar10/4" in printed.out
    assert printed.err.count("no repository is named") == 2


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (["models", "list", "--repository", ""], "--repository"),
        (["models", "activate", "colours/1", "--repository", " "], "--repository"),
        (["models", "push", "colours/1", "--to", ""], "--to"),
        (["models", "pull", "colours/1", "--from", ""], "--from"),
        (["predict", "x.png", "--repository", ""], "--repository"),
        (["explain", "x.png", "--repository", ""], "--repository"),
    ],
)
def test_empty_text_names_no_repository(
    repository: ModelRepository,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    flag: str,
) -> None:
    """Neither the one that is served nor the current folder; the flag is named."""
    with recorded(str(repository.root), records_folder()):
        assert main(arguments) == 2

    assert f"goodserve: {flag} is empty" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["list"], ["activate", "colours/1"]])
def test_an_empty_variable_names_no_repository(
    repository: ModelRepository,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    """To read and to change; it is one line that says so."""
    monkeypatch.setenv("GOODSERVE_REPOSITORY", "")

    with recorded(str(repository.root), records_folder()):
        assert main(["models", *arguments]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "repository" in line.lower()
    assert "empty" in line


def test_of_several_served_repositories_one_must_be_named(
    repository: ModelRepository, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """None is guessed."""
    records = records_folder()
    with recorded(str(repository.root), records), recorded("/elsewhere", tmp_path / "others"):
        (theirs,) = (tmp_path / "others").iterdir()
        theirs.rename(records / "2")  # as another process would have called it
        assert main(["models", "list"]) == 2

    assert "services serve several repositories: say --repository" in capsys.readouterr().err
