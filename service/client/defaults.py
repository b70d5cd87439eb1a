"""What clients have in common before they are told anything."""

from importlib.metadata import version

import httpx

URL = "http://127.0.0.1:8000"
CONCURRENCY = 8
BATCH_SIZE = 16
# Of httpx, not a limit of ours: how many requests go at once is said by call.
CONNECTIONS = httpx.Limits(max_connections=None, max_keepalive_connections=256)


def headers(api_key: str | None) -> dict[str, str]:
    """Say who asks."""
    named = {"User-Agent": f"goodserve-client/{version('goodserve')}"}
    return named if api_key is None else {**named, "Authorization": f"Bearer {api_key}"}
