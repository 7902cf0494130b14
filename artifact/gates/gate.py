"""The gates by name, the result of one gate, and the refusal of a version that does not pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from artifact.errors import DataError, RefusedError, unknown_name
from artifact.gates import limits


class Gate(NamedTuple):
    """A check that a version has to pass.

    Attributes:
        name: the name that ``--force`` takes.
        about: a sentence that says what passes.
        can_be_forced: whether a person may overrule it.
    """

    name: str
    about: str
    can_be_forced: bool = True


GATES: dict[str, Gate] = {
    gate.name: gate
    for gate in (
        Gate(
            "files",
            "Each file has the checksum of training, and the golden rows get the answers of training. "
            "This gate cannot be overruled: such a version could not serve.",
            can_be_forced=False,
        ),
        Gate(
            "size",
            f"The files take at most {limits.SIZE_TIMES:g} times the room of the champion's, or at most "
            f"{limits.SIZE_SMALL:g} MB; they never take more than {limits.SIZE_LARGEST:,.0f} MB.",
        ),
        Gate(
            "latency",
            f"One row is answered within {limits.SLOWER:g} times the champion's time, or within {limits.FAST:g} ms; "
            f"without a champion, within {limits.ALONE:g} ms.",
        ),
        Gate("schema", "Each request that the champion answers is answered too, and positions keep their meaning."),
        Gate(
            "error",
            f"On the same rows the error is at most {limits.TOLERANCE:.0%} above the champion's, beyond chance.",
        ),
        Gate(
            "groups",
            f"No named group, category or decile of a feature with {limits.MIN_ROWS} rows or more has an error that is "
            f"more than {limits.CELL_TOLERANCE:.0%} above the champion's, beyond chance.",
        ),
        Gate(
            "coverage",
            f"The intervals cover at most {100 * limits.COVERAGE_SLACK:g} points less than they promise, beyond "
            "chance.",
        ),
        Gate("width", f"The intervals are at most {limits.WIDER - 1:.0%} wider than the champion's, beyond chance."),
        Gate("verdict", "The model beats predicting the mean (or median), beyond chance."),
    )
}


class GateResult(BaseModel):
    """What one gate measured before a promotion, beside its limit.

    Attributes:
        gate: name of the gate, which ``--force`` takes.
        passed: whether the candidate may go live as far as this gate says.
        measured: False where there was nothing to measure; such a gate passes.
        figure, limit: what was measured and what is allowed; None where there is no number.
        low, high: ends of the 95% interval of ``figure``; None where it has none.
        unit: unit of figure and limit; empty for shares, ratios and counts.
        sentence: the result in words, for people.
    """

    model_config = ConfigDict(frozen=True)

    gate: str
    passed: bool
    measured: bool = True
    figure: float | None = None
    limit: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    sentence: str = ""

    @classmethod
    def unmeasured(cls, gate: str, sentence: str) -> GateResult:
        """A gate that had nothing to measure; the sentence says why."""
        return cls(gate=gate, passed=True, measured=False, sentence=sentence)

    @property
    def state(self) -> str:
        """``passed``, ``refused`` or ``not measured``."""
        return "refused" if not self.passed else "passed" if self.measured else "not measured"

    @property
    def figure_text(self) -> str:
        """The figure with its interval, as a table shows it."""
        if self.figure is None:
            return ""
        interval = "" if self.low is None or self.high is None else f" ({_figure(self.low)} to {_figure(self.high)})"
        return f"{_figure(self.figure)}{interval}{self._unit}"

    @property
    def limit_text(self) -> str:
        """The limit, as a table shows it."""
        return "" if self.limit is None else f"{_figure(self.limit)}{self._unit}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""


def _figure(value: float) -> str:
    """Three decimals where these say enough; the registry imports this file, and words for people would load NumPy."""
    if 1e-2 <= abs(value) < 1000:
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def checked_force(names: Iterable[str], why: str) -> tuple[str, ...]:
    """The names of gates that a person overrules, each once.

    Args:
        names: the names as they were given.
        why: the reason that the person gave.

    Raises:
        DataError: a name that is no gate, a gate that cannot be overruled, or no reason.
    """
    forced = tuple(dict.fromkeys(names))
    able = [gate.name for gate in GATES.values() if gate.can_be_forced]
    for name in forced:
        if name not in GATES:
            raise DataError(unknown_name("gate", name, able))
        if name not in able:
            raise DataError(
                f"Expected a gate that can be overruled: {', '.join(able)}. Received: '{name}'; "
                "a version that does not load cannot serve. Train again, or promote another version."
            )
    if forced and not why.strip():
        raise DataError(
            f"Expected a reason for overruling a gate. Received: {', '.join(forced)} without one. "
            "Give it by --why TEXT, in Python by why=TEXT; the history keeps it."
        )
    return forced


def refusing(results: Sequence[GateResult], forced: Sequence[str] = ()) -> list[GateResult]:
    """The results that keep a version from going live: the gate did not pass, and nobody overruled it."""
    return [result for result in results if not result.passed and result.gate not in forced]


def refusal(reference: str, refused: Sequence[GateResult]) -> RefusedError:
    """The error about a version that some gates refuse.

    Args:
        reference: ``NAME:VERSION``.
        refused: results that refuse it, at least one; see :func:`refusing`.
    """
    names = [result.gate for result in refused]
    able = [name for name in names if name not in GATES or GATES[name].can_be_forced]
    gates = "gate" if len(names) == 1 else "gates"
    lines = [f"{result.gate}: {result.sentence}" for result in refused]
    way = f"overrule {'it' if len(able) == 1 else 'them'} with --force {','.join(able)} --why TEXT"
    step = f"Mend it, or {way}." if able == names else "Train again, or promote another version."
    return RefusedError(
        "\n  ".join(
            [
                f"Expected a version that passes its gates. Received: {reference}, refused by the {gates} "
                f"{', '.join(names)}.",
                *lines,
                step,
            ]
        )
    )
