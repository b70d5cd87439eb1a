"""The ways to send a picture: raw, as a form, as JSON, asking why, and to `POST /explain`."""

import base64
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FormName = Literal["raw", "multipart", "json", "explain", "evidence"]
FORMS: tuple[FormName, ...] = ("raw", "multipart", "json", "explain", "evidence")

_BOUNDARY = "benchmark-6f1f6f2"


@dataclass(frozen=True)
class Message:
    """What is sent, in turn: `bodies` to `path`, declared as `content_type`."""

    path: str
    content_type: str
    bodies: tuple[bytes, ...]


def message(form: FormName, pictures: list[bytes], content_type: str) -> Message:
    """Wrap pictures, all of one media type, in one of the forms."""
    match form:
        case "raw":
            return Message("/predict", content_type, tuple(pictures))
        case "explain":
            return Message("/predict?explain=true", content_type, tuple(pictures))
        case "evidence":
            return Message("/explain", content_type, tuple(pictures))
        case "multipart":
            declared = f"multipart/form-data; boundary={_BOUNDARY}"
            parts = tuple(_part(picture, content_type) for picture in pictures)
            return Message("/predict", declared, parts)
        case "json":
            return Message("/predict", "application/json", tuple(map(_json, pictures)))


@contextmanager
def written(bodies: tuple[bytes, ...]) -> Iterator[list[Path]]:
    """Lay bodies down as files for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="goodserve-bodies-") as folder:
        paths = [Path(folder) / str(number) for number in range(len(bodies))]
        for path, body in zip(paths, bodies, strict=True):
            path.write_bytes(body)
        yield paths


def _part(picture: bytes, content_type: str) -> bytes:
    """Write the form that `curl -F image=@picture` sends."""
    head = (
        f"--{_BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="image"; filename="picture"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    return head.encode() + picture + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _json(picture: bytes) -> bytes:
    return json.dumps({"images": [base64.b64encode(picture).decode()]}).encode()
