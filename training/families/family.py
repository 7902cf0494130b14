"""The record of a family of models. All code that names or lists families, or asks about one, reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from training.families.settings import Samples, Size

if TYPE_CHECKING:
    from training.families.solvers.task import Solved, Solver, Task
    from training.families.trees.forest import Grown
    from training.networks.inputs import Inputs
    from training.table.folds import Fold
    from training.table.split import Indices

Way = Literal["trained", "solved", "grown"]


@dataclass(frozen=True, slots=True)
class Effort:
    """Bounds of a family on the work that a preset asks for.

    Attributes:
        least_batch: the fewest rows of a step.
        most_passes: the most passes over the rows; None: the preset's.
        most_repeats: the most repeats of the cut into folds; None: the preset's.
    """

    least_batch: int = 1
    most_passes: int | None = None
    most_repeats: int | None = None


def _none(size: Size) -> Mapping[str, Any]:  # noqa: ARG001 - the families share a signature
    return {}


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models.

    Attributes:
        name: as ``--model`` takes it.
        summary: what it is, in a sentence or two; code marks are Markdown's.
        rank: place in lists, low first. Defaults to 100.
                build: function from inputs and resolved settings to the last hidden layer,
            (n_networks, n_members * n_samples, width); None: it is no network.
        solver: finds the exact weights of one layer of heads on the hidden layer, in place of a loop over epochs; the
            hidden layer then has no weights, numbers are standardised and categories one-hot. None: no solver.
        grow: function that grows a model of trees, which can only be part of a mix; None: it is no family of trees.
        trains: whether a loop over epochs can train it for objectives that its solver does not take.
        solves: the objectives that the solver takes.
        mixes: function from an objective's name to whether the family can be part of a mix; otherwise a mix leaves it
            out.
        streams: whether it can be trained on a table that is streamed.
        starts: whether training it can start from an earlier version.
        keeps_rows: whether its model holds rows of the table; the manifest then says so.
        squeeze: whether scaled numbers are bounded softly, see :class:`artifact.layers.NumericPreprocessing`.
        bounded: whether answers stay within the range of the seen targets; a line may extrapolate.
        ntk: whether the heads have the neural tangent parametrisation, see :class:`artifact.layers.StackedDense`.
        factor: function from a weight's path, ``layer/name``, to the factor of its learning rate; None: 1 for each.
        defaults: the family's own defaults of settings, for any table.
        sized: function from the table's size to the defaults that depend on it.
        effort: bounds on the work.
        settings: names of the settings that this family reads and most others do not, see
            :func:`training.families.readers`.
        shape: name for the shape of its layers. Families of the same shape can start from each other's versions: then
            the settings of layers are those of the version. Defaults to a shape of its own.
        line: what a sentence calls it in place of "network": ``ridge regression``; empty for a network.
        baseline: name of the baseline that is the same model, see :mod:`training.evaluation.baselines`; empty for none.
        like: the same model in scikit-learn, in Markdown; empty where there is none.
        chosen: the settings that the folds choose, in Markdown; empty for none.
        onnx: functions that write the family's own layers as ONNX, by the layers' class names, see
            :func:`training.export.onnx_graph.convert.write_onnx`. Each is called with the graph, the layer and the ONNX
            values of its inputs.
    """

    name: str
    summary: str
    rank: int = 100
    build: Callable[[Inputs, Any], Any] | None = None
    solver: Solver | None = None
    grow: Callable[[Samples, Sequence[Fold], Indices], Grown] | None = None
    trains: bool = True
    solves: tuple[str, ...] = ()
    mixes: Callable[[str], bool] = lambda objective: True  # noqa: ARG005
    streams: bool = True
    starts: bool = True
    keeps_rows: bool = False
    squeeze: bool = True
    bounded: bool = True
    ntk: bool = False
    factor: Callable[[str], float] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    sized: Callable[[Size], Mapping[str, Any]] = _none
    effort: Effort = Effort()
    settings: tuple[str, ...] = ()
    shape: str = ""
    line: str = ""
    baseline: str = ""
    like: str = ""
    chosen: str = ""
    onnx: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def alone(self) -> bool:
        """Whether it can be a model by itself, and not in a mix only."""
        return self.build is not None

    @property
    def network(self) -> bool:
        """Whether it is a network with hidden layers, which a loop over epochs trains."""
        return self.alone and self.trains and not self.line

    def way(self, objective: str) -> Way | None:
        """How it is fitted for an objective; None: it cannot be."""
        if self.grow is not None:
            return "grown"
        if objective in self.solves:
            return "solved"
        return "trained" if self.trains else None

    def is_solved(self, objective: str) -> bool:
        """Whether its weights are solved for: then it has no epochs, starts or augmentation."""
        return self.way(objective) == "solved"

    def can_stream(self, objective: str) -> bool:
        """Whether a table that is streamed can train it."""
        return self.streams and self.way(objective) == "trained"

    def can_start(self, objective: str) -> bool:
        """Whether it can start from an earlier version."""
        return self.starts and self.way(objective) == "trained"

    def alike(self, other: Family) -> bool:
        """Whether its layers have the same shape as those of another family."""
        return (self.shape or self.name) == (other.shape or other.name)

    def layers(self, inputs: Inputs, settings: Any) -> Any:
        """The last hidden layer, by :attr:`build`.

        Raises:
            TypeError: it is no network.
        """
        if self.build is None:
            raise TypeError(f"Expected a family of networks. Received: {self.name}.")
        return self.build(inputs, settings)

    def grown(self, samples: Samples, folds: Sequence[Fold], all_rows: Indices) -> Grown:
        """Trees, by :attr:`grow`.

        Raises:
            TypeError: it is no family of trees.
        """
        if self.grow is None:
            raise TypeError(f"Expected a family that is grown. Received: {self.name}.")
        return self.grow(samples, folds, all_rows)

    def solved(self, task: Task) -> list[Solved]:
        """The solved networks, by :attr:`solver`.

        Raises:
            TypeError: it has no solver.
        """
        if self.solver is None:
            raise TypeError(f"Expected a family with a solver. Received: {self.name}.")
        return self.solver(task)
