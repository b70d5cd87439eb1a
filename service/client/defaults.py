"""What clients have in common before they are told anything."""

from importlib.metadata import version

import httpx

from service.client.named import key_header

URL = "http://127.0.0.1:8000"
CONCURRENCY = 8
BATCH_SIZE = 16
# Of httpx, not a limit of ours: how many requests go at once is said by call.
CONNECTIONS = httpx.Limits(max_connections=None, max_keepalive_connections=256)


def headers(api_key: str | None) -> dict[str, str]:
    """Say who asks.

    Raises:
        ValueError: no header can carry the key.
        TypeError: it is no text.
    """
    named = {"User-Agent": f"goodserve-client/{version('goodserve')}"}
    return named if api_key is None else {**named, "Authorization": key_header(api_key)}
