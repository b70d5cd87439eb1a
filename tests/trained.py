"""Small models, trained and exported for real, in seconds."""

from dataclasses import dataclass
from pathlib import Path

from model.artifact.manifest import Manifest
from tests.pictures import write_folder


@dataclass(frozen=True)
class SmallModel:
    """An exported model on three colours, and the run it came from."""

    run: Path
    model: bytes
    manifest: Manifest
    graphs: dict[str, bytes]

    @property
    def published(self) -> tuple[bytes, Manifest, dict[str, bytes]]:
        """Give what `ModelRepository.publish` takes."""
        return self.model, self.manifest, self.graphs


def train_small_model(folder: Path, seed: int, image_size: int = 16) -> SmallModel:
    """Train on drawn pictures by the real command line, and read what it exported."""
    from training.__main__ import main  # noqa: PLC0415  torch, which not every test needs

    data = folder / "colours"
    if not data.exists():
        write_folder(data, per_class=24)
    run = folder / f"run-{seed}-{image_size}"
    settings = (
        "--epochs 2 --batch-size 16 --widths 8,12 --pool-before 2 --regions 2 --quiet "
        f"--precision float32 --threads 1 --image-size {image_size} --seed {seed}"
    )
    assert main(["fit", f"folder:{data}", "--run", str(run), *settings.split()]) == 0
    assert main(["export", "--run", str(run)]) == 0
    export = run / "export"
    manifest = Manifest.model_validate_json((export / "manifest.json").read_bytes())
    graphs = {name: (export / name).read_bytes() for name in manifest.graphs}
    return SmallModel(run, (export / "model.onnx").read_bytes(), manifest, graphs)
