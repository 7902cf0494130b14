"""TrainConfig: every setting of a training run, from defaults, a TOML file and ``--set``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from artifact.errors import DataError, unknown_name

Fraction = Annotated[float, Field(gt=0, lt=0.5)]


class TrainConfig(BaseModel):
    """Settings of one training run; None is chosen by the table's size, see :meth:`resolved`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Literal["mlp", "linear"] = Field(default="mlp", description="Model family.")
    seed: int = Field(default=0, ge=0, description="Seed of the split, the weights, dropout and shuffling.")
    hidden: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = Field(
        default=(128, 128), min_length=1, max_length=16, description="Widths of the hidden layers (mlp)."
    )
    activation: Literal["relu", "silu", "gelu", "tanh", "elu", "mish"] = Field(
        default="silu", description="Activation of the hidden layers (mlp)."
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Share of hidden units dropped in training (mlp).")
    embedding_bins: int = Field(
        default=32, ge=0, le=256, description="Quantile bins of each number's embedding; 0: none (mlp)."
    )
    embedding_dim: int = Field(default=8, ge=1, le=128, description="Width of each number's embedding (mlp).")
    learning_rate: float | None = Field(default=None, gt=0, le=1, description="Peak learning rate; default by family.")
    weight_decay: float = Field(default=1e-2, ge=0, le=1, description="Decoupled weight decay of AdamW.")
    clip_norm: float = Field(default=1.0, gt=0, description="Gradients are scaled down to this norm.")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="Share of the steps over which the rate rises.")
    epochs: int | None = Field(
        default=None, ge=1, le=100_000, description="Passes over the training rows; default by rows."
    )
    batch_size: int | None = Field(default=None, ge=1, le=1_000_000, description="Rows a step; default by rows.")
    patience: int | None = Field(
        default=None, ge=1, description="Epochs without a better validation error before stopping."
    )
    test_fraction: Fraction | None = Field(
        default=None, description="Share of rows that only measure; default by rows."
    )
    calibration_fraction: Fraction | None = Field(
        default=None, description="Share that fits the intervals; default by rows."
    )
    validation_fraction: Fraction | None = Field(
        default=None, description="Share that chooses the epoch; default by rows."
    )
    int8: bool = Field(
        default=False, description="Store a copy of the network in 8-bit integers too, where its answers stay near."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        held = sum(f or 0 for f in (self.test_fraction, self.calibration_fraction, self.validation_fraction))
        if held > 0.8:
            raise ValueError(f"Expected held-out fractions of at most 0.8 together. Received: {held:.3g}.")
        return self

    @classmethod
    def build(cls, path: Path | None = None, settings: dict[str, Any] | None = None) -> Self:
        """Defaults, then a TOML file, then single settings.

        Raises:
            DataError: an unreadable file, an unknown name (the message lists the known ones) or a value out of range.
        """
        values: dict[str, Any] = {}
        if path is not None:
            try:
                values.update(tomllib.loads(path.read_text(encoding="utf-8")))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise DataError(f"Expected a readable TOML file. Received: {path}: {error}.") from error
        values.update(settings or {})
        for name in values:
            if name not in cls.model_fields:
                raise DataError(unknown_name("setting", name, cls.model_fields))
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise DataError(setting_sentence(error)) from error

    def resolved(self, n_train: int) -> Self:
        """Every None filled in for a table of that many training rows.

        Some 6,000 steps are enough for a network of this size; small tables repeat their rows at most 200 times.
        """
        batch_size = self.batch_size or _by_rows(n_train, ((2_000, 32), (50_000, 128), (500_000, 512)), 1024)
        steps = max(1, n_train // batch_size)
        epochs = self.epochs or min(200, max(8, round(6_000 / steps)))
        return self.model_copy(
            update={
                "batch_size": min(batch_size, n_train),
                "epochs": epochs,
                "patience": self.patience or max(8, epochs // 3),
                "learning_rate": self.learning_rate or (2e-3 if self.model == "mlp" else 1e-2),
            }
        )


def setting_sentence(error: ValidationError) -> str:
    """What pydantic found wrong with one setting, as rule and value."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    rule = first["msg"].removeprefix("Value error, ").rstrip(".")
    if not where:
        return f"{rule}."
    if rule.startswith("Input should be "):
        rule = f"Expected '{where}' to be {rule.removeprefix('Input should be ')}"
    else:
        rule = f"Expected another '{where}': {rule[:1].lower()}{rule[1:]}"
    return f"{rule}. Received: {where}={first['input']!r}."


def parse_setting(text: str) -> tuple[str, Any]:
    """``key=value`` of ``--set``; the value as TOML reads it, or else as text.

    Raises:
        DataError: no ``=``.
    """
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise DataError(f"Expected --set KEY=VALUE. Received: {text!r}.")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _by_rows(n_rows: int, steps: tuple[tuple[int, int], ...], last: int) -> int:
    return next((value for limit, value in steps if n_rows < limit), last)
