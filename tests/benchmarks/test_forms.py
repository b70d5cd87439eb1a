"""The forms carry the pictures unchanged."""

import base64
import io
import json

from python_multipart.multipart import File, parse_form

from benchmarks.forms import message, written

PICTURES = [b"\x89PNG\r\n\x1a\n first", b"second"]


def test_raw_bodies_are_the_pictures() -> None:
    """Nothing is added, and the media type is the picture's."""
    sent = message("raw", PICTURES, "image/png")

    assert (sent.path, sent.content_type) == ("/predict", "image/png")
    assert sent.bodies == tuple(PICTURES)


def test_evidence_asks_another_path() -> None:
    """The same body, of which the scores are taken apart by position."""
    assert message("evidence", PICTURES, "image/png").path == "/explain"


def test_explain_asks_in_the_query() -> None:
    """The body is the raw one."""
    sent = message("explain", PICTURES, "image/png")

    assert sent.path == "/predict?explain=true"
    assert sent.bodies == tuple(PICTURES)


def test_json_bodies_hold_base64() -> None:
    """One picture in the list of images."""
    sent = message("json", PICTURES, "image/png")

    images = [json.loads(body)["images"] for body in sent.bodies]

    assert sent.content_type == "application/json"
    assert images == [[base64.b64encode(picture).decode()] for picture in PICTURES]


def test_forms_hold_the_picture_as_a_file() -> None:
    """A parser that is not ours finds one file with the picture's bytes."""
    sent = message("multipart", PICTURES, "image/png")
    files: list[tuple[bytes | None, bytes]] = []

    def take(file: File) -> None:
        file.file_object.seek(0)
        files.append((file.field_name, file.file_object.read()))

    headers = {"Content-Type": sent.content_type.encode()}
    for body in sent.bodies:
        parse_form(headers, io.BytesIO(body), None, take)

    assert files == [(b"image", picture) for picture in PICTURES]


def test_written_bodies_are_gone_afterwards() -> None:
    """Each body is a file of its own for as long as the block lasts."""
    with written((b"first", b"second")) as paths:
        contents = [path.read_bytes() for path in paths]

    assert contents == [b"first", b"second"]
    assert not any(path.exists() for path in paths)
