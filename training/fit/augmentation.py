"""Augmentation inside the compiled step: noise on the numbers of a row, and mixtures of two rows (mixup)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from artifact.runtimes import CATEGORICAL_INPUT, NUMERIC_INPUT
from training.fit.population import Population
from training.networks.inputs import Preprocessed

# Shares are drawn from a table of this many, all equally likely; each is the mean of this many draws from Beta. XLA can
# look up a table, but it cannot draw from a gamma distribution.
_SHARES, _DRAWS_A_SHARE = 1024, 256
# Near rows are at most this fraction (1 / 8) of a batch apart, in the order of their targets.
_NEAR = 8


class Batch(NamedTuple):
    """The rows of one step, tensors; each network has its own.

    Attributes:
        features: by input name, (n_networks, n_samples, width): ``numeric`` float32, scaled columns and then missing
            flags, and ``categorical`` int32 codes.
        y: float32 (n_networks, n_samples, n_targets), as the loss takes them.
        weight: float32 (n_networks, n_samples), or None.
    """

    features: dict[str, Any]
    y: Any
    weight: Any


class Augmentation:
    """Changes the rows that train, and no others.

    **Mixup** (Zhang et al. 2018): a row becomes ``share`` of itself and ``1 - share`` of another row of its batch, in
    its numbers, its targets and its weight, where ``share = max(s, 1 - s)``, ``s ~ Beta(alpha, alpha)``. A mixed target
    is one that the objective takes. The losses of rates and probabilities are linear in the target, so their mixed
    target gives exactly the mixture of two losses. Some values cannot be mixed: codes, missing flags, and a number that
    one of the two rows lacks, since no request has both a flag and a value. These come from one of the two rows, from
    the other row with probability ``1 - share``. The share counts weights: a row of weight 0 has no part in a mixture.

    With ``near`` the other row has a similar target (C-Mixup, Yao et al. 2022): its target has a near rank in the
    batch. The paper draws rows by a kernel, whose width would need tuning. Several targets are ranked along a random
    direction. Without ``near`` the other row is any row.

    **Noise**: normally distributed, added after mixing to each scaled number that is not missing.

    Args:
        noise: standard deviation for each network, 0 for none.
        mixup: ``alpha`` of each network, 0 for none.
        near: mix rows with similar targets.
        n_numeric: scaled columns of the ``numeric`` input; the flags follow.
        flagged: the columns that have a flag, in the flags' order.
        seed: seed of draws that nothing else uses. So a network without augmentation learns the same bits, whether or
            not it is trained beside one with augmentation. Where XLA compiles TensorFlow's steps, this holds but for
            rounding.

    Attributes:
        state: the variables that draws change.
    """

    def __init__(
        self,
        noise: Sequence[float],
        mixup: Sequence[float],
        *,
        near: bool,
        n_numeric: int,
        flagged: Sequence[int],
        seed: int,
    ) -> None:
        self._noise, self._mixup = np.asarray(noise, np.float32), np.asarray(mixup, np.float32)
        self._mixes, self._adds = bool(self._mixup.any()), bool(self._noise.any() and n_numeric)
        self._near, self._n_numeric = near, n_numeric
        self._column_of = np.zeros((len(flagged), n_numeric), np.float32)
        self._column_of[np.arange(len(flagged)), list(flagged)] = 1.0
        own, draws = np.random.SeedSequence([seed, *b"augment"]).generate_state(2)
        self._shares = np.concatenate([_shares(alpha, int(own)) for alpha in self._mixup])
        self._seed = keras.random.SeedGenerator(int(draws) % 2**31)
        # Draws are made for all networks that there were at first. These are the networks that are left; None: all.
        self._n_at_first = len(self._mixup)
        self._positions: npt.NDArray[np.int32] | None = None

    @classmethod
    def of(cls, population: Population, rows: Preprocessed) -> Self | None:
        """The augmentation of a population's networks; None where the settings name none."""
        config = population.config
        if not config.augment:
            return None
        return cls(
            [network.noise for network in population.networks],
            [network.mixup for network in population.networks],
            near=config.mixup_with == "near",
            n_numeric=rows.n_numeric,
            flagged=rows.layer.flagged if rows.layer is not None else (),
            seed=config.seed,
        )

    def some(self, networks: Sequence[int]) -> Self:
        """The augmentation of some of the networks; their draws are the same as beside the others.

        Args:
            networks: numbers of these networks.
        """
        numbers = np.asarray(networks, np.int32)
        part = copy.copy(self)
        part._noise, part._mixup = self._noise[numbers], self._mixup[numbers]
        part._shares = self._shares.reshape(-1, _SHARES)[numbers].ravel()
        part._positions = numbers if self._positions is None else self._positions[numbers]
        return part

    @property
    def state(self) -> list[Any]:
        return [self._seed.state]

    def __call__(self, batch: Batch) -> Batch:
        """The batch that the networks train on; a network without augmentation gets the same bits."""
        if self._mixes:
            batch = self._mixed(batch)
        if self._adds:
            batch = self._noisy(batch)
        return batch

    def _mixed(self, batch: Batch) -> Batch:
        shape = ops.shape(batch.y)[:2]
        share = self._draw_shares(shape)
        other = self._partner(batch.y) if self._near else None
        weight = batch.weight
        if weight is not None:
            mine, theirs = share * weight, (1.0 - share) * _of(weight, other)
            weight = mine + theirs
            share = ops.where(weight > 0, mine / ops.maximum(weight, np.finfo(np.float32).tiny), share)
        theirs_instead = ops.expand_dims(self._uniform(shape) >= share, -1)
        share = ops.expand_dims(share, -1)
        features = dict(batch.features)
        if CATEGORICAL_INPUT in features:
            codes = features[CATEGORICAL_INPUT]
            features[CATEGORICAL_INPUT] = ops.where(theirs_instead, _of(codes, other), codes)
        if NUMERIC_INPUT in features:
            mine, theirs = features[NUMERIC_INPUT], _of(features[NUMERIC_INPUT], other)
            one_of_them = ops.where(theirs_instead, theirs, mine)
            n = self._n_numeric
            numbers = share * mine[..., :n] + (1.0 - share) * theirs[..., :n]
            if len(self._column_of):
                lacking = self._missing(mine) + self._missing(theirs)
                numbers = ops.where(lacking > 0, one_of_them[..., :n], numbers)
                numbers = ops.concatenate([numbers, one_of_them[..., n:]], axis=-1)
            features[NUMERIC_INPUT] = numbers
        return Batch(features, share * batch.y + (1.0 - share) * _of(batch.y, other), weight)

    def _noisy(self, batch: Batch) -> Batch:
        numeric, n = batch.features[NUMERIC_INPUT], self._n_numeric
        numbers = numeric[..., :n]
        added = self._noise[:, None, None] * self._draw(keras.random.normal, ops.shape(numbers))
        if len(self._column_of):
            added = ops.where(self._missing(numeric) > 0, 0.0, added)
        numbers = numbers + added
        if len(self._column_of):
            numbers = ops.concatenate([numbers, numeric[..., n:]], axis=-1)
        return batch._replace(features={**batch.features, NUMERIC_INPUT: numbers})

    def _missing(self, numeric: Any) -> Any:
        """1 where a column is missing, (n_networks, n_samples, n_numeric)."""
        return ops.matmul(numeric[..., self._n_numeric :], self._column_of)

    def _draw(self, draw: Callable[..., Any], shape: Any) -> Any:
        """Random numbers, (n_networks, ...). All networks of the start have draws; each that is left takes its own."""
        if self._positions is None:
            return draw(shape, seed=self._seed)
        return ops.take(draw((self._n_at_first, *shape[1:]), seed=self._seed), self._positions, axis=0)

    def _uniform(self, shape: Any) -> Any:
        return self._draw(keras.random.uniform, shape)

    def _draw_shares(self, shape: Any) -> Any:
        """The share of each row in its mixture, at least a half, (n_networks, n_samples)."""
        first = np.arange(len(self._mixup), dtype=np.int32)[:, None] * _SHARES
        at = ops.cast(self._uniform(shape) * _SHARES, "int32")
        return ops.take(ops.convert_to_tensor(self._shares), ops.minimum(at, _SHARES - 1) + first)

    def _partner(self, y: Any) -> Any:
        """The number in the batch of the row that each row is mixed with, int32 (n_networks, n_samples)."""
        networks, n = len(self._mixup), ops.shape(y)[1]
        direction = self._draw(keras.random.normal, (networks, 1, y.shape[-1]))
        order = ops.cast(ops.argsort(ops.sum(y * direction, axis=-1), axis=1), "int32")
        rank = ops.cast(ops.argsort(order, axis=1), "int32")
        widest = ops.maximum(n // _NEAR, 1)
        draw = self._uniform(ops.shape(y)[:2]) * 2.0 - 1.0
        step = ops.cast(ops.ceil(ops.abs(draw) * ops.cast(widest, "float32")), "int32")
        step = ops.where(draw < 0, -step, step)
        # A step beyond an end of the order goes the other way.
        step = ops.where((rank + step < 0) | (rank + step >= n), -step, step)
        return _of(order, ops.clip(rank + step, 0, n - 1))


def _of(values: Any, rows: Any) -> Any:
    """Other rows of each network's batch: those numbered ``rows``; for None, the next row of each.

    The order of the rows is drawn anew in each epoch, so the next row is a random one.
    """
    if rows is None:
        return ops.roll(values, 1, axis=1)
    networks, n = values.shape[0], ops.shape(values)[1]
    first = ops.reshape(ops.arange(networks, dtype="int32"), (networks, 1)) * n
    flat = ops.reshape(values, (-1, *values.shape[2:]))
    return ops.take(flat, rows + first, axis=0)


def _shares(alpha: float, seed: int) -> npt.NDArray[np.float32]:
    """Equally likely shares of a row in its mixture, ascending, float32 (_SHARES,); all 1 for an ``alpha`` of 0."""
    if alpha == 0:
        return np.ones(_SHARES, np.float32)
    samples = np.random.default_rng(seed).beta(alpha, alpha, _SHARES * _DRAWS_A_SHARE)
    larger = np.sort(np.maximum(samples, 1.0 - samples))
    return np.asarray(larger.reshape(_SHARES, _DRAWS_A_SHARE).mean(axis=1), np.float32)
