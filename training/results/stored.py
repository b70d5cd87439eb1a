"""Files of tensors: written whole or not at all, and read without running what is in them."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from model.artifact.files import write_atomically
from training.errors import CheckpointError

# Of the files in a run's folder. Format 1 had flat settings and untyped results; format 3 knew one
# optimizer and no whitened stem; format 4 as many convolutions in every layer; format 5 resized no
# authors' files; format 6 drew pictures for validation and test by their places.
FORMAT = 7
_READ = {3, 4, 5, 6, FORMAT}


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Replace a file by what is in `content`, atomically, with the format's number.

    Raises:
        CheckpointError: the disk is full or cannot be written; the file is then as it was.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        size = len(buffer.getvalue())
        message = (
            f"{path} could not be written ({error.strerror}, {size:,} bytes): the file is as it "
            "was; make room, then go on with fit --resume"
        )
        raise CheckpointError(message) from error


def load_tensors(path: Path, remedy: str) -> dict[str, Any]:
    """Read a file that `save_tensors` wrote, onto the CPU.

    Args:
        path: of the file.
        remedy: what to do if it is damaged.

    Raises:
        CheckpointError: the file is damaged, or of another format.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        # torch's own message advises weights_only=False, which would run code from the file.
        message = f"{path} is damaged: it holds no tensors that can be read; {remedy}"
        raise CheckpointError(message) from error
    if not isinstance(content, dict):
        message = f"{path} is damaged: it holds no checkpoint; {remedy}"
        raise CheckpointError(message)
    check_format(path, content.pop("format", 1))
    return content


def check_format(path: Path, found: object) -> None:
    """Refuse a run's file of another format.

    Raises:
        CheckpointError: older and newer versions of goodserve wrote it otherwise.
    """
    if found not in _READ:
        *others, last = sorted(_READ)
        read = f"{', '.join(map(str, others))} and {last}"
        message = (
            f"{path} is of format {found}, this version of goodserve reads {read}; "
            "train the run anew in another folder, or use the version that wrote it"
        )
        raise CheckpointError(message)
