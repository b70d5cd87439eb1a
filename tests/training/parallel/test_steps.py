"""Three processes take the steps that one takes: real ones, joined by gloo."""

import sys
from typing import Any

import pytest
import torch

from tests.pictures import write_folder
from tests.training.parallel.launch import ended, ranks
from tests.training.parallel.steps import CASES, Outcome, outcome
from training.parallel.group import ALONE

Found = list[dict[str, Any]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Give what each of three processes came to; eleven images are not shared evenly."""
    folder = tmp_path_factory.mktemp("steps")
    data = write_folder(folder / "colours", per_class=12)
    command = [sys.executable, "-m", "tests.training.parallel.steps", str(data), str(folder)]

    for process in ranks([command] * 3):
        status, _, errors = ended(process)
        assert status == 0, errors

    return [torch.load(folder / f"{rank}.pt") for rank in range(3)]


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_the_whole_batch(found: Found, case: str) -> None:
    """They agree to a thousandth of each parameter's largest, by Muon to a hundredth."""
    allowed = 1e-2 if case == "muon" else 1e-3
    alone, together = outcome(case, ALONE), Outcome(*found[0][case])

    torch.testing.assert_close(together.losses, alone.losses, atol=1e-4, rtol=0)
    for theirs, ours in zip(alone.gradients, together.gradients, strict=True):
        assert (theirs - ours).abs().max() <= allowed * theirs.abs().max()


@pytest.mark.parametrize("case", CASES)
def test_statistics_are_those_of_the_whole_batch(found: Found, case: str) -> None:
    """Running means and variances, and how many batches they saw."""
    alone, together = outcome(case, ALONE).state, Outcome(*found[0][case]).state

    assert alone.keys() == together.keys()
    for name in alone:
        if "running" in name or "tracked" in name:
            torch.testing.assert_close(together[name], alone[name], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_all_processes_have_the_same_bits(found: Found, case: str) -> None:
    """Nothing lets their weights drift apart."""
    first, *others = (Outcome(*each[case]).state for each in found)

    assert all(torch.equal(first[name], other[name]) for other in others for name in first)


def test_the_leader_decides_what_could_differ(found: Found) -> None:
    """What it reads or makes is told to all; what one process hears, all know."""
    assert [each["told"] for each in found] == ["by 0"] * 3
    assert [each["awaited"] for each in found] == ["by 0"] * 3
    assert [each["any"] for each in found] == [[True, True, True, False]] * 3


def test_a_run_by_time_ends_at_one_step_everywhere(found: Found) -> None:
    """The leader's clock is everyone's: all report the same epochs, and the same part of one."""
    first, *others = (each["timed"] for each in found)

    assert others == [first, first]
    assert first[-1]["seconds"] > 0
