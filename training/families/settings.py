"""The settings that a family reads, the rows that it is fitted to, and the size of a table, for its defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from artifact.rows.encoding import Encoded
    from artifact.rows.schema import FeatureSchema

Float64 = npt.NDArray[np.float64]

# With fewer rows than the first number, batches are small and training passes over the rows often. From the second
# number on, held-out parts cost little and folds cost much.
FEW_ROWS, MANY_ROWS = 3_000, 50_000


class Settings(Protocol):
    """The settings that families read from a resolved :class:`training.settings.config.TrainConfig`.

    A family with a setting of its own adds it to that class and reads it by :meth:`required`.
    """

    @property
    def model(self) -> str | None: ...

    @property
    def objective(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def activation(self) -> str | None: ...

    @property
    def initializer(self) -> str: ...

    @property
    def embedding_activation(self) -> str | None: ...

    @property
    def dropout(self) -> float | tuple[float, ...] | None: ...

    @property
    def alpha(self) -> float | None: ...

    @property
    def l1_ratio(self) -> float | None: ...

    @property
    def degree(self) -> int: ...

    @property
    def direction(self) -> Literal["forward", "backward"]: ...

    @property
    def criterion(self) -> Literal["validation", "aic", "bic"]: ...

    def required(self, name: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows that a solver or trees are fitted to, with the settings for it.

    Attributes:
        schema: schema of the rows.
        X: encoded rows.
        y: float64 (n_samples, n_targets), offsets subtracted.
        config: resolved settings.
        weight: float64 (n_samples,), weight of each row in the error; None: all weigh the same. Defaults to None.
    """

    schema: FeatureSchema
    X: Encoded
    y: Float64
    config: Settings
    weight: Float64 | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """The facts that a family's defaults may depend on.

    Attributes:
        preset: ``fast``, ``balanced`` or ``best``.
        n_rows: rows of the table.
        n_numeric: columns of numbers; 0: not known.
    """

    preset: str
    n_rows: int
    n_numeric: int = 0

    @property
    def few(self) -> bool:
        """Whether the rows are few."""
        return self.n_rows < FEW_ROWS

    @property
    def many(self) -> bool:
        """Whether the rows are many."""
        return self.n_rows >= MANY_ROWS
