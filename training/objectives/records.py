"""Records by name: each file of a room may declare one, and a program may register more."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from artifact.errors import unknown_name


class Record(Protocol):
    """A record that can be looked up by its name.

    Attributes:
        name: as a user writes it.
        rank: place in lists, low first; of equal ranks the names decide.
    """

    @property
    def name(self) -> str: ...

    @property
    def rank(self) -> int: ...


R = TypeVar("R", bound=Record)


class Records(Mapping[str, R], Generic[R]):
    """Records by name, in the order of their ranks.

    Args:
        what: the word for one record: ``family``.
        records: the records of the files.
    """

    def __init__(self, what: str, records: Iterable[R]) -> None:
        self.what = what
        self._records: dict[str, R] = {}
        for record in records:
            self._add(record)

    @classmethod
    def declared(cls, what: str, kind: type[R], package: str, folders: Iterable[str]) -> Records[R]:
        """Collect the records of a package's files and folders; each is declared as a variable of the kind's name.

        Args:
            what: see the class.
            kind: type of the records; a ``Family`` is declared as ``FAMILY``.
            package: name of the package.
            folders: where its files lie, its ``__path__``.
        """
        modules = [importlib.import_module(f"{package}.{module.name}") for module in pkgutil.iter_modules(folders)]
        declared = [getattr(module, kind.__name__.upper(), None) for module in modules]
        return cls(what, [record for record in declared if isinstance(record, kind)])

    @contextmanager
    def registered(self, record: R) -> Iterator[R]:
        """Add a record for as long as the context is open: settings, help and tables list it.

        Raises:
            ValueError: there is a record of this name already.
        """
        self._add(record)
        try:
            yield record
        finally:
            del self._records[record.name]

    def __getitem__(self, name: str) -> R:
        try:
            return self._records[name]
        except KeyError:
            raise KeyError(unknown_name(self.what, name, self._records)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def _add(self, record: R) -> None:
        if record.name in self._records:
            raise ValueError(f"Expected a {self.what} of a new name. Received: '{record.name}', which exists.")
        every = sorted([*self._records.values(), record], key=lambda r: (r.rank, r.name))
        self._records = {r.name: r for r in every}


class OneOf:
    """Lets a text of a pydantic model be only one of several names: ``Annotated[str, OneOf(lambda: KINDS)]``.

    Args:
        names: function that gives the names; it is called each time that a text is checked.
    """

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names

    @property
    def names(self) -> tuple[str, ...]:
        """The names that there are."""
        return tuple(self._names())

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check a text as pydantic checks a ``Literal``, with the same message."""
        return core_schema.no_info_before_validator_function(self._checked, handler(source))

    def _checked(self, value: Any) -> Any:
        names = self.names
        if value not in names:
            expected = listed([f"'{name}'" for name in names])
            raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
        return value


def listed(words: Iterable[str], last: str = "or") -> str:
    """``a, b or c``."""
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end
