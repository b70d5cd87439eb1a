"""The cost of a training step: real steps of tiny networks, and what is counted."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from benchmarks.panels import HEIGHT, PANEL, Panel, draw
from benchmarks.training_cost import main, table
from benchmarks.training_step import METHODS, Method, StepCost, Task, peak_bytes, stepper
from training.settings.sections import RunSettings

CPU = torch.device("cpu")


def task(depth: int = 5) -> Task:
    """Make a tiny task."""
    run = RunSettings(device="cpu", precision="float32", threads=1)
    return Task(depth, (8, 8, 8, 8), batch=8, image_size=32, run=run)


def test_the_peak_is_what_was_there_at_once() -> None:
    """What is freed in between does not count, what was there before neither."""
    before = torch.ones(1000, 1000)

    def step() -> None:
        first = torch.zeros(1000, 1000)
        second = torch.zeros(2000, 1000) + before[0]
        del first, second
        torch.zeros(500, 1000)

    # 4 MB and 8 MB, and 8 MB more while the sum is formed.
    assert peak_bytes(step, CPU) == pytest.approx(20_000_000, rel=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_moves_the_first_layer(method: Method) -> None:
    """By whatever way its gradient comes."""
    network = task().network()
    before = network.layers()[0].conv.weight.detach().clone()

    stepper(method, network, task())()

    assert not torch.equal(network.layers()[0].conv.weight, before)


def test_our_memory_does_not_grow_with_depth() -> None:
    """Twice the layers: the same peak within a tenth; of backpropagation, much more."""
    ours, theirs = (
        [peak_bytes(stepper(method, task(d).network(), task(d)), CPU) for d in (5, 9)]
        for method in METHODS[:2]
    )

    assert ours[1] < 1.1 * ours[0]
    assert theirs[1] > 1.4 * theirs[0]


def test_a_loss_against_another_method_is_marked() -> None:
    """A ratio above 1 is in bold."""
    costs: dict[tuple[int, Method], list[StepCost]] = {
        (9, "ours"): [StepCost((1.2,), (1.0,), 5_000_000, 0)],
        (9, "backpropagation"): [StepCost((1.0,), (1.0,), 10_000_000, 0)],
    }

    last = table(costs).splitlines()[-1]

    assert last.endswith("| **1.20** | 1.00 | 0.50 | 0.60 |")


def test_it_runs_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each method and depth, and what it was measured on."""
    out = tmp_path / "cost.png"
    shape = "--depths 5 --widths 4 4 4 4 --batch 8 --rounds 1 --steps 1 --threads 1"
    arguments = f"{shape} --device cpu --precision float32 --out {out}"

    assert main(arguments.split()) == 0

    printed = capsys.readouterr().out
    assert [line.split(" | ")[1] for line in printed.splitlines() if line.startswith("| 5")] == [
        *METHODS
    ]
    assert f"torch {torch.__version__}" in printed
    with Image.open(out) as picture:
        assert picture.size == (3 * PANEL, HEIGHT)


def test_a_depth_that_is_no_whole_number_of_stages_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The message says which depths there are."""
    with pytest.raises(SystemExit):
        main(["--depths", "10"])

    assert "1 more than a multiple of 4" in capsys.readouterr().err


def test_a_single_depth_can_be_drawn() -> None:
    """A point in the middle."""
    picture = draw([Panel("a", {"ours": [(9, 1.0)]})], "title")

    assert picture.size == (PANEL, HEIGHT)
