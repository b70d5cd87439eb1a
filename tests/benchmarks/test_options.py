"""The command line says what is measured."""

from pathlib import Path

import pytest

from benchmarks.options import parse
from benchmarks.servers import ROOT


def test_without_arguments_everything_is_measured() -> None:
    """All cells, all naive servers, the limit, and this checkout with its defaults."""
    plan = parse([])

    assert (plan.rounds, plan.seconds, len(plan.cells)) == (5, 4, 60)
    assert plan.checkouts == {"ours": ROOT}
    assert plan.specs[0].command[-2:] == ("--repository", "model/bundled")
    assert {"naive-1-sync", "naive-1-async"} <= {spec.name for spec in plan.specs}
    assert len(plan.layouts) > 1


def test_globs_choose_the_cells() -> None:
    """Several add up."""
    plan = parse(["--cells", "raw/png32/*", "*/jpg224/32"])

    assert len(plan.cells) == 4 + 5


def test_checkouts_bring_their_own_flags() -> None:
    """Those for all come last."""
    checkouts = ["--checkout", f"one={ROOT} --workers 1", "--checkout", f"two={ROOT} --workers 2"]

    plan = parse([*checkouts, "--ours-flags=--log-level error", "--naive", "--no-limit"])

    ends = {spec.name: spec.command[-4:] for spec in plan.specs}
    assert ends == {
        "one": ("--workers", "1", "--log-level", "error"),
        "two": ("--workers", "2", "--log-level", "error"),
    }
    assert plan.layouts == []


def test_another_repository_takes_the_place_of_the_bundled_one() -> None:
    """The flag is not given twice."""
    plan = parse(["--checkout", f"big={ROOT} --repository /models", "--naive"])

    (spec,) = plan.specs
    assert spec.command.count("--repository") == 1
    assert spec.command[-2:] == ("--repository", "/models")


def test_a_quick_look_can_still_be_told_what_to_do() -> None:
    """What is said otherwise wins over the short form."""
    plan = parse(["--quick", "--seconds", "2"])

    assert (plan.rounds, plan.seconds, list(map(str, plan.cells))) == (1, 2, ["raw/png32/8"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--cells", "cooked/*"], "no cell matches cooked"),
        (["--checkout", str(ROOT)], "has no label"),
        (["--checkout", f"naive-2={ROOT}"], "has no label of its own"),
        (["--checkout", "old=/nowhere"], "no service to start"),
        (["--checkout", f"a={ROOT}", "--checkout", f"a={ROOT}"], "same label"),
    ],
)
def test_a_mistake_ends_with_its_reason(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started."""
    with pytest.raises(SystemExit):
        parse(arguments)

    assert reason in capsys.readouterr().err


def test_the_output_is_a_path(tmp_path: Path) -> None:
    """Nothing is written before there is something to write."""
    plan = parse(["--out", str(tmp_path / "out.jsonl")])

    assert plan.out == tmp_path / "out.jsonl"
    assert not plan.out.exists()
