"""Settings of a run that takes a second."""

from pathlib import Path

from training.settings.fit import FitSettings
from training.settings.load import load_settings


def fit_settings(data: Path | None = None, **changes: object) -> FitSettings:
    """Give the settings of a small network with a shortcut; `changes` by flat name."""
    small = {
        "data": f"folder:{data or 'nowhere'}",
        "widths": (8, 8, 12),
        "pool_before": (3,),
        "regions": 2,
        "image_size": 16,
        "epochs": 2,
        "batch_size": 8,
        "precision": "float32",
        "device": "cpu",
        "threads": 1,
    }
    return load_settings(small | changes)
