"""A promotion asks the gates and then writes the entry of the deployment log; a comparison only asks the gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from artifact.errors import DataError, RefusedError
from artifact.gates.gate import GateResult, checked_force, refusal, refusing
from artifact.gates.judge import judge
from artifact.gates.side import Side
from artifact.registry.base import Reference, Registry
from artifact.registry.entry import Statement
from trueline.gates.held_out import held_out_rows
from trueline.terminal.tables import html_table

if TYPE_CHECKING:
    from artifact.predictor import Predictor
    from artifact.runtimes import RuntimeName
    from trueline.gates.rows import Given


@dataclass(frozen=True, slots=True)
class Wish:
    """How a version is to be promoted.

    Attributes:
        source: the command or the function that promotes, for the log.
        why: the reason, for the log.
        forced: gates that are overruled, as :func:`artifact.gates.gate.checked_force` gives them.
        rows: rows for the gates, or None: then those that ``refit`` held out, if there are any.
        runtime: the runtime that computes both versions.
    """

    source: str
    why: str = ""
    forced: tuple[str, ...] = ()
    rows: Given | None = None
    runtime: RuntimeName = "auto"


class Judgement(NamedTuple):
    """What the gates said of a version.

    Attributes:
        version: the version.
        beside: the version that it was compared with, as ``NAME:VERSION``; None where there was none.
        gates: the results, in the order of the gates.
        former: the version that was live before, or None.
        note: what is wrong with the other version, in a sentence; empty for nothing.
        refused: the error with which the promotion did not happen, or None.
    """

    version: Reference
    beside: str | None
    gates: tuple[GateResult, ...]
    former: str | None = None
    note: str = ""
    refused: RefusedError | None = None

    @property
    def passes(self) -> bool:
        """Whether no gate refuses."""
        return not refusing(self.gates)

    @property
    def unchanged(self) -> str:
        """A sentence where the version was the champion already, so that nothing was changed; else empty."""
        if self.former != self.version.version:
            return ""
        return f"Nothing changed: {self.version.name}:{self.version.version} was the champion already."

    @property
    def title(self) -> str:
        """A heading: the version, and what it was compared with."""
        beside = "without a champion" if self.beside is None else f"beside {self.beside}"
        return f"Gates of {self.version.name}:{self.version.version}, {beside}"

    def document(self) -> dict[str, Any]:
        """What the gates said, as JSON."""
        return {
            "model_name": self.version.name,
            "model_version": self.version.version,
            "compared_with": self.beside,
            "passes": self.passes,
            "gates": [result.model_dump(mode="json") for result in self.gates],
        }

    def _repr_html_(self) -> str:
        """The HTML for a notebook: figures, limits and sentences."""
        rows = [[gate.gate, gate.state, gate.figure_text, gate.limit_text, gate.sentence] for gate in self.gates]
        return html_table(self.title, ["gate", "result", "figure", "limit", "in words"], rows)


def force_of(names: Any, why: str) -> tuple[str, ...]:
    """The gates to overrule, from names as a person writes them: one a text, or several with commas between.

    Args:
        names: a text, or several in a list or tuple.
        why: the reason.

    Raises:
        DataError: ``names`` are no names; or see :func:`artifact.gates.gate.checked_force`.
    """
    texts = [names] if isinstance(names, str) else names
    if not isinstance(texts, list | tuple | set | frozenset) or not all(isinstance(text, str) for text in texts):
        raise DataError(
            f"Expected names of gates in 'force', such as 'verdict'. Received: {names!r}. Name what is overruled."
        )
    return checked_force([part.strip() for text in texts for part in text.split(",") if part.strip()], why)


def promote(store: Registry, version: Reference, wish: Wish, predictor: Predictor | None = None) -> Judgement:
    """Make a version the champion if its gates let it.

    Args:
        store: the model store.
        version: the version.
        wish: how it is to be promoted.
        predictor: predictor of the version, if it is loaded already. Defaults to loading it.

    Returns:
        What the gates said. If a gate refuses, ``refused`` is set and nothing is changed.

    Raises:
        TakenError: another version was promoted meanwhile.
        DataError: the rows are wrong, or the runtime is not on this machine.
        OSError: the log cannot be written.
    """
    # The gates compare with what is live now. If that changes meanwhile, the log refuses the entry.
    entry = store.deployment(version.name)
    reference = f"{version.name}:{version.version}"
    candidate = (
        Side.candidate(reference, version.path, wish.runtime)
        if predictor is None
        else Side.of(reference, version.path, predictor)
    )
    champion = None if entry is None or entry.champion is None else _champion(store, version, entry.champion, wish)
    judgement = _judgement(version, candidate, champion, wish.rows or held_out_rows(store, version))
    judgement = judgement._replace(former=None if entry is None else entry.champion)
    refused = refusing(judgement.gates, wish.forced)
    if refused:
        return judgement._replace(refused=refusal(reference, refused))
    statement = Statement(wish.why, wish.source, judgement.gates, wish.forced)
    store.promote(reference, statement=statement, after=0 if entry is None else entry.number)
    return judgement


def compare(
    store: Registry, version: Reference, other: Reference, rows: Given | None = None, runtime: RuntimeName = "auto"
) -> Judgement:
    """What the gates would say of a version beside another one; nothing is changed.

    Args:
        rows: rows for the gates, or None: then those that ``refit`` held out, if there are any.
        runtime: the runtime that computes both versions.

    Raises:
        DataError: both are the same version, or they do not predict the same targets; or see :func:`promote`.
    """
    first, second = (f"{one.name}:{one.version}" for one in (version, other))
    if first == second:
        raise DataError(
            f"Expected two versions. Received: {first} twice. Name another one; `trueline models` lists them."
        )
    candidate = Side.candidate(first, version.path, runtime)
    champion = Side.champion(second, other.path, runtime)
    targets = [side.schema.target_names for side in (candidate, champion) if side.schema is not None]
    if len(targets) == 2 and set(targets[0]) != set(targets[1]):
        ours, theirs = (", ".join(f"'{name}'" for name in names) for names in targets)
        raise DataError(
            f"Expected two versions that predict the same targets. Received: {first} predicts {ours}, {second} "
            f"predicts {theirs}. Name two versions of one model; `trueline models` lists them."
        )
    return _judgement(version, candidate, champion, rows or held_out_rows(store, version))


def _champion(store: Registry, version: Reference, live: str, wish: Wish) -> Side | None:
    """The version that is live; None where it is the candidate itself."""
    if live == version.version:
        return None
    reference = f"{version.name}:{live}"
    if live not in store.versions(version.name):
        return Side.gone(reference)
    return Side.champion(reference, store.fetch(version.name, live).path, wish.runtime)


def _judgement(version: Reference, candidate: Side, champion: Side | None, given: Given | None) -> Judgement:
    rows, why_not = None, ""
    if given is not None:
        from trueline.gates.rows import compared

        rows, why_not = compared(given, candidate, champion)
    results = judge(candidate, champion, rows, why_not)
    note = ""
    if champion is not None and champion.problem:
        note = f"{champion.reference} gives no answers, and another version can take its place: {champion.problem}"
    return Judgement(version, None if champion is None else champion.reference, results, note=note)
