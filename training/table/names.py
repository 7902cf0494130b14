"""Names of columns: their canonical form, and checks for repeated and for made-up names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from artifact.errors import DataError
from artifact.rows.texts.plain import SPACES

# Spaces, the separators of ASCII, which Python also counts as spaces, and a soft hyphen.
_AROUND = SPACES + "\x1c\x1d\x1e\x1f\u2028\u2029\u00ad"
# Names that pandas gives to an index without a name: in a CSV that it writes and reads again, and in Parquet.
_INDEX = re.compile(r"(Unnamed: \d+(\.\d+|_level_\d+)*|__index_level_\d+__)?")


def canonical(name: str) -> str:
    """A name in the form that is compared and stored: Unicode's NFC, without visible or invisible spaces around it."""
    return unicodedata.normalize("NFC", name).strip(_AROUND)


def checked_names(names: Sequence[str], what: object) -> list[str]:
    """Canonical names of a table's columns. Only empty names may repeat.

    Args:
        names: the names as the file has them, in order.
        what: the file, for the message.

    Raises:
        DataError: two columns have the same name; the message gives their places.
    """
    places_of: dict[str, list[int]] = {}
    for place, name in enumerate(map(canonical, names), start=1):
        places_of.setdefault(name, []).append(place)
    for name, places in places_of.items():
        if name and len(places) > 1:
            listed = f"{', '.join(map(str, places[:-1]))} and {places[-1]}"
            raise DataError(
                f"Expected a name of its own for each column of {what}. Received: '{name}' as columns {listed}. "
                "Rename or remove all but one of them."
            )
    return [canonical(name) for name in names]


def is_unnamed(name: str) -> bool:
    """Whether a column has no name of its own: an empty one, or the one that pandas gives an index.

    Example:
        >>> is_unnamed(""), is_unnamed("Unnamed: 0"), is_unnamed("__index_level_0__"), is_unnamed("index")
        (True, True, True, False)
    """
    return _INDEX.fullmatch(name) is not None


def unnamed(names: Sequence[str], keep: Collection[str] = ()) -> dict[int, str]:
    """What the file calls columns without a name of their own, by their places; columns in ``keep`` are left out."""
    return {i: name for i, name in enumerate(names) if is_unnamed(name) and name not in keep}


def unnamed_note(left_out: Mapping[int, str], what: object) -> str:
    """A note on columns that are left out since they have no name of their own."""
    listed = [f"column {i + 1} ('{name}')" if name else f"column {i + 1}" for i, name in left_out.items()][:5]
    more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""
    listing = ", ".join(listed)
    several = ("are", "they have", "their", "them")
    are, they, their, them = several if len(left_out) > 1 else ("is", "it has", "its", "it")
    return (
        f"{listing[0].upper()}{listing[1:]}{more} of {what} {are} left out: {they} no name of {their} own, like an "
        f"index that pandas writes. Give {them} a name in the table to use {them}."
    )


def in_terms_of(frame: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """A frame whose columns get a version's names where the two differ only in Unicode's form or in spaces."""
    theirs = {canonical(name): name for name in names}
    return frame.rename({c: theirs[c] for c in frame.columns if theirs.get(c, c) != c})


def split_names(text: str, columns: Collection[str]) -> tuple[str, ...]:
    """Names of columns in a text, separated by commas; a name may hold commas itself.

    Example:
        >>> split_names("price, EUR", ["price, EUR"]), split_names("low, high", ["low", "high"])
        (('price, EUR',), ('low', 'high'))
    """
    parts, names = text.split(","), []
    start = 0
    while start < len(parts):
        # Take the longest run of parts that is the name of a column. If no run is one, take one part: the caller
        # refuses it by name.
        ends = (e for e in range(len(parts), start, -1) if canonical(",".join(parts[start:e])) in columns)
        end = next(ends, start + 1)
        names.append(canonical(",".join(parts[start:end])))
        start = end
    return tuple(names)
