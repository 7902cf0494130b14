"""The worker's log: which request a record is about, and records as JSON where that is asked for.

BentoML has set up the handlers; a filter and a formatter are put into them when a worker starts.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from service.wire.context import CURRENT

_LOGGERS = (None, "bentoml", "uvicorn.error")
_RARELY_SECONDS = 60.0
_RARELY_MESSAGES = 100


class RequestFilter(logging.Filter):
    """Adds the request's id and trace to the records that are made while it is answered."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = CURRENT.get()
        if current is None or not current.id:
            return True
        request_id, trace = current.id.decode(), current.trace()
        said = f" (request={request_id},trace={trace[0]},span={trace[1]})" if trace else f" (request={request_id})"
        record.__dict__.update(trueline_request_id=request_id, trueline_trace=trace, trace_msg=said)
        return True


class Rarely(logging.Filter):
    """Lets a message of the HTTP server through once a minute, and says how many were like it meanwhile.

    uvicorn warns of each request that is no HTTP: whoever can connect could fill the disk with it.

    Args:
        seconds: from one to the next. Defaults to 60.
    """

    def __init__(self, seconds: float = _RARELY_SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        # When a message may come again, and how often it did not.
        self._seen: dict[str, tuple[float, int]] = {}

    def __len__(self) -> int:
        """How many messages are remembered."""
        return len(self._seen)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        now = time.monotonic()
        due, dropped = self._seen.get(str(record.msg), (now, 0))
        if now < due:
            self._seen[str(record.msg)] = due, dropped + 1
            return False
        if len(self._seen) >= _RARELY_MESSAGES:
            self._seen.clear()
        self._seen[str(record.msg)] = now + self._seconds, 0
        if dropped:
            record.msg = f"{record.msg} ({dropped} more like it since the last line.)"
        return True


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message; then the request's ids, fields and traceback, if any."""

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
    """Put filter and formatter into the handlers that there are; a second time changes nothing."""
    # uvicorn puts a line together for every answer as long as any handler could take it, also where its level then
    # throws the line away, as BentoML's does. Trueline's own access log is `service.wire.observe`.
    access = logging.getLogger("uvicorn.access")
    access.propagate = False
    access.handlers.clear()
    # BentoML logs a line for each answer of its own paths; that, too, is for Trueline's access log to do.
    logging.getLogger("bentoml.access").setLevel(logging.WARNING)
    server = logging.getLogger("uvicorn.error")
    if not any(isinstance(f, Rarely) for f in server.filters):
        server.addFilter(Rarely())
    if server.handlers:
        server.propagate = False  # BentoML gives it a handler and the root one more: each line came twice
    handlers = {handler for name in _LOGGERS for handler in logging.getLogger(name).handlers}
    for handler in handlers:
        if type(handler) is not logging.StreamHandler:
            continue
        if not any(isinstance(f, RequestFilter) for f in handler.filters):
            handler.addFilter(RequestFilter())
        if log_format == "json":
            handler.setFormatter(JSONFormatter())
