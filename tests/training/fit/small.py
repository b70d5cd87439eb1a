"""The settings of a run that takes a second."""

from pathlib import Path
from typing import Any

from training.settings.fit import FitSettings
from training.settings.load import load_settings


def settings(data: Path, **changes: Any) -> FitSettings:
    """Ask for a small run."""
    small = {
        "epochs": 2,
        "batch_size": 8,
        "widths": (8,),
        # The only layer: whitened, it would have no convolution to learn.
        "stem": "learned",
        "pool_before": (1,),
        "regions": 2,
        "image_size": 16,
        "threads": 1,
        "precision": "float32",
    }
    return load_settings({"data": f"folder:{data}", **small, **changes})
