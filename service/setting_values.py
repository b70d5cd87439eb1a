"""The kinds of values that settings take, and what is wrong with those that could mean nothing."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from model.artifact.place import Place

# Scheme, host and port as a browser sends them: no path, not even a slash.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")


def _named(given: object) -> object:
    """Refuse an empty text, as of an unset variable: it would be every host, or the folder `.`."""
    if isinstance(given, str) and not given.strip():
        message = "it is empty; name one, or leave the setting out"
        raise ValueError(message)
    return given


def listed(given: str) -> list[str]:
    """Take a text apart at its commas."""
    return [part.strip() for part in given.split(",") if part.strip()]


def _origins(given: str) -> str:
    for origin in listed(given):
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            message = f"{origin!r} is no origin such as https://shop.example, without a path"
            raise ValueError(message)
    return given


def _proxies(given: str) -> str:
    for proxy in listed(given):
        if proxy == "*":
            continue
        try:
            ip_network(proxy)
        except ValueError as error:
            message = f"{proxy!r} is no address or network: {error}"
            raise ValueError(message) from error
    return given


NamedText = Annotated[str, BeforeValidator(_named)]
NamedPath = Annotated[Path, BeforeValidator(_named)]
NamedPlace = Annotated[Place, BeforeValidator(_named)]
Origins = Annotated[str, AfterValidator(_origins)]
Proxies = Annotated[str, AfterValidator(_proxies)]
