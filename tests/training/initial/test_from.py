"""`fit --from`: a run that begins with the layers of a version or of another run."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.network.stack import ForwardForwardNetwork
from tests.pictures import write_folder
from tests.training.fit.small import settings
from training.commands import export
from training.data.dataset import Split
from training.errors import ConfigError
from training.fit.build import build_network
from training.fit.progress import Silent
from training.fit.start import resume_run, start_run
from training.initial.read import read_layers
from training.initial.take_over import take_over
from training.results.run import Run
from training.settings.asked import resumed_settings
from training.settings.fit import FitSettings
from training.settings.initial import initial_folder, initial_settings
from training.settings.load import load_settings

# Of all first runs here, which are of three colours.
SHAPE: dict[str, Any] = {"widths": (6, 8, 8), "pool_before": (2,)}
ACTIVE = ModelRepository(BUNDLED_REPOSITORY).active()


class Lines(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small training folder of three classes."""
    return write_folder(tmp_path_factory.mktemp("data") / "colours", per_class=12)


@pytest.fixture(scope="module", params=[(1,), (1, 2)], ids=["single", "double"])
def first(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Train a run to start from, and export it: two epochs of 28 images."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    shape = {**SHAPE, "convolutions": request.param}
    start_run(settings(data, **shape, freeze_after=()), Run(folder))
    export(folder, folder / "export")
    return folder


def asked(data: Path, start: Path | str, **changes: Any) -> FitSettings:
    """Ask for a run that begins somewhere, and say nothing of its shape."""
    small = {"epochs": 2, "batch_size": 8, "threads": 1, "precision": "float32", "keep": "last"}
    return load_settings({"data": f"folder:{data}", "initial": str(start), **small, **changes})


def features(network: ForwardForwardNetwork, number: int) -> dict[str, Tensor]:
    """Give all of a layer's state but its readout."""
    state = network.layers()[number].state_dict()
    readout = ("assignment.", "goodness_norm.", "scale")
    return {name: t.clone() for name, t in state.items() if not name.startswith(readout)}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Tell whether two states are equal to the bit."""
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_a_run_takes_over_shape_and_layers(data: Path, first: Path, tmp_path: Path) -> None:
    """Without a step the new network's layers are those of the first run to the bit."""
    wanted = asked(data, first, epochs=1, learning_rate=1e-30, weight_decay=0.0)
    progress = Lines()

    trained = start_run(wanted, Run(tmp_path / "next"), progress)

    old = Run(first).load_model().network
    assert wanted.network.widths == (6, 8, 8)
    assert wanted.data.image_size == 16
    assert f"starts with stem, block2, block3 of {first}" in progress.lines
    assert torch.equal(trained.network.layers()[0].conv.weight, old.layers()[0].conv.weight)


@pytest.mark.parametrize("start", [".", "export"])
def test_frozen_layers_stay_as_they_were_to_the_bit(
    start: str, data: Path, first: Path, tmp_path: Path
) -> None:
    """Convolutions, norms and statistics of the first two; their readouts and the third learn."""
    wanted = asked(data, first / start, freeze=2)
    before = build_network(
        wanted.network, Split(torch.zeros(1, 16, 16, 3, dtype=torch.uint8), torch.zeros(1)), 3, 0
    )
    take_over(before, read_layers((first / start).resolve()), _some(16), freeze=2)

    after = start_run(wanted, Run(tmp_path / "next")).network

    assert same(features(before, 0), features(after, 0))
    assert same(features(before, 1), features(after, 1))
    assert not torch.equal(before.layers()[2].conv.weight, after.layers()[2].conv.weight)
    logits = [next(iter(block.assignment.parameters())) for block in before.layers()]
    learned = [next(iter(block.assignment.parameters())) for block in after.layers()]
    assert not any(torch.equal(a, b) for a, b in zip(logits, learned, strict=True))


def test_a_version_s_layers_compute_what_the_run_s_do(first: Path) -> None:
    """The export folds norms away; they are given back, and activities are equal to 1e-4."""
    spec = load_settings({"data": "folder:x", "initial": str(first)})
    images = _some(16)
    networks = [build_network(spec.network, images, 3, 0) for _ in range(3)]

    take_over(networks[0], read_layers(first), images, freeze=0)
    take_over(networks[1], read_layers(first / "export"), images, freeze=0)
    take_over(networks[2], read_layers(first / "export"), images, freeze=2)

    of_run, unfolded, folded = (
        [activity for _, activity in network.eval().activities(images.images)]
        for network in networks
    )
    for layer, wanted in enumerate(of_run):
        torch.testing.assert_close(unfolded[layer], wanted, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(folded[layer], wanted, atol=1e-4, rtol=1e-4)
    # In training a norm divides by the batch's spread: an unfolded one is hardly moved by that.
    block = networks[1].train().layers()[0]
    prepared = block.prepared(networks[1].normalised(images.images))
    torch.testing.assert_close(block.activity(prepared), of_run[0], atol=1e-2, rtol=1e-2)


def test_other_classes_size_and_depth(data: Path, tmp_path: Path) -> None:
    """The bundled model's first layers begin a network of three classes and one layer more."""
    assert ACTIVE is not None
    first, second, *_ = ModelRepository(BUNDLED_REPOSITORY).manifest(ACTIVE).training["widths"]
    shape = {"widths": (first, second, 16), "pool_before": (2,)}
    wanted = asked(data, str(ACTIVE), epochs=1, image_size=16, freeze=2, **shape)
    progress = Lines()

    trained = start_run(wanted, Run(tmp_path / "next"), progress)

    assert any("starts with stem, block2 of" in line for line in progress.lines)
    assert trained.network.spec.num_classes == 3
    stored = json.loads((tmp_path / "next" / "settings.json").read_text())
    assert Path(stored["settings"]["network"]["initial"]) == initial_folder(str(ACTIVE))


@pytest.mark.parametrize(
    ("source", "size", "written", "expected"),
    [
        ("fashion-mnist:x", None, 6, 28),
        ("fashion-mnist:x", 32, 6, 32),
        ("fashion-mnist:x", 32, 5, 28),
        ("cifar10:x", 32, 5, 32),
        ("folder:x", 48, 5, 48),
        ("folder:x", None, 6, None),
    ],
)
def test_the_images_are_of_the_size_that_the_layers_learned_from(  # noqa: PLR0913, PLR0917
    source: str, size: int | None, written: int, expected: int | None, first: Path, tmp_path: Path
) -> None:
    """Whether the run resized them, as formats before 6 did not with authors' files."""
    shutil.copytree(first, tmp_path / "run")
    content = json.loads((first / "settings.json").read_bytes())
    content["settings"]["data"] |= {"source": source, "image_size": size}
    (tmp_path / "run" / "settings.json").write_text(json.dumps(content | {"format": written}))

    assert initial_settings(tmp_path / "run")["data"].get("image_size") == expected


@pytest.mark.parametrize(("changes", "warns"), [({}, False), ({"seed": 9}, True)])
def test_another_split_of_the_same_classes_is_warned_of(  # noqa: PLR0913, PLR0917  fixtures
    changes: dict[str, Any],
    warns: bool,  # noqa: FBT001
    data: Path,
    first: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Most of the new test images were learned from; of the same split none was."""
    for start in (first, first / "export"):
        caplog.clear()
        stored = Run(first).settings().data
        alike = {"validation_fraction": stored.validation_fraction, **changes}
        start_run(asked(data, start, epochs=1, **alike), Run(tmp_path / start.name))

        assert ("split otherwise" in caplog.text) == warns


def test_a_run_goes_on_though_its_start_is_gone(data: Path, first: Path, tmp_path: Path) -> None:
    """By the command's way: the layers were taken over long ago."""
    start = tmp_path / "start"
    shutil.copytree(first, start)
    run = Run(tmp_path / "next")
    start_run(asked(data, start, epochs=1), run)
    shutil.rmtree(start)

    longer = resumed_settings(run.settings(), {"epochs": 2}, None)

    assert longer.network.initial == str(start.resolve())
    assert len(resume_run(run, settings=longer).report.epochs) == 2


def test_an_interrupted_run_does_not_start_anew(data: Path, first: Path, tmp_path: Path) -> None:
    """Going on needs the checkpoint alone; before the first one the layers are read again."""
    whole = start_run(asked(data, first), Run(tmp_path / "whole"))
    run = Run(tmp_path / "part")
    with run.only_writer():
        run.start(asked(data, first))

    resumed = resume_run(run)

    assert same(whole.network.state_dict(), resumed.network.state_dict())


def test_the_manifest_names_the_start_without_its_path(
    data: Path, first: Path, tmp_path: Path
) -> None:
    """A published version says what it came from, and nothing of the machine."""
    start_run(asked(data, first, epochs=1), Run(tmp_path / "next"))

    export(tmp_path / "next", tmp_path / "export")

    manifest = json.loads((tmp_path / "export" / "manifest.json").read_text())
    assert manifest["training"]["initial"] == "first"
    assert str(tmp_path) not in (tmp_path / "export" / "manifest.json").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": (5, 8), "pool_before": ()}, "none has the shape of a trained one"),
        ({"widths": (6, 9, 8), "freeze": 2}, "1 first layers can be taken over, but 2 are to be"),
    ],
)
def test_layers_that_do_not_fit_are_refused(
    changes: dict[str, Any], message: str, data: Path, first: Path, tmp_path: Path
) -> None:
    """Not silently drawn by chance; nothing is left behind."""
    with pytest.raises(ConfigError, match=message):
        start_run(asked(data, first, **changes), Run(tmp_path / "next"))

    assert not (tmp_path / "next").exists()


def test_what_is_no_start_is_refused(tmp_path: Path) -> None:
    """A name that is nothing, and a folder that holds nothing."""
    for start in ("cifar10/99", str(tmp_path)):
        with pytest.raises(ConfigError, match="names no folder of a trained run or of a published"):
            load_settings({"data": "folder:x", "initial": start})


def test_a_damaged_start_is_refused(tmp_path: Path) -> None:
    """A manifest that is none, and a graph that is none."""
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ConfigError, match="its settings cannot be read"):
        load_settings({"data": "folder:x", "initial": str(tmp_path)})
    with pytest.raises(ConfigError, match="cannot start from"):
        read_layers(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no graph at all")
    with pytest.raises(ConfigError, match="is no ONNX file"):
        read_layers(tmp_path)


def _some(side: int) -> Split:
    generator = torch.Generator().manual_seed(0)
    shape = (64, side, side, 3)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return Split(images, torch.zeros(64, dtype=torch.int64))
