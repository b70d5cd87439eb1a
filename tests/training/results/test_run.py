"""The folder of a run: one writer, one format, and damage told in our words."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.trained import SmallModel
from training.errors import CheckpointError
from training.results.run import Run
from training.settings.load import load_settings

SETTINGS = load_settings({"data": "cifar10:x"})


def test_settings_come_back(tmp_path: Path) -> None:
    """What was stored is what is read."""
    run = Run(tmp_path)

    run.start(SETTINGS)

    assert run.settings() == SETTINGS


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """The second is refused at once, and let in when the first is gone."""
    with Run(tmp_path).only_writer():
        message = f"another process is training in {tmp_path}; wait until it ends"
        with pytest.raises(CheckpointError, match=message), Run(tmp_path).only_writer():
            pytest.fail("two writers")

    with Run(tmp_path).only_writer():
        pass


@pytest.mark.parametrize("left", ["settings.json", "checkpoint.pt", "model.pt"])
def test_left_over_files_are_not_taken_for_a_new_run(tmp_path: Path, left: str) -> None:
    """Any file of an older run in the folder is a reason not to start."""
    (tmp_path / left).write_bytes(b"")

    with pytest.raises(CheckpointError, match="holds a run already; add --resume"):
        Run(tmp_path).start(SETTINGS)


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"format": 3}', '{"format": 3, "settings": 3}']
)
def test_damaged_settings_are_named(tmp_path: Path, content: str) -> None:
    """Cut off, or of another shape."""
    (tmp_path / "settings.json").write_text(content)

    with pytest.raises(CheckpointError, match=r"settings\.json is damaged: "):
        Run(tmp_path).settings()


@pytest.mark.parametrize(
    ("content", "found"),
    [({"data": "cifar10:x", "seed": 0}, 1), ({"format": 8, "settings": {}}, 8)],
)
def test_a_run_of_another_format_is_refused(
    tmp_path: Path, content: dict[str, object], found: int
) -> None:
    """The message says which format it is, which one is read, and what to do."""
    (tmp_path / "settings.json").write_text(json.dumps(content))

    message = f"is of format {found}, this version of goodserve reads 3, 4, 5, 6 and 7; train the"
    with pytest.raises(CheckpointError, match=message):
        Run(tmp_path).settings()


def test_a_run_of_the_first_release_has_its_optimizer(tmp_path: Path) -> None:
    """Format 3 had no names for what was the only way then; what it names itself is kept."""
    settings = {"data": {"source": "folder:x"}, "network": {"widths": [8]}, "optimiser": {}}
    content = {"format": 3, "settings": settings}
    (tmp_path / "settings.json").write_text(json.dumps(content))

    found = Run(tmp_path).settings()

    assert found.network.widths == (8,)
    assert found.network.stem == "learned"
    assert (found.optimiser.optimizer, found.optimiser.convolution_factor) == ("adamw", 1.0)


def test_settings_of_format_5_mean_what_they_meant(tmp_path: Path) -> None:
    """Authors' files kept their own size, and a layer that was not there was passed over."""
    optimiser = {"freeze_after": [0.1, 0.5, 0.9]}
    for source, size in (("fashion-mnist:x", None), ("folder:x", 32)):
        data = {"source": source, "image_size": 32}
        settings = {"data": data, "network": {"widths": [8, 12]}, "optimiser": optimiser}
        (tmp_path / "settings.json").write_text(json.dumps({"format": 5, "settings": settings}))

        found = Run(tmp_path).settings()

        assert found.data.image_size == size
        assert found.optimiser.freeze_after == (0.1, 0.5)


def test_a_run_of_format_6_keeps_its_splits(tmp_path: Path) -> None:
    """Drawn by their paths, pictures that it learned from would come into its test."""
    settings = {"data": {"source": "folder:x"}}
    for written, rule in ((6, 2), (7, 3)):
        content = {"format": written, "settings": settings}
        (tmp_path / "settings.json").write_text(json.dumps(content))

        assert Run(tmp_path).settings().data.split_rule == rule


def test_a_network_of_format_4_has_its_convolutions(
    small_models: list[SmallModel], tmp_path: Path
) -> None:
    """One number held for all layers."""
    shutil.copytree(small_models[0].run, tmp_path / "run")
    content = torch.load(tmp_path / "run" / "model.pt", weights_only=True)
    content["spec"]["convolutions"] = 1
    del content["spec"]["mirrored"]
    torch.save({**content, "format": 4}, tmp_path / "run" / "model.pt")

    found, written = (Run(run).load_model() for run in (tmp_path / "run", small_models[0].run))

    assert found.network.spec == written.network.spec


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04" + b"\0" * 99])
@pytest.mark.parametrize("name", ["checkpoint.pt", "model.pt"])
def test_damaged_tensors_are_told_in_our_words(tmp_path: Path, content: bytes, name: str) -> None:
    """Torch would advise a way of loading that runs code from the file."""
    run = Run(tmp_path)
    (tmp_path / name).write_bytes(content)

    with pytest.raises(CheckpointError, match=rf"{name} is damaged: .*; take it away") as caught:
        run.load() if name == "checkpoint.pt" else run.load_model()

    assert "weights_only" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    """Only tensors and plain values are read, and torch's advice to trust the file is not shown."""
    torch.save({"format": 3, "epoch": Path("x")}, tmp_path / "checkpoint.pt")

    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is damaged") as caught:
        Run(tmp_path).load()

    assert "weights_only" not in str(caught.value)


def test_tensors_of_format_1_are_refused(tmp_path: Path) -> None:
    """A checkpoint without a number is from before there was one."""
    torch.save({"epoch": 1, "step": 0}, tmp_path / "checkpoint.pt")

    with pytest.raises(CheckpointError, match="is of format 1, this version of goodserve reads"):
        Run(tmp_path).load()


@pytest.mark.parametrize("content", [{"format": 3, "epoch": 1}, {"format": 3, "epochs": [3]}])
def test_a_checkpoint_with_parts_missing_is_damaged(
    tmp_path: Path, content: dict[str, object]
) -> None:
    """It is no checkpoint, and says so."""
    torch.save(content, tmp_path / "checkpoint.pt")

    with pytest.raises(CheckpointError, match="it is no checkpoint of a run"):
        Run(tmp_path).load()
