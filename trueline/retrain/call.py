"""A call of ``refit`` or ``finetune``, by the options of a command or by the arguments of the Python API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

from artifact.errors import DataError
from artifact.manifest import Manifest
from artifact.words.remarks import remark
from trueline.frames import Data, ReadingWords, Source, source_of
from trueline.retrain.earlier import Former
from trueline.retrain.refit import Display, Listener, RetrainOptions, data_of_recipe, train_anew
from trueline.retrain.selection import RowChoice
from trueline.terminal.consoles import tell_note, tell_warning


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
        only_kept: see :class:`trueline.retrain.selection.RowChoice`.
        tolerance: see :class:`trueline.retrain.refit.RetrainOptions`.
    """

    by: Literal["refit", "finetune"]
    source: Source
    words: RetrainWords
    appended: bool = False
    only_kept: bool = False
    tolerance: float = 0.1

    @classmethod
    def refit(cls, former: Former, data: Data | None, appended: Data | None, words: RetrainWords) -> Self:
        """A call of ``refit``.

        Args:
            former: the earlier version.
            data: the rows that train. None for all rows that trained the earlier version: the data of the recipe, read
                again, or the kept rows where the data were added to others; unless there are rows to append.
            appended: rows to add to those that are kept, or None.
            words: the options.

        Raises:
            DataError: rows of both kinds; or there are none, and those of the recipe cannot be read again.
        """
        if data is not None and appended is not None:
            raise DataError("Expected --data or --append. Received: both.")
        if appended is not None:
            return cls("refit", source_of(appended), words, appended=True)
        if data is not None:
            return cls("refit", source_of(data), words)
        named, is_part = data_of_recipe(former)
        return cls("refit", Source(named, "path"), words, appended=is_part, only_kept=is_part)

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

        options = RetrainOptions(self.by, words.get("keep_data"), remark(words.get("note", ""), "note"), self.tolerance)
        display = Display(quiet, words.get("verbose", False), raise_if_ended)
        return train_anew(former, self._choice(former), options, Listener(tell, tell_warning), display)

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
            self.only_kept,
            None if newest is None else Newest.parse(str(newest)),
            words.get("hold_out", True),
        )
