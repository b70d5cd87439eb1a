"""Inference requests as the protocol's clients write them."""

import base64
import json
import struct
from typing import Any

import httpx
import numpy as np

from model.artifact.image import Pixels
from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from tests.pictures import coloured, encoded

_ACTIVE = ModelRepository(BUNDLED_REPOSITORY).active()
assert _ACTIVE is not None
BUNDLED_VERSION = _ACTIVE.version
JSON_LENGTH = "Inference-Header-Content-Length"
INFER = "/v2/models/colours/infer"
PIXELS: Pixels = np.stack(
    [
        np.asarray(coloured(label, seed, (16, 16)), np.uint8)
        for seed, label in enumerate(("red", "blue", "green"))
    ]
)
FILES = [encoded(coloured(label, seed)) for seed, label in enumerate(("red", "blue"))]


def pixel_input(pixels: Pixels = PIXELS, **fields: Any) -> dict[str, Any]:
    """Describe pixels as an input, without their data."""
    return {"name": "images", "shape": list(pixels.shape), "datatype": "UINT8", **fields}


def file_input(files: list[bytes], **fields: Any) -> dict[str, Any]:
    """Describe files as an input, without their data."""
    return {"name": "images", "shape": [len(files)], "datatype": "BYTES", **fields}


def texts(files: list[bytes]) -> list[str]:
    """Write files in base64."""
    return [base64.b64encode(file).decode() for file in files]


def elements(files: list[bytes]) -> bytes:
    """Write files as the binary extension does: each after its length."""
    return b"".join(struct.pack("<I", len(file)) + file for file in files)


def binary(tensor: dict[str, Any], tail: bytes, **fields: Any) -> tuple[bytes, dict[str, str]]:
    """Write a body whose data follows the JSON part; give it with its header."""
    described = {"parameters": {"binary_data_size": len(tail)}, **tensor}
    head = json.dumps({"inputs": [described], **fields}).encode()
    return head + tail, {JSON_LENGTH: str(len(head))}


def post_binary(
    client: httpx.Client, tensor: dict[str, Any], tail: bytes, **fields: Any
) -> httpx.Response:
    """Send a body whose data follows the JSON part."""
    body, headers = binary(tensor, tail, **fields)
    return client.post(INFER, content=body, headers=headers)


def outputs(answer: httpx.Response) -> dict[str, Any]:
    """Give the outputs' data, in JSON, by their names."""
    assert answer.status_code == 200, answer.text
    return {each["name"]: each["data"] for each in answer.json()["outputs"]}
