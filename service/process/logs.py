"""The worker's log: each record names the request it is about, and is JSON where the settings ask for JSON.

BentoML sets up the handlers. When a worker starts, it adds a filter and a formatter to them.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from service.wire.context import CURRENT

_LOGGERS = (None, "bentoml", "uvicorn.error")
_REPEAT_SECONDS = 60.0
_REMEMBERED_MESSAGES = 100


class RequestFilter(logging.Filter):
    """Adds a request's id and trace to the records that are made while the request is answered."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = CURRENT.get()
        if current is None or not current.id:
            return True
        request_id, trace = current.id.decode(), current.trace()
        label = f" (request={request_id},trace={trace[0]},span={trace[1]})" if trace else f" (request={request_id})"
        record.__dict__.update(trueline_request_id=request_id, trueline_trace=trace, trace_msg=label)
        return True


class RepeatFilter(logging.Filter):
    """Lets each message of the HTTP server through once a minute, with the number of equal ones in between.

    uvicorn warns of each request that is not HTTP: anybody who can connect could fill the disk with these lines.

    Args:
        seconds: shortest time between two equal messages. Defaults to 60.
    """

    def __init__(self, seconds: float = _REPEAT_SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        # For each message: the time from which it may come again, and how often it was dropped.
        self._seen: dict[str, tuple[float, int]] = {}

    def __len__(self) -> int:
        """The number of messages that are remembered."""
        return len(self._seen)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        now = time.monotonic()
        due, dropped = self._seen.get(str(record.msg), (now, 0))
        if now < due:
            self._seen[str(record.msg)] = due, dropped + 1
            return False
        if len(self._seen) >= _REMEMBERED_MESSAGES:
            self._seen.clear()
        self._seen[str(record.msg)] = now + self._seconds, 0
        if dropped:
            record.msg = f"{record.msg} ({dropped} equal messages since the last line.)"
        return True


class JSONFormatter(logging.Formatter):
    """Writes a record as one line of JSON: time, level, logger, message; then ids, fields and a traceback, if any."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if (request_id := getattr(record, "trueline_request_id", None)) is not None:
            line["request_id"] = request_id
        if (trace := getattr(record, "trueline_trace", None)) is not None:
            line["trace_id"], line["span_id"] = trace
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure(log_format: Literal["text", "json"]) -> None:
    """Add the filter and the formatter to every handler that exists; a second call changes nothing."""
    # Without handlers uvicorn composes no line for an answer. With BentoML's handler it would compose one each time,
    # and the handler's level would drop it. Trueline's own access log is `service.wire.observe`.
    access = logging.getLogger("uvicorn.access")
    access.propagate = False
    access.handlers.clear()
    # BentoML logs a line for each answer of its own paths; Trueline's access log does this too.
    logging.getLogger("bentoml.access").setLevel(logging.WARNING)
    server = logging.getLogger("uvicorn.error")
    if not any(isinstance(f, RepeatFilter) for f in server.filters):
        server.addFilter(RepeatFilter())
    if server.handlers:
        server.propagate = False  # this logger and the root have a handler each: a line would be written twice
    handlers = {handler for name in _LOGGERS for handler in logging.getLogger(name).handlers}
    for handler in handlers:
        if type(handler) is not logging.StreamHandler:
            continue
        if not any(isinstance(f, RequestFilter) for f in handler.filters):
            handler.addFilter(RequestFilter())
        if log_format == "json":
            handler.setFormatter(JSONFormatter())
