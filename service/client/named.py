"""What a caller names, held against what a URL or a header can carry: before anything is sent."""

# A path with one of these leads elsewhere once it is put together.
_STEPS = {".", ".."}


def name_in_path(what: str, name: str) -> str:
    """Take the name of a model or a label.

    Raises:
        ValueError: in a URL it would name something else.
        TypeError: it is no text.
    """
    _check_text(what, name)
    if not name or "/" in name or name in _STEPS:
        message = f"{what} {name!r} names nothing: it is empty, or leads elsewhere in a URL's path"
        raise ValueError(message)
    return name


def version_in_path(version: int | str) -> tuple[str, bool]:
    """Take a version, and tell a number from a label.

    Raises:
        ValueError: in a URL it would name something else.
        TypeError: it is neither a number nor text.
    """
    if isinstance(version, bool) or not isinstance(version, int | str):
        message = f"version is a number or a label, not {type(version).__name__}"
        raise TypeError(message)
    if isinstance(version, int):
        return str(version), True
    return name_in_path("version", version), version.isdigit()


def header(what: str, text: str) -> bytes:
    """Take text that goes into a header; blanks around it are no part of one.

    Raises:
        ValueError: it holds line ends, other control characters, or half characters.
        TypeError: it is no text.
    """
    _check_text(what, text)
    stripped = text.strip()
    # The text is not told: it may be a secret, and errors end up in logs.
    if any(character < " " or character == "\x7f" for character in stripped):
        message = f"{what} holds line ends or other control characters, which no header can carry"
        raise ValueError(message)
    try:
        # As bytes: httpx sends text as ASCII alone.
        return stripped.encode()
    except UnicodeEncodeError:
        message = f"{what} holds characters that UTF-8 does not have"
        raise ValueError(message) from None


def key_header(api_key: str) -> str:
    """Word who asks; a line end behind the key, as files have, is no part of it.

    Raises:
        ValueError: no header can carry it, or it is empty; without the key.
        TypeError: it is no text.
    """
    found = header("api_key", api_key)
    if not found or not found.isascii():
        why = "has characters beyond ASCII" if found else "is empty; leave it out to ask without"
        message = f"api_key {why}"
        raise ValueError(message)
    return f"Bearer {found.decode()}"


def _check_text(what: str, given: object) -> None:
    if not isinstance(given, str):
        message = f"{what} is text, not {type(given).__name__}"
        raise TypeError(message)
