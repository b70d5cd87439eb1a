"""The cache of decoded pictures: decoded once, whole or not there, mapped and not copied."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from tests.conftest import ROOT
from tests.pictures import write_folder
from tests.training.data.sets import load
from training.data.dataset import Dataset
from training.errors import DataError


def everything(dataset: Dataset) -> dict[bytes, int]:
    """Give every image's pixels with its label."""
    return {
        image.numpy().tobytes(): int(label)
        for split in dataset.splits()
        for image, label in zip(split.images, split.labels, strict=True)
    }


def files(cache: Path) -> list[Path]:
    """Find what is in a cache folder, hidden or not."""
    return sorted(path for path in cache.rglob("*") if path.is_file())


def write_many(folder: Path, count: int) -> Path:
    """Write so many pictures that they are decoded in processes; each is of another colour."""
    for number in range(count):
        path = folder / "ab"[number % 2] / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number // 256, number % 256, 7)).save(path)
    return folder


def test_a_second_run_reads_the_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same images come of it; files are not opened, and what was unreadable is told again."""
    data, cache = write_folder(tmp_path / "data", per_class=6), tmp_path / "cache"
    (data / "red" / "bad.png").write_text("no image")
    first = load(f"folder:{data}", cache=cache)
    written = {path: path.stat().st_mtime_ns for path in files(cache)}
    caplog.clear()

    second = load(f"folder:{data}", cache=cache)

    assert first.fingerprint() == second.fingerprint() == load(f"folder:{data}").fingerprint()
    assert everything(first) == everything(second)
    assert {path: path.stat().st_mtime_ns for path in files(cache)} == written
    assert "1 pictures cannot be read" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        lambda data: Image.new("RGB", (9, 9)).save(data / "red" / "0.png"),
        lambda data: os.utime(data / "red" / "0.png", ns=(1, 1)),
        lambda data: (data / "red" / "0.png").rename(data / "red" / "9.png"),
        lambda data: (data / "red" / "0.png").rename(data / "blue" / "9.png"),
        lambda data: (data / "red" / "0.png").unlink(),
    ],
)
def test_changed_pictures_are_decoded_anew(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    """Another size, time, name, class or number: what is learned from is what is there."""
    data, cache = write_folder(tmp_path / "data", per_class=6), tmp_path / "cache"
    load(f"folder:{data}", cache=cache)

    change(data)

    found = load(f"folder:{data}", cache=cache)
    assert everything(found) == everything(load(f"folder:{data}"))
    assert len(list(cache.iterdir())) == 2


def test_each_image_size_has_its_own(tmp_path: Path) -> None:
    """Both stay, and a run of either finds its own."""
    data, cache = write_folder(tmp_path / "data", per_class=6), tmp_path / "cache"

    for size in (8, 12, 8):
        assert load(f"folder:{data}", cache=cache, image_size=size).test.images.shape[1] == size

    assert len(list(cache.iterdir())) == 2


def flip_a_byte(path: Path) -> None:
    """Damage one pixel."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("pixels.npy", flip_a_byte),
        ("pixels.npy", lambda path: path.write_bytes(path.read_bytes()[:-5])),
        ("pixels.npy", lambda path: path.write_bytes(b"")),
        ("pixels.npy", lambda path: np.save(path, np.zeros((3, 4)))),
        ("pixels.npy", Path.unlink),
        ("cache.json", lambda path: path.write_text("{")),
        (
            "cache.json",
            lambda path: path.write_text(path.read_text().replace('"key":"', '"key":"x')),
        ),
        ("cache.json", lambda path: path.write_text(path.read_text().replace("1", "2", 1))),
        ("cache.json", Path.unlink),
    ],
)
def test_a_damaged_or_foreign_cache_is_rebuilt(
    tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    """Whatever is wrong with it, and the next run reads it again."""
    data, cache = write_folder(tmp_path / "data", per_class=6), tmp_path / "cache"
    whole = load(f"folder:{data}", cache=cache)
    expected = everything(whole)
    (path,) = cache.glob(f"*/{name}")
    sound = path.read_bytes()
    damage(path)

    found = load(f"folder:{data}", cache=cache)

    assert everything(found) == expected
    assert path.read_bytes() == sound


def test_many_pictures_are_decoded_in_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, into the user's cache folder; every picture keeps its label, unreadable ones go."""
    data = write_many(tmp_path / "data", 1_100)
    (data / "a" / "00500.png").write_text("no image")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))

    found = everything(load(f"folder:{data}", image_size=4))

    assert len(found) == 1_099
    for pixels, label in found.items():
        assert (pixels[0] * 256 + pixels[1]) % 2 == label
    assert [path.name for path in files(tmp_path / "home" / "goodserve")] == [
        ".lock",
        "cache.json",
        "pixels.npy",
    ]


def run_load(data: Path, cache: Path, size: int) -> "subprocess.Popen[str]":
    """Load a folder in a process of its own; it prints its peak memory before and after."""
    script = Path(__file__).with_name("peak.py")
    return subprocess.Popen(
        [sys.executable, script, data, cache, str(size)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_run_killed_while_decoding_leaves_no_half_cache(tmp_path: Path) -> None:
    """Its processes end with it, and the next run finds nothing, sweeps up and decodes anew."""
    data, cache = write_many(tmp_path / "data", 1_100), tmp_path / "cache"
    with run_load(data, cache, 96) as process:
        while not list(cache.glob("*/.pixels.npy.*")):
            assert process.poll() is None
        helpers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert not psutil.wait_procs(helpers, timeout=60)[1]
    assert not list(cache.glob("*/pixels.npy"))

    found = everything(load(f"folder:{data}", cache=cache, image_size=96))

    assert len(found) == 1_100
    assert [path.name for path in files(cache)] == [".lock", "cache.json", "pixels.npy"]


def test_pixels_are_in_memory_once(tmp_path: Path) -> None:
    """Decoding, splitting, the fingerprint and a batch add at most 1.3 times the pixels."""
    number = 2_200  # so many that what waits to be written is little beside them
    data = write_many(tmp_path / "data", number)

    with run_load(data, tmp_path / "cache", 320) as process:
        printed, _ = process.communicate()

    before, after = map(int, printed.split())
    assert (after - before) * 1024 <= 1.3 * number * 320 * 320 * 3


def test_splits_share_the_mapped_pixels(tmp_path: Path) -> None:
    """No split copies them, and torch says nothing of memory that may not be written to."""
    data = write_folder(tmp_path / "data", per_class=6)

    dataset = load(f"folder:{data}", cache=tmp_path / "cache", limit_train=9)

    assert dataset.train.pool.data_ptr() == dataset.test.pool.data_ptr()
    assert dataset.train.take(torch.arange(3)).pool.data_ptr() == dataset.train.pool.data_ptr()
    assert len(dataset.train) == 9


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path, place: str) -> None:
    """The message gives the size and the flag."""
    data = write_folder(tmp_path / "data", per_class=6)
    (tmp_path / "file").write_text("")

    with pytest.raises(DataError, match=r"cannot keep decoded pictures .* GB: free .*--cache"):
        load(f"folder:{data}", cache=tmp_path / place)


def test_decoding_processes_load_no_torch() -> None:
    """Each would take hundreds of megabytes and seconds to start."""
    code = "import sys, training.data.decode, training.__main__; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
