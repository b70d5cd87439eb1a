"""What running services say of a version, for the commands on their repository."""

import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path

from model.artifact.version import VersionId
from service.running import running_services

_TIMEOUT_S = 2.0
_MOST_BYTES = 16 << 20


def said_of(version: VersionId, repository: str, folder: Path) -> list[str]:
    """Ask this user's services of a repository for a version's state: a line from each.

    Args:
        version: to ask about.
        repository: its place, as the services were told it.
        folder: with the services' records.
    """
    urls = [each.url for each in running_services(folder) if each.repository == repository]
    return [f"the service at {url} {_state(version, url)}" for url in urls if url is not None]


def _state(version: VersionId, url: str) -> str:
    try:
        with urllib.request.urlopen(f"{url}/models", timeout=_TIMEOUT_S) as answer:  # noqa: S310
            listed = json.loads(answer.read(_MOST_BYTES))["versions"]
        (found,) = (each for each in listed if (each["name"], each["version"]) == _pair(version))
    except urllib.error.HTTPError as error:
        return f"does not say what it makes of it: status {error.code}"
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return "does not say what it makes of it"
    reason = found.get("refused")
    return f"says: {found.get('state')}" + (f": {reason}" if reason else "")


def _pair(version: VersionId) -> tuple[str, str]:
    return version.name, version.version
