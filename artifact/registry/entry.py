"""Entries of a deployment log: which version was live since when, who decided it, and why."""

from __future__ import annotations

import errno
import getpass
import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from artifact.errors import ArtifactError, DataError
from artifact.files import read_small, unreadable
from artifact.gates.gate import GateResult

FORMAT = 1
# Bytes of the largest entry. Gates and reasons need some thousand.
_LARGEST = 2**20
# Errors of a path at which there is something else than a file that this user may read. Other errors are the disk's.
_NO_FILE = (errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO)
# The name of a version is also the name of its folder.
_VERSION = "[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}"
VersionName = Annotated[str, Field(pattern=f"^{_VERSION}$")]
# A text from a command line or a file's name may have bytes that are no UTF-8; JSON cannot hold them.
Text = Annotated[str, AfterValidator(lambda text: text.encode(errors="replace").decode())]
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
    champion: VersionName | None
    challenger: VersionName | None = None
    mode: Mode = "none"
    share: float = Field(default=0.0, ge=0, le=1)
    who: Text
    when: str
    why: Text = ""
    source: Text = ""
    gates: tuple[GateResult, ...] = ()
    forced: tuple[str, ...] = ()
    former: tuple[VersionName, ...] = ()


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


class _Format(BaseModel):
    format: int


def is_version(name: str) -> bool:
    """Whether a version may have this name. It has no '/', so that it never leads out of the store."""
    return bool(re.fullmatch(_VERSION, name))


def entry_text(entry: Entry) -> str:
    """An entry as it is stored.

    Raises:
        DataError: it is larger than what a reader takes.
    """
    text = entry.model_dump_json(indent=2) + "\n"
    if len(text.encode()) > _LARGEST:
        raise DataError(
            f"Expected an entry of the deployment log of at most {_LARGEST:,} bytes. Received: {len(text.encode()):,}. "
            "Give a shorter reason."
        )
    return text


def read_entry(path: Path, number: int, name: str, *, is_older: bool = False) -> Entry:
    """Read one entry.

    Args:
        path: its file.
        number: the number that it should have.
        name: name of the model, for messages.
        is_older: whether a later entry is in force, for messages. Defaults to False.

    Raises:
        ArtifactError: it is there and cannot be read, is damaged, or of a newer format.
        FileNotFoundError: it is not there.
        OSError: the disk or the folder cannot be read.
    """
    place = f"Expected entry {number} of the deployment log of '{name}' in {path}."
    stopped, or_remove = "This entry and all later ones do not count", ", or remove them"
    if is_older:
        stopped = "A later entry says what is live"
        or_remove = ", and do not remove it: a number that is missing stops the log"
    damaged = f"{stopped}: put a copy of the file back{or_remove}."
    try:
        text = read_small(path, _LARGEST)
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        path.lstat()  # Raises an error itself where the folder, and not the file, may not be read.
        raise ArtifactError(
            f"{place} Received: {unreadable(error)}. {stopped}. Make it a file that this user can read{or_remove}."
        ) from error
    except ValueError as error:
        raise ArtifactError(f"{place} Received: {error}. {damaged}") from error
    try:
        # An entry of a newer format may have other fields, so its format is checked first.
        newer = _Format.model_validate_json(text).format
        if newer > FORMAT:
            raise ArtifactError(
                f"{place} Received: one of format {newer}, which this Trueline does not know. {stopped}. Update "
                "Trueline."
            )
        entry = Entry.model_validate_json(text)
    except ValidationError as error:
        raise ArtifactError(f"{place} Received: {unreadable(error)}. {damaged}") from error
    if entry.number != number:
        raise ArtifactError(f"{place} Received: entry {entry.number}. {damaged}")
    return entry


def whoami() -> str:
    """The user and the machine of this process, as ``user@machine``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


class Former(NamedTuple):
    """The champions before the present one, as far as the entries that can be read say it.

    Attributes:
        versions: their names, the latest last; a rollback returns to the last.
        is_whole: False where an entry cannot be read. There may be further champions before those in ``versions``.
    """

    versions: list[str]
    is_whole: bool


def former_champions(entries: Sequence[Entry]) -> Former:
    """The champions before the present one.

    A promotion adds the champion to the list, and a rollback takes it off again. A version that comes twice in a row
    counts once. An entry that cannot be read may have been either, so the list begins anew after it.

    Args:
        entries: the entries that can be read, the oldest first. A missing number is an entry that cannot be read.
    """
    stack = list(entries[0].former) if entries else []
    is_whole, number = True, 1
    for entry in entries:
        if entry.number != number:
            stack, is_whole = [], False
        number = entry.number + 1
        champion = entry.champion
        if champion is None or (stack and stack[-1] == champion):
            continue
        if entry.action != "rollback":
            stack.append(champion)
        elif champion in stack:
            while stack[-1] != champion:
                stack.pop()
        else:
            # It returns to a champion that is not in the list: nothing that is known was live before that one.
            stack = [champion] if not is_whole else [*stack, champion]
    return Former(stack[:-1], is_whole)
