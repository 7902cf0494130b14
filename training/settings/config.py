"""TrainConfig: every setting of a training run, from a preset, a TOML file and ``--set``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from artifact.errors import DataError, unknown_name
from artifact.words.settings import setting_sentence
from training.devices.devices import DeviceChoice
from training.families import FAMILIES, models, readers
from training.objectives.kinds import KINDS
from training.objectives.records import OneOf, listed
from training.settings.augmentation import Kind as Augment
from training.settings.augmentation import check_augment, names_of, paired
from training.settings.presets import resolved

T = TypeVar("T")
Level = Annotated[float, Field(gt=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=0.5)]
Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=10)]
Noise = Annotated[float, Field(ge=0, le=3)]
Alpha = Annotated[float, Field(ge=0, le=10)]
Width = Annotated[int, Field(ge=1, le=8192)]
Objective = Annotated[str, OneOf(lambda: KINDS)]
Family = Annotated[str, OneOf(models)]
Part = Annotated[str, OneOf(lambda: FAMILIES)]
Preset = Literal["fast", "balanced", "best"]
Activation = Literal[
    "relu", "sigmoid", "tanh", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", "parametric_mish"
]
Initializer = Literal[
    "he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal", "lecun_uniform", "orthogonal"
]
Optimizer = Literal["sgd", "momentum", "rmsprop", "adam", "adamw", "nadam", "lion", "muon"]
Schedule = Literal["constant", "linear", "cosine", "exponential", "step", "coslog4"]
Precision = Literal["auto", "float32", "tf32", "mixed_bfloat16"]
RowWeight = Literal["equal", "spread"]


def _read_by(setting: str) -> str:
    """The families that read a setting."""
    return listed([f"`{name}`" for name in readers(setting)], "and")


class TrainConfig(BaseModel):
    """Settings of one training run; preset, family and rows choose those that are None, see :meth:`resolved`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Preset = Field(
        default="balanced", description="How much work a training takes; it decides every setting that is left open."
    )
    model: Family | None = Field(default=None, description="Model family.")
    mix: tuple[Part, ...] | None = Field(
        default=None, description="Families that are fitted and then mixed; `trees` may be one. Empty: `model` alone."
    )
    objective: Objective = Field(default="mse", description="What is minimised; it decides what an answer is.")
    quantiles: tuple[Level, ...] = Field(
        default=(0.05, 0.25, 0.5, 0.75, 0.95),
        min_length=3,
        max_length=99,
        description="Levels of objective `quantile`: ascending, 0.5 in the middle.",
    )
    huber_delta: float = Field(
        default=1.0, gt=0, le=100, description="The largest error that objective `huber` squares, in target deviations."
    )
    expectile: Level = Field(
        default=0.8,
        description="Level of objective `expectile`: how much a row above its answer counts; a row below it counts 1 "
        "minus this level. At 0.5 the answer is the mean.",
    )
    row_weight: RowWeight | None = Field(
        default=None,
        description="How rows count in objective `mse`: all alike, or less where their spread is large, so that noise "
        "counts less.",
    )
    tweedie_power: float = Field(
        default=1.5, gt=1, lt=2, description="Power of objective `tweedie`: near 1 for counts, near 2 for amounts."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the split, the weights, dropout and shuffling.")
    folds: int | None = Field(
        default=None,
        ge=1,
        le=50,
        description="Networks trained side by side, each on all rows but its fold. 1: one network and held-out rows.",
    )
    repeats: int | None = Field(
        default=None, ge=1, le=20, description="How often the rows are cut into folds, each time in another way."
    )
    served_repeats: int | None = Field(
        default=None, ge=1, le=20, description="The most repeats that are served; fewer answer faster."
    )
    refit: bool | None = Field(
        default=None, description="With held-out rows: whether to train once more, on all rows, after measuring."
    )
    members: int | None = Field(
        default=None,
        ge=1,
        le=128,
        description=f"Members of each network that share its weights ({_read_by('members')}).",
    )
    hidden: tuple[Width, ...] | None = Field(
        default=None, min_length=1, max_length=16, description="Widths of the hidden layers."
    )
    activation: Activation | None = Field(default=None, description="Activation of the hidden layers.")
    initializer: Initializer = Field(
        default="he_normal",
        description=f"Random distribution of the hidden layers' first weights ({_read_by('initializer')}).",
    )
    dropout: Share | tuple[Share, ...] | None = Field(
        default=None,
        description="Share of hidden units dropped in training, in 256ths; the repeats take several values in turn.",
    )
    augment: tuple[Augment, ...] = Field(
        default=(), description="Random changes of training rows, for half of the networks; their effect is measured."
    )
    noise: Noise | tuple[Noise, ...] = Field(
        default=0.03,
        description="Standard deviation of normal noise on scaled numbers; pairs of repeats take several in turn.",
    )
    mixup: Alpha | tuple[Alpha, ...] = Field(
        default=0.2, description="Alpha of the mixtures' Beta distribution; pairs of repeats take several in turn."
    )
    mixup_with: Literal["near", "any"] = Field(
        default="near", description="Which rows are mixed: those with a similar target, or any two."
    )
    embedding_bins: int | None = Field(
        default=None,
        ge=0,
        le=256,
        description=f"Quantile bins of each number's embedding; 0: no embedding ({_read_by('embedding_bins')}).",
    )
    embedding_dim: int | None = Field(default=None, ge=1, le=128, description="Width of each number's embedding.")
    embedding_activation: Activation | None = Field(
        default=None, description=f"Activation of each number's embedding ({_read_by('embedding_activation')})."
    )
    optimizer: Optimizer = Field(default="adamw", description="Rule by which a step changes the weights.")
    momentum: float | None = Field(default=None, ge=0, lt=1, description="Momentum, or Adam's first beta.")
    beta_2: float | None = Field(default=None, gt=0, lt=1, description="Adam's second beta.")
    learning_rate: Rate | tuple[Rate, ...] | None = Field(
        default=None, description="Highest learning rate; the repeats take several values in turn."
    )
    schedule: Schedule | None = Field(
        default=None,
        description="Learning rate over the steps; `coslog4` is four cosine cycles, each twice as long as the last.",
    )
    warmup: float | None = Field(default=None, ge=0, lt=1, description="Share of the steps over which the rate rises.")
    weight_decay: float | None = Field(
        default=None, ge=0, le=1, description="Decoupled weight decay; biases, embeddings and learned scales have none."
    )
    l1: float = Field(default=0.0, ge=0, description="Penalty on the kernels' absolute values.")
    l2: float = Field(default=0.0, ge=0, description="Penalty on the kernels' squares; with `l1`: elastic net.")
    alpha: float | None = Field(
        default=None,
        ge=0,
        description=f"Penalty of {_read_by('alpha')}, as scikit-learn's; left open, the folds choose it.",
    )
    l1_ratio: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description=f"Share of the L1 norm in the penalty of {_read_by('l1_ratio')}; left open, the folds choose it.",
    )
    degree: int = Field(default=2, ge=1, le=5, description=f"Highest degree of the products in {_read_by('degree')}.")
    direction: Literal["forward", "backward"] = Field(
        default="forward", description=f"Whether {_read_by('direction')} adds features, or takes them away."
    )
    criterion: Literal["validation", "aic", "bic"] = Field(
        default="validation",
        description=f"What {_read_by('criterion')} compares: the error on folds that are left out, AIC or BIC.",
    )
    clip_norm: float | None = Field(
        default=None,
        ge=0,
        description="Gradients are scaled down to this norm, for each network by itself; 0: no clipping.",
    )
    epochs: int | None = Field(default=None, ge=1, le=100_000, description="Passes over the training rows.")
    batch_size: int | None = Field(default=None, ge=1, le=1_000_000, description="Rows in each step.")
    patience: int | None = Field(
        default=None,
        ge=1,
        description="Training stops after this many epochs without a better validation error; left open: half of "
        "`epochs`, at least 8.",
    )
    test_fraction: Fraction | None = Field(
        default=None,
        description="Without folds: share of the rows that only measure; left open, the number of rows decides.",
    )
    calibration_fraction: Fraction | None = Field(
        default=None,
        description="Without folds: share of the rows that fit the intervals; left open, the number of rows decides.",
    )
    validation_fraction: Fraction | None = Field(
        default=None,
        description="Without folds: share of the rows that choose the epoch; left open, the number of rows decides.",
    )
    distil: Literal["auto"] | bool | None = Field(
        default=None,
        description="Whether the ensemble teaches one small network, which is served in its place; `auto`: if its "
        "error is at most 1% higher.",
    )
    int8: bool = Field(
        default=False,
        description="Whether a copy of the network in 8-bit integers is stored too, if its answers are near enough.",
    )
    device: str = Field(
        default="auto",
        description="Where training computes: `auto` takes a GPU if there is one; `cpu`, `gpu`, or GPUs by number.",
        examples=["auto", "cpu", "gpu", "gpu:1", "gpu:0,1"],
    )
    precision: Precision = Field(default="auto", description="Precision of the products in a training step.")

    @field_validator("device")
    @classmethod
    def _check_device(cls, device: str) -> str:
        DeviceChoice.parse(device)
        return device

    @field_validator("augment", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return names_of(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_families()
        held_out = sum(f or 0 for f in (self.test_fraction, self.calibration_fraction, self.validation_fraction))
        if held_out > 0.8:
            raise ValueError(f"Expected held-out fractions of at most 0.8 together. Received: {held_out:.3g}.")
        ascending = list(self.quantiles) == sorted(set(self.quantiles))
        if len(self.quantiles) % 2 == 0 or not ascending or self.quantiles[len(self.quantiles) // 2] != 0.5:
            raise ValueError(f"Expected ascending quantiles with 0.5 in the middle. Received: {self.quantiles}.")
        return self

    def _check_families(self) -> None:
        """Refuse a family or a mix that the objective cannot have, and augmentation that would change nothing.

        Raises:
            ValueError: such a setting.
        """
        family = None if self.model is None else FAMILIES[self.model]
        if family is not None and family.way(self.objective) is None:
            lines = [f"--model {name}" for name, other in FAMILIES.items() if other.line and other.way(self.objective)]
            raise ValueError(
                f"Expected objective={listed(family.solves)} for model={self.model}. "
                f"Received: objective={self.objective}. Take {', or '.join([*lines, 'a network'])}."
            )
        if self.mix:
            if len(set(self.mix)) < len(self.mix) or not any(FAMILIES[name].alone for name in self.mix):
                raise ValueError(f"Expected different families in 'mix', a network among them. Received: {self.mix}.")
            if self.model not in (None, self.mix[0]):
                raise ValueError(f"Expected --model or 'mix'. Received: model={self.model} and mix={self.mix}.")
            if any(FAMILIES[name].way(self.objective) is None for name in self.mix):
                raise ValueError(f"Expected networks in 'mix' for objective={self.objective}. Received: {self.mix}.")
        solved = self.model if family is not None and family.is_solved(self.objective) else None
        check_augment(self.augment, dict(self), solved, type(self).model_fields)

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

    def resolved(self, n_rows: int, n_numeric: int = 0) -> Self:
        """Fill in every None, by the number of rows and of numeric columns, see :mod:`training.settings.presets`.

        Raises:
            DataError: settings that do not go together.
        """
        defaults = resolved(
            self.preset, self.model, n_rows, mix=self.mix, objective=self.objective, n_numeric=n_numeric
        )
        names = {name for name, value in self if value is not None}
        filled = self.model_copy(update={name: value for name, value in defaults.items() if name not in names})
        if filled.mix and filled.distil is True:
            raise DataError(
                f"Expected one family for distil=true. Received: mix={', '.join(filled.mix)}. Name one: --model tabm."
            )
        return filled.model_copy(update=paired(self.augment, dict(filled))) if self.augment else filled

    def required(self, name: str) -> Any:
        """A setting that :meth:`resolved` fills in.

        Raises:
            TypeError: :meth:`resolved` was not called.
        """
        value = getattr(self, name)
        if value is None:
            raise TypeError(f"Expected resolved settings. Received: {name}=None.")
        return value
