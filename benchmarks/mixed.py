"""Every way to ask, and odd inputs between: what a service meets in its life."""

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.forms import FORMS, message

V2 = "v2"
ODD = "odd"
KINDS = (*FORMS, V2, ODD)


class Ask(NamedTuple):
    """One request.

    Attributes:
        kind: one of `KINDS`.
        path: with its query.
        content_type: that is declared.
        body: as sent.
        picture: which of the pictures it holds; None: an odd input, to be refused.
    """

    kind: str
    path: str
    content_type: str
    body: bytes
    picture: int | None


def mixed(files: Sequence[bytes], name: str) -> list[Ask]:
    """Make requests that take turns: each PNG in each form, and an odd input after each.

    Args:
        files: PNGs.
        name: of the model that the Open Inference Protocol names.
    """
    odd = list(_odd(files[0]))
    found = []
    for picture, file in enumerate(files):
        for form in FORMS:
            sent = message(form, [file], "image/png")
            found.append(Ask(form, sent.path, sent.content_type, sent.bodies[0], picture))
        path = f"/v2/models/{name}/infer"
        found.append(Ask(V2, path, "application/json", _infer(file), picture))
        found.append(odd[picture % len(odd)])
    return found


def _infer(file: bytes) -> bytes:
    """Write an inference request for one file that asks for its scores."""
    data = base64.b64encode(file).decode()
    tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "data": [data]}
    return json.dumps({"inputs": [tensor], "outputs": [{"name": "scores"}]}).encode()


def _odd(file: bytes) -> Iterator[Ask]:
    """Make what must be refused: damaged, no picture, too large, an unknown option, and so on."""
    png = "image/png"
    yield Ask(ODD, "/predict", png, file[: len(file) // 2], None)
    yield Ask(ODD, "/predict", png, b"no picture", None)
    yield Ask(ODD, "/predict", png, _bomb(), None)
    yield Ask(ODD, "/predict?top_k=none", png, file, None)
    yield Ask(ODD, "/predict", "application/json", b'{"images": [' * 50, None)
    yield Ask(ODD, "/predict", "multipart/form-data; boundary=x", b"--x\r\nno part", None)
    yield Ask(ODD, "/explain?layer=none", png, file, None)
    yield Ask(ODD, "/models/none/predict", png, file, None)
    yield Ask(ODD, "/v2/models/none/infer", "application/json", b"{}", None)
    yield Ask(ODD, "/predict", png, b"", None)


def _bomb() -> bytes:
    """Write a PNG that claims to be 60,000 pixels wide and high."""
    header = struct.pack(">2I5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
