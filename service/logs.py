"""How the service logs: to stderr, as text or as JSON, each line with its request."""

import json
import logging
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime

from service.settings import Settings

# Of the request that is being answered; empty outside of one.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")

_OURS = ("goodserve", "uvicorn", "uvicorn.error", "uvicorn.access")
# Who changed what: logged whatever the level is.
AUDIT = "goodserve.audit"
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s%(of_request)s"


def configure_logging(settings: Settings) -> None:
    """Log to stderr in this process; libraries beside the server say what is wrong, no more."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else _Text(_TEXT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(settings.log_level.upper())
    logging.getLogger(AUDIT).setLevel(logging.INFO)


def _request_of(record: logging.LogRecord) -> str:
    """Give the request that a record names, as threads of no request do, or that it is within."""
    return str(getattr(record, "request_id", "")) or REQUEST_ID.get()


class _Text(logging.Formatter):
    """Lines for people; a request's number stands at the end."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        found = _request_of(record)
        record.of_request = f" [{found}]" if found else ""
        return super().format(record)


class JsonLines(logging.Formatter):
    """One JSON object per record: time, level, logger, message, request_id, exception.

    What a record has as `fields` is added.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write one record; an exception's traceback is one text in it."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if found := _request_of(record):
            line["request_id"] = found
        line |= getattr(record, "fields", {})
        if record.exc_info is not None:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return json.dumps(line, ensure_ascii=False)
