"""Counts what XLA compiles, by JAX's own events."""

from __future__ import annotations

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"


def compiles_from_now_on() -> list[float]:
    """The seconds of each compilation of JAX from now on; the list grows as they happen."""
    seconds: list[float] = []

    def note(event: str, duration: float, **_: object) -> None:
        if event == _EVENT:
            seconds.append(duration)

    jax.monitoring.register_event_duration_secs_listener(note)
    return seconds
