"""The page's files, read once, and the answers that carry them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from fastapi import Response

FOLDER = Path(__file__).parent / "static"

# All that the page loads comes from here, and nothing of it is written into the HTML: a label that
# contains markup stays text, even if a line of ours forgot to treat it so.
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# `no-cache`: keep it, but ask each time. After an update no old script meets a new page.
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class PageFile:
    """One file: its bytes, their type, and the ETag that changes with them."""

    content: bytes
    media_type: str
    etag: str


def read_files(folder: Path = FOLDER) -> Mapping[str, PageFile]:
    """Read the files of a folder, by name; those of types that the page has no use for stay out."""
    return {
        path.name: _read(path) for path in sorted(folder.iterdir()) if path.suffix in _MEDIA_TYPES
    }


def _read(path: Path) -> PageFile:
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return PageFile(content, _MEDIA_TYPES[path.suffix], etag)


def respond(file: PageFile, if_none_match: str = "") -> Response:
    """Answer with a file; with 304 and no body, if the caller has it already.

    Args:
        file: what was asked for.
        if_none_match: the request's header of this name.
    """
    headers = {**_HEADERS, "ETag": file.etag}
    if is_held(file.etag, if_none_match):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)


def is_held(etag: str, if_none_match: str) -> bool:
    """Tell whether an If-None-Match header lists this ETag, weakly compared (RFC 9110, 13.1.2)."""
    listed = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return etag in listed or "*" in listed
