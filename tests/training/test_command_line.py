"""The command line: errors in one line, help by concern, no torch until it is needed."""

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
import torch

from tests.pictures import write_folder
from tests.trained import SmallModel
from training.__main__ import main
from training.command_line import app


def run_main(arguments: str, small: SmallModel, tmp_path: Path) -> int:
    """Run a command with its folders filled in: data, a finished run, a new one."""
    data = write_folder(tmp_path / "data", per_class=12)
    folders = {"data": data, "old": small.run, "new": tmp_path / "new"}
    return main(arguments.format(**folders).split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("fit --run {new}", "name the data"),
        ("fit folder:{data} --run {old}", "holds a run already; add --resume"),
        ("fit folder:{data} --run {old}/log.jsonl/run", "log.jsonl is not a folder"),
        ("fit folder:{data} --run {data}/run", "run lies inside the pictures of folder:"),
        ("fit folder:{data} --run=", "Invalid value for --run: it is empty"),
        (
            "fit folder:{data} --run {new} --preset residual17 --widths 8,8",
            "name both; what is not named is the preset residual17's",
        ),
        (
            "compare folder:{data} --out {new} --from cifar10/4",
            "a comparison trains every variant from the start: name no --from and no --freeze",
        ),
        ("fit --run {new} --resume", "holds no run to read"),
        ("fit --run {old} --resume --seed 7", "a resumed run keeps its settings, but seed"),
        (
            "fit --run {old} --resume --split-rule 2",
            "a resumed run keeps its settings, but split_rule differ",
        ),
        ("fit folder:{data} --run {new} --split-rule 4", "split_rule: "),
        ("fit --run {old} --resume --epochs 1", "nothing is left to train: all 1 epochs are done"),
        ("fit folder:{data} --run {new} --time soon", "time: 'soon' is no time such as 90s"),
        ("fit folder:{data} --run {new} --time 0s", "time: "),
        ("fit folder:{data} --run {new} --freeze 4", "freeze 4 leaves none of the 4 layers"),
        ("fit folder:{data} --run {new} --epochs 0", "epochs: "),
        ("fit folder:{data} --run {new} --batch-size 500", "less than a batch of 500"),
        (
            "fit folder:{data} --run {new} --image-size 8 --batch-size 8 --pool-before 1,2,3,4",
            "no positions left",
        ),
        (
            "fit folder:{data} --run {new} --assignment fixed --widths 2 --batch-size 8",
            "2 channels, 3 classes",
        ),
        ("fit folder:{data} --run {new} --term.margn.weight 2", "unknown terms of the objective"),
        ("evaluate --run {new}", "holds no trained model yet"),
        ("evaluate --run {old} --data cifar10:{data}", "cannot read"),
        ("publish --run {new} --repository {new}", "holds no run to read"),
        ("publish --run {old} --repository {new} --export {data}", "holds no export to publish"),
        ("publish --run {old} --repository {new} --name Bad/Name", "bad model name"),
        (
            "publish --run {old} --repository {new} --export {data} --state last",
            "name an export, or how to export",
        ),
        ("fit folder:{data} --run {new} --widths 8,x", "widths: '8,x' is no list of whole numbers"),
        ("fit folder:{data} --run {new} --widths 0", "widths.0: "),
        ("fit folder:{data} --run {new} --entropy-weight -1", "entropy_weight: "),
        ("fit folder:{data} --run {new} --term.entropy.warmup 2", "term.entropy.warmup: "),
        ("fit folder:{data} --run {new} --assignment free", "'learnable', 'tempered' or 'fixed'"),
        ("fit folder:{data} --run {new} --epoch 3", "Unknown option: --epoch"),
        ("fit folder:{data} --run {new} --preset quick", "caw-resnet17"),
        ("fit --run {old} --resume --preset fast", "keeps its settings, but preset differ"),
        ("fit folder:{data} more --run {new}", "['more']"),
        ("fit folder:{data}", "--run"),
        ("fti", 'Unknown command "fti"'),
    ],
)
def test_what_the_user_can_fix_is_said_without_a_traceback(
    small_models: list[SmallModel],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    message: str,
) -> None:
    """Status 2, one line, and the line says what to do."""
    status = run_main(arguments, small_models[0], tmp_path)

    printed = capsys.readouterr().err
    assert status == 2
    assert printed.startswith("goodserve-train: ")
    assert message in printed
    assert len(printed.splitlines()) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error(
    small_models: list[SmallModel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never a silent fallback."""
    arguments = "fit folder:{data} --run {new} --device cuda"

    assert run_main(arguments, small_models[0], tmp_path) == 2

    assert "finds no usable GPU" in capsys.readouterr().err


def test_a_flag_given_twice_counts_as_it_stands_last(
    small_models: list[SmallModel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrapper script may set a flag that its caller then overrides."""
    arguments = "fit --run {old} --resume --epochs 7 --epochs 2"

    assert run_main(arguments, small_models[0], tmp_path) == 0

    assert "is trained already" in capsys.readouterr().out


def test_help_is_grouped_by_concern(capsys: pytest.CaptureFixture[str]) -> None:
    """Every setting stands under its section, with its default."""
    assert main(["fit", "--help"]) == 0

    printed = capsys.readouterr().out
    sections = ["Data", "Network", "Objective", "Optimiser", "Run", "Ray"]
    places = [printed.index(f" {section} ─") for section in sections]
    assert places == sorted(places)
    for flag, section, following in (
        ("--image-size", "Data", "Network"),
        ("--widths", "Network", "Objective"),
        ("--term.{NAME}.weight", "Objective", "Optimiser"),
        ("--epochs", "Optimiser", "Run"),
    ):
        assert printed.index(f" {section} ─") < printed.index(flag)
        assert printed.index(flag) < printed.index(f" {following} ─")
    assert "--no-activate" in printed
    assert "64,160,320,256" in printed


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["fit", "--epoch", "3"]])
def test_help_and_usage_errors_load_no_torch(arguments: list[str]) -> None:
    """They come at once."""
    code = (
        "import sys; from training.__main__ import main; "
        f"main({arguments}); sys.exit('torch' in sys.modules)"
    )

    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode
        == 0
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_the_flags(shell: Literal["bash", "zsh", "fish"]) -> None:
    """The script knows commands and flags."""
    script = app.generate_completion(shell=shell)

    assert all(word in script for word in ("evaluate", "learning-rate", "no-activate"))
