"""A multipart body taken apart by python-multipart, in memory: its size is limited already."""

from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import BadRequestError, TooLargeError

_LONGEST_FIELD_BYTES = 1024
_LONGEST_HEADER_BYTES = 8192


@dataclass
class Part:
    """One part of a form.

    Attributes:
        name: of the field.
        is_file: whether it has a filename.
        content: its bytes.
    """

    name: str
    is_file: bool
    content: bytes


@dataclass
class _Collector:
    """Receives the parser's callbacks and collects parts; raises as soon as there are too many."""

    max_files: int
    max_fields: int
    parts: list[Part] = field(default_factory=list)
    is_complete: bool = False
    _header_name: bytes = b""
    _header_value: bytes = b""
    _disposition: bytes = b""
    _pieces: list[bytes] = field(default_factory=list)

    def callbacks(self) -> dict[str, object]:
        """Name the callbacks as python-multipart does."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._name_piece,
            "on_header_value": self._value_piece,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._disposition, self._pieces = b"", []
        self._header_name = self._header_value = b""

    def _name_piece(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]
        self._check_header()

    def _value_piece(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._check_header()

    def _check_header(self) -> None:
        if len(self._header_name) + len(self._header_value) > _LONGEST_HEADER_BYTES:
            why = f"a part's header has over {_LONGEST_HEADER_BYTES} bytes"
            raise _malformed(why)

    def _header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def _part_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            why = "a part has no Content-Disposition with a name"
            raise _malformed(why)
        name = options[b"name"].decode(errors="replace")
        part = Part(name, b"filename" in options, b"".join(self._pieces))
        self.parts.append(part)
        self._check_number()
        if not part.is_file and len(part.content) > _LONGEST_FIELD_BYTES:
            why = f"the field {name[:50]!r} has over {_LONGEST_FIELD_BYTES} bytes"
            raise _malformed(why)

    def _check_number(self) -> None:
        files = sum(part.is_file for part in self.parts)
        if files > self.max_files:
            detail = f"the limit is {self.max_files} images; send several requests"
            raise TooLargeError("too-many-images", detail)
        if len(self.parts) - files > self.max_fields:
            why = f"it has over {self.max_fields} fields beside the images"
            raise _malformed(why)

    def _end(self) -> None:
        self.is_complete = True


def parse_multipart(content_type: str, data: bytes, max_files: int, max_fields: int) -> list[Part]:
    """Take a form apart.

    Args:
        content_type: the header's value, which names the boundary.
        data: the whole body.
        max_files: parts with a filename.
        max_fields: parts without.

    Raises:
        BadRequestError: no boundary, or not a whole form.
        TooLargeError: too many files.
    """
    _, options = parse_options_header(content_type)
    if b"boundary" not in options:
        why = "its Content-Type names no boundary"
        raise _malformed(why)
    collector = _Collector(max_files, max_fields)
    try:
        parser = MultipartParser(options[b"boundary"], collector.callbacks())  # type: ignore[arg-type]
        parser.write(data)  # in one piece, so that the usual part is one slice of it
        parser.finalize()
    except (MultipartParseError, ValueError) as error:
        raise _malformed(str(error)) from error
    if not collector.is_complete:
        why = "its closing boundary is missing"
        raise _malformed(why)
    return collector.parts


def _malformed(why: str) -> BadRequestError:
    return BadRequestError("malformed-multipart", f"the multipart body is malformed: {why}")
