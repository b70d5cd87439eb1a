"""Named sets of settings, which a TOML file and flags override one by one.

`docs/model.md` says of each where it comes from, and how it differs from there.
"""

from collections.abc import Mapping
from typing import Any, Literal

from training.errors import ConfigError

PresetName = Literal[
    "fast", "default", "best", "residual17", "caw-resnet17", "deeper-forward", "cwcomp"
]
Preset = Mapping[str, Mapping[str, Any]]

# A stem and four stages of four layers, as a ResNet-18 has them without its classifier.
_RESNET_17 = {
    "widths": (100,) * 5 + (200,) * 4 + (400,) * 4 + (800,) * 4,
    "pool_before": (6, 10, 14),
    "stage_pooling": "average",
    "concatenate": True,
    "activity_norm": "none",
    "regions": 1,
    "stem": "learned",
}
_CROSS_ENTROPY_ALONE = {
    "entropy": {"weight": 0.0},
    "orthogonality": {"weight": 0.0},
    "similarity": {"weight": 0.0},
}
# The schedule, rate, batch and length of the code of arXiv 2606.09928.
_CAW_OPTIMISER = {
    "optimizer": "adamw",
    "epochs": 150,
    "batch_size": 128,
    "learning_rate": 0.03,
    "warmup_fraction": 0.0,
    "schedule": "cosine",
    "final_rate": 0.1,
    "weight_decay": 0.0,
    "freeze_after": (),
    "assignment_rate": 1.0,
}

PRESETS: Mapping[PresetName, Preset] = {
    "fast": {"optimiser": {"epochs": 8}},
    "default": {},
    # What gave the best result so far on CIFAR-10 (docs/results.md), for longer: all layers but the
    # stem have two convolutions.
    "best": {
        "data": {"cutout": 8},
        "network": {"widths": (64, 128, 208, 256), "convolutions": (1, 2)},
        "objective": {"label_smoothing": 0.1, "terms": {"similarity": {"weight": 0.0}}},
        "optimiser": {"epochs": 60, "freeze_after": (0.1, 0.8)},
    },
    # Our own rule in a deep network, where adding a layer's input brings two points.
    "residual17": {
        "network": {
            "widths": (32,) * 5 + (64,) * 4 + (128,) * 4 + (256,) * 4,
            "pool_before": (6, 10, 14),
        },
    },
    # arXiv 2606.09928: learnable assignment in a residual network of 17 layers.
    "caw-resnet17": {
        "network": _RESNET_17
        | {
            "input_norm": "instance",
            "pooling": (0.94, 0.06, -0.05),
            "readout": "plain",
            "assignment": "tempered",
            "assignment_temperature": 10.0,
            "temperature_decay": 0.995,
        },
        "objective": {
            "label_smoothing": 0.1,
            "terms": _CROSS_ENTROPY_ALONE
            | {
                "column_entropy": {"weight": 1e-2},
                # It rises over 50 of the 150 epochs.
                "orthogonality": {"weight": 1e-3, "warmup": 1 / 3},
            },
        },
        "optimiser": _CAW_OPTIMISER | {"max_gradient_norm": 1.0},
    },
    # DeeperForward (ICLR 2025): mean goodness of a fixed partition, layer norm in between.
    "deeper-forward": {
        "network": _RESNET_17 | {"input_norm": "layer", "readout": "mean", "assignment": "fixed"},
        "objective": {"terms": _CROSS_ENTROPY_ALONE},
        "optimiser": _CAW_OPTIMISER,
    },
    # CwComp (AAAI 2024): mean squared activity of a fixed partition, four layers.
    "cwcomp": {
        "network": {
            "widths": (20, 80, 240, 480),
            "pool_before": (3,),
            "regions": 1,
            "shortcut": False,
            "squared": True,
            "readout": "mean",
            "assignment": "fixed",
            "stem": "learned",
        },
        "objective": {"terms": _CROSS_ENTROPY_ALONE},
        "optimiser": {
            "optimizer": "adamw",
            "epochs": 25,
            "batch_size": 128,
            "learning_rate": 0.01,
            "warmup_fraction": 0.0,
            "final_rate": 1.0,
            "weight_decay": 0.0,
            # The first three layers stop after 11, 16 and 21 epochs.
            "freeze_after": (0.44, 0.64, 0.84),
        },
    },
}


def preset_named(name: object) -> Preset:
    """Give a preset's settings by section; without a name none.

    Raises:
        ConfigError: there is no preset of that name.
    """
    if name is None:
        return {}
    found = next((preset for known, preset in PRESETS.items() if known == name), None)
    if found is None:
        message = f"there is no preset {name!r}; known are {', '.join(PRESETS)}"
        raise ConfigError(message)
    return found
