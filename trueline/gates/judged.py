"""How well two versions answer the same rows: errors, by the objective that both were trained for, and intervals."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from artifact.gates.cells import cells_of
from artifact.gates.rows import Answers, Rows
from artifact.predictor import Predictor, target_offsets
from artifact.rows.encoding import Encoded
from trueline.evaluation import meaning_of

# An answer that is not a number counts as an error of this size.
_NO_NUMBER = 1e100


class Asked(NamedTuple):
    """A version, the rows as it takes them, and the places of the candidate's targets in its answers."""

    predictor: Predictor
    X: Encoded
    columns: list[int]

    def at(self, rows: Any) -> Asked:
        """The same, of the rows at these places alone."""
        return self._replace(X=Encoded(self.X.numeric[rows], self.X.categorical[rows]))


def judged(
    candidate: Asked,
    champion: Asked | None,
    y: Any,
    weight: Any,
    groups: dict[str, list[Any]],
    notes: tuple[str, ...],
) -> Rows:
    """Have both versions answer.

    Args:
        candidate, champion: the versions, with the same rows; None without a champion.
        y: float64 (n_samples, n_targets), in the order of the candidate's targets.
        weight: float64 (n_samples,), or None.
        groups: of each further column that forms groups, its value in each row.
        notes: see :class:`artifact.gates.rows.Rows`.

    Raises:
        DataError: a target with a value that the objective does not take.
    """
    ours, other = candidate.predictor, None if champion is None else champion.predictor
    schema = ours.schema
    level = min(ours.default_level, 1.0 if other is None else other.default_level)
    loss = _Loss.of(ours, other, y)
    return Rows(
        targets=schema.target_names,
        candidate=_answers(candidate, y, level, loss),
        champion=None if champion is None else _answers(champion, y, level, loss),
        root=loss.root,
        plain=loss.plain,
        std=np.array([target.std for target in schema.targets]),
        level=level,
        cells=cells_of(schema, candidate.X, groups, weight),
        weight=weight,
        notes=(*notes, *loss.notes),
    )


class _Loss(NamedTuple):
    """How answers are judged: by the objective of both trainings, or by squared errors where the objectives differ.

    Attributes:
        settings: settings of the objective; None for squared errors.
        own: whether all outputs of the networks are judged, and not their values alone.
        root, plain: see :class:`artifact.gates.rows.Rows`.
        notes: see :class:`artifact.gates.rows.Rows`.
    """

    settings: Any
    own: bool
    root: bool
    plain: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, predictor: Predictor, other: Predictor | None, y: Any) -> _Loss:
        """The loss for two versions, or for one.

        Raises:
            DataError: a target with a value that the objective does not take.
        """
        from training.objectives.kinds import KINDS, check_target

        ours, theirs = meaning_of(predictor.manifest), meaning_of((other or predictor).manifest)
        kind = KINDS[ours.objective]
        if any(getattr(ours, name) != getattr(theirs, name) for name in ("objective", *kind.settings)):
            objectives = f"{ours.objective} and {theirs.objective}"
            note = f"They are compared by the RMSE, for their objectives differ: {objectives}."
            return cls(None, own=False, root=True, plain="RMSE", notes=(note,))
        for j, name in enumerate(predictor.schema.target_names):
            check_target(ours.objective, name, y[:, j])
        heads = [p for p in (predictor, other) if p is not None and p.calibration.method == "quantile"]
        if kind.own_errors is not None and len(heads) == (1 if other is None else 2):
            return cls(ours, own=True, root=False, plain=kind.shown)
        return cls(ours, own=False, root=kind.metric == "rmse", plain=kind.plain)

    def errors(self, y: Any, value: Any, outputs: Any, offsets: Any) -> Any:
        """Float64 (n_samples, n_targets), at least 0."""
        from training.objectives.kinds import KINDS

        if self.settings is None:
            return np.square(y - value)
        kind = KINDS[self.settings.objective]
        if self.own and kind.own_errors is not None:
            own = kind.own_errors(outputs, y - (0.0 if offsets is None else offsets), self.settings)
            if own is not None:
                return own
        return kind.errors(y, value, self.settings)


def _answers(asked: Asked, y: Any, level: float, loss: _Loss) -> Answers:
    """A version's answers, with its targets in the order of the candidate's."""
    predictor, X, columns = asked
    outputs = predictor.run(X.numeric, X.categorical)
    answer = predictor.finish(outputs, predictor.row_bounds([predictor.bound(level)], [len(X)], X), [])
    value, lower, upper = (part.astype(np.float64)[:, columns] for part in (answer.value, answer.lower, answer.upper))
    offsets = target_offsets(predictor.schema)
    quantiles = None if outputs.quantiles is None else outputs.quantiles[:, columns]
    outputs = outputs._replace(quantiles=quantiles)
    errors = loss.errors(y, value, outputs, None if offsets is None else offsets[columns])
    errors, width = (
        np.nan_to_num(np.maximum(part, 0.0), nan=_NO_NUMBER, posinf=_NO_NUMBER) for part in (errors, upper - lower)
    )
    return Answers(errors, (lower <= y) & (y <= upper), width)
