"""Entries of a deployment log: which version was live since when, who decided it, and why."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from artifact.gates.gate import GateResult

FORMAT = 1
# How a challenger takes part beside the champion.
Mode = Literal["none", "shadow", "canary"]
Action = Literal["promote", "rollback", "challenge", "carry-over"]


class Change(BaseModel):
    """The state that a writer wants from now on. The log adds number and nonce and makes an :class:`Entry` of it.

    Attributes:
        action: what was done.
        champion: the version that answers; None while no version does.
        challenger: the version that is tried beside it; None without one.
        mode: how the challenger takes part.
        share: share of the requests that a canary answers, from 0 to 1.
        who: user and machine.
        when: ISO 8601, UTC, by the writer's clock. Entries are ordered by their numbers, not by this time.
        why: what the person gave as the reason; may be empty.
        source: what made the entry: a command, or the alias files of an earlier Trueline.
        gates: what the gates measured.
        forced: names of the gates that refused, and were overruled.
        former: champions from the time before the log, the latest last. Only the first entry may have some.
    """

    model_config = ConfigDict(frozen=True)

    action: Action
    champion: str | None
    challenger: str | None = None
    mode: Mode = "none"
    share: float = Field(default=0.0, ge=0, le=1)
    who: str
    when: str
    why: str = ""
    source: str = ""
    gates: tuple[GateResult, ...] = ()
    forced: tuple[str, ...] = ()
    former: tuple[str, ...] = ()


class Statement(NamedTuple):
    """A writer's remarks on a change: everything but the versions.

    Attributes:
        why, source, gates: see :class:`Change`.
        forced: names of the gates that are overruled where they refuse.
    """

    why: str = ""
    source: str = ""
    gates: tuple[GateResult, ...] = ()
    forced: tuple[str, ...] = ()


NOTHING_SAID = Statement()


class Entry(Change):
    """One entry of a log. The entry with the highest number is in force.

    Attributes:
        format: format of the file; a reader stops before an entry of a newer format.
        number: number of the entry: from 1 on, without gaps.
        nonce: random text, by which a writer that got no answer recognises its own entry.
    """

    format: int
    number: int = Field(ge=1)
    nonce: str


def whoami() -> str:
    """The user and the machine of this process, as ``user@machine``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def former_champions(entries: Sequence[Entry]) -> list[str]:
    """The champions before the present one, the latest last; a rollback returns to the last.

    A promotion adds the champion to the list, and a rollback takes it off again. A version that comes twice in a row
    counts once.
    """
    stack = list(entries[0].former) if entries else []
    for entry in entries:
        champion = entry.champion
        if champion is None or (stack and stack[-1] == champion):
            continue
        if entry.action == "rollback" and champion in stack:
            while stack[-1] != champion:
                stack.pop()
        else:
            stack.append(champion)
    return stack[:-1]
