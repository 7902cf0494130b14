"""The networks of one fit: the settings of each, and the settings that all share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, get_args

from training.settings.augmentation import Kind, several
from training.settings.config import TrainConfig
from training.table.folds import Fold

# Settings that each network has for itself; the amounts of the augmentations that are set belong to them, too.
_OF_EACH = ("learning_rate", "dropout", "weight_decay")


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """The settings of one network.

    Attributes:
        number: number of the network in its trial; a network that is trained once more keeps it.
        fold: rows that train it, and rows that choose its epoch.
        repeat: number of the cut into folds that its fold comes from.
        learning_rate: the highest.
        dropout: share of hidden units dropped in training.
        weight_decay: decoupled weight decay.
        noise: standard deviation of the noise on scaled numbers; 0: none.
        mixup: alpha of the mixtures' Beta distribution; 0: none.
        trial: number of its trial, where several settings are tried.
    """

    number: int
    fold: Fold
    repeat: int
    learning_rate: float
    dropout: float
    weight_decay: float = 0.0
    noise: float = 0.0
    mixup: float = 0.0
    trial: int = 0

    @property
    def augmented(self) -> bool:
        """Whether the rows that train it are changed."""
        return self.noise > 0 or self.mixup > 0


@dataclass(frozen=True, slots=True)
class Population:
    """Networks of one shape, which are trained side by side on a leading axis.

    Attributes:
        networks: the settings of each, ordered by trial, then by repeat, then by fold.
        config: resolved settings that all of them share: the shape, the optimiser, the epochs and the seed. One seed
            draws for all: weights, dropout and the order of rows are parts of draws for the whole population.
    """

    networks: tuple[NetworkSettings, ...]
    config: TrainConfig

    @classmethod
    def of(cls, config: TrainConfig, folds: Sequence[Fold], repeats: int, trial: int = 0) -> Self:
        """One network for each fold. If a setting has several values, the repeats take them in turn.

        Args:
            config: resolved settings, as a person writes them.
            folds: rows of each network, ``repeats`` times all folds.
            repeats: times that the folds cover the rows.
            trial: number of these settings among several that are tried. Defaults to 0.
        """
        per_cut = max(1, len(folds) // max(1, repeats))

        def value_of(name: str, repeat: int) -> float:
            values = several(config.required(name))
            return float(values[repeat % len(values)])

        networks = []
        for i, fold in enumerate(folds):
            repeat = i // per_cut
            settings = {name: value_of(name, repeat) for name in (*_OF_EACH, *config.augment)}
            networks.append(NetworkSettings(i, fold, repeat, trial=trial, **settings))
        return cls(tuple(networks), config)

    @classmethod
    def of_trials(cls, trials: Sequence[TrainConfig], folds: Sequence[Fold], repeats: int) -> list[Self]:
        """The networks of several settings, those of one shape side by side.

        Args:
            trials: resolved settings. Trials have one shape if they differ only in settings that each network has for
                itself: learning rate, dropout, weight decay, and amounts of the same augmentations.
            folds, repeats: folds and repeats of each trial, see :meth:`of`.

        Returns:
            One population for each shape, in the order in which the shapes first occur.
        """
        shapes: dict[str, list[Self]] = {}
        for trial, config in enumerate(trials):
            shape = config.model_dump_json(exclude={*_OF_EACH, *get_args(Kind)})
            shapes.setdefault(shape, []).append(cls.of(config, folds, repeats, trial))
        return [
            replace(
                same_shape[0], networks=tuple(network for population in same_shape for network in population.networks)
            )
            for same_shape in shapes.values()
        ]

    def __len__(self) -> int:
        return len(self.networks)

    @property
    def folds(self) -> tuple[Fold, ...]:
        """Rows of each network."""
        return tuple(network.fold for network in self.networks)

    @property
    def repeats(self) -> int:
        """How many times the folds of a trial cover the rows."""
        return len({network.repeat for network in self.networks})

    @property
    def trials(self) -> list[tuple[int, ...]]:
        """Positions of each trial's networks."""
        numbers = dict.fromkeys(network.trial for network in self.networks)
        return [tuple(i for i, network in enumerate(self.networks) if network.trial == t) for t in numbers]

    @property
    def dropout(self) -> list[float]:
        """The dropout of each network."""
        return [network.dropout for network in self.networks]

    @property
    def learning_rates(self) -> list[float]:
        """The highest learning rate of each network."""
        return [network.learning_rate for network in self.networks]

    @property
    def weight_decays(self) -> list[float]:
        """The weight decay of each network."""
        return [network.weight_decay for network in self.networks]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number of each network."""
        return tuple(network.number for network in self.networks)

    def positions(self, repeats: Sequence[int]) -> tuple[int, ...]:
        """Positions of the networks of some repeats, counted from 0, of a single trial."""
        per_cut = len(self) // self.repeats
        return tuple(i for cut in repeats for i in range(cut * per_cut, (cut + 1) * per_cut))

    def some(self, positions: Sequence[int]) -> Self:
        """Some of the networks.

        Args:
            positions: their positions.
        """
        return replace(self, networks=tuple(self.networks[i] for i in positions))

    def on(self, fold: Fold) -> Self:
        """The same networks, all on the rows of one fold; each is a repeat of its own."""
        networks = (replace(network, fold=fold, repeat=i) for i, network in enumerate(self.networks))
        return replace(self, networks=tuple(networks))
