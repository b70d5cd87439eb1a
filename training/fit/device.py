"""What this machine has, and how to make it compute the same each time."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from training.errors import ConfigError
from training.settings.sections import RunSettings

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def resolve(settings: RunSettings) -> RunSettings:
    """Replace every `auto` by what this machine has, so that the run can store it.

    Raises:
        ConfigError: CUDA is asked for and there is none.
    """
    has_cuda = torch.cuda.is_available()
    if settings.device == "cuda" and not has_cuda:
        message = "device cuda was asked for, but torch finds no usable GPU"
        raise ConfigError(message)
    device = ("cuda" if has_cuda else "cpu") if settings.device == "auto" else settings.device
    precision = settings.precision
    if precision == "auto":
        precision = "bfloat16" if _multiplies_bfloat16(device) else "float32"
    threads = settings.threads or torch.get_num_threads()
    return settings.model_copy(
        update={"device": device, "precision": precision, "threads": threads}
    )


def make_deterministic(settings: RunSettings) -> None:
    """Fix threads and algorithms: on one CPU the seed then decides every bit.

    On CUDA a kernel without a deterministic form warns and is used all the same.
    """
    torch.set_num_threads(settings.threads or 1)
    _keep_freed_memory()
    if settings.device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    # By default every new array is first filled with NaN, to show what reads it too early: a tenth
    # of a step, and a sixth of one of backpropagation (17 layers, one thread).
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Count denormal numbers as 0 for a while.

    The statistics of channels that are never active decay to such numbers, and products with them
    take ten times as long.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Run what lies within in bfloat16 if so asked: the convolutions, not the readout."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _keep_freed_memory() -> None:
    """Let glibc keep what a step has freed, for the next one: its pages need no zeroing again.

    Without that every activity is mapped anew, and a step takes a fifth longer (Linux, one
    thread). Elsewhere there is no such setting, and nothing happens.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if set_option is not None:
        set_option(_M_MMAP_MAX, 0)
        set_option(_M_TRIM_THRESHOLD, 2**31 - 1)


def _multiplies_bfloat16(device: str) -> bool:
    """Tell whether bfloat16 pays: elsewhere it is emulated and slower than float32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001  there is no public name
