"""Clients cannot fill the worker's log."""

from __future__ import annotations

import logging

import pytest

from service.process.logs import RepeatFilter


def record(message: str, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("uvicorn.error", level, "", 0, message, (), None)


def test_a_message_comes_once_a_minute_and_says_how_many_were_like_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("service.process.logs.time.monotonic", lambda: now)
    rarely = RepeatFilter()
    assert [rarely.filter(record("Invalid HTTP request received.")) for _ in range(500)] == [True] + [False] * 499
    assert rarely.filter(record("Unsupported upgrade request."))
    assert all(rarely.filter(record("Started", level)) for level in (logging.INFO, logging.ERROR) for _ in range(3))
    now = 1061.0
    again = record("Invalid HTTP request received.")
    assert rarely.filter(again)
    assert again.getMessage() == "Invalid HTTP request received. (499 equal messages since the last line.)"
    assert not rarely.filter(record("Invalid HTTP request received."))


def test_many_messages_are_not_all_kept() -> None:
    rarely = RepeatFilter()
    for i in range(1000):
        rarely.filter(record(f"warning {i}"))
    assert len(rarely) <= 100
