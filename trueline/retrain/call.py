"""A call of ``refit`` or ``finetune``, by the options of a command or by the arguments of the Python API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

from artifact.errors import DataError
from artifact.manifest import Manifest
from trueline.frames import Data, ReadingWords, Source, source_of
from trueline.retrain.earlier import Former
from trueline.retrain.refit import Display, RetrainOptions, data_of_recipe, train_anew
from trueline.retrain.rows import RowChoice
from trueline.terminal.consoles import tell_note


class RetrainWords(ReadingWords, total=False):
    """The options of ``refit`` and ``finetune`` beside the rows; ``trueline refit --help`` explains each."""

    newest: int | str | None
    hold_out: bool
    keep_data: bool | None
    note: str
    quiet: bool
    verbose: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A call of ``refit`` or ``finetune``.

    Attributes:
        by: the command.
        source: the new rows.
        words: the options.
        appended: whether the new rows are added to the rows that are kept of the earlier version.
        tolerance: see :class:`trueline.retrain.refit.RetrainOptions`.
    """

    by: Literal["refit", "finetune"]
    source: Source
    words: RetrainWords
    appended: bool = False
    tolerance: float = 0.1

    @classmethod
    def refit(cls, former: Former, data: Data | None, appended: Data | None, words: RetrainWords) -> Self:
        """A call of ``refit``.

        Args:
            former: the earlier version.
            data: the rows that train; None for the data of the recipe, unless there are rows to append.
            appended: rows to add to those that are kept, or None.
            words: the options.

        Raises:
            DataError: rows of both kinds; or there are none, and those of the recipe came from no file.
        """
        if data is not None and appended is not None:
            raise DataError("Expected --data or --append. Received: both.")
        if appended is not None:
            return cls("refit", source_of(appended), words, appended=True)
        return cls("refit", source_of(data_of_recipe(former) if data is None else data), words)

    def run(self, former: Former, raise_if_ended: Callable[[], None] = lambda: None) -> Manifest:
        """Train, and store a version.

        Args:
            former: the earlier version.
            raise_if_ended: called at each stage and epoch; it raises to end the training. Defaults to doing nothing.

        Raises:
            DataError, RefusedError, ArtifactError: see :func:`trueline.retrain.refit.train_anew`.
        """
        words = self.words
        quiet = words.get("quiet", False)

        def tell(note: str) -> None:
            if not quiet:
                tell_note(note)

        options = RetrainOptions(self.by, words.get("keep_data"), words.get("note", ""), self.tolerance)
        display = Display(quiet, words.get("verbose", False), raise_if_ended)
        return train_anew(former, self._choice(former), options, tell, display)

    def _choice(self, former: Former) -> RowChoice:
        """The rows that are asked for; files are read as the recipe says unless an option says otherwise."""
        from training.table.reading import Reading
        from training.table.selection import Newest

        words, recipe = self.words, former.recipe.reading
        separator, encoding, sheet = words.get("separator"), words.get("encoding"), words.get("sheet")
        reading = Reading(
            recipe.separator if separator is None else separator,
            recipe.encoding if encoding is None else encoding,
            recipe.sheet if sheet is None else sheet,
        )
        newest = words.get("newest")
        return RowChoice(
            self.source,
            reading,
            self.appended,
            None if newest is None else Newest.parse(str(newest)),
            words.get("hold_out", True),
        )
