"""Moments that can be written: those of the years 1 to 9999, in seconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

# ISO 8601 has four digits for a year, and Python's datetime as many. A file may hold any year.
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
_FIRST_YEAR, _AFTER_LAST = np.datetime64("0001-01-01"), np.datetime64("10000-01-01")


def moment(seconds: float) -> datetime:
    """The moment that is this many seconds after 1970, in UTC, clipped to the moments that can be written.

    Example:
        >>> moment(0.0).isoformat(), moment(1e15).isoformat()
        ('1970-01-01T00:00:00+00:00', '9999-12-31T23:59:59+00:00')
    """
    return datetime.fromtimestamp(min(max(seconds, FIRST_SECOND), LAST_SECOND), UTC)


def unwritable(moments: npt.NDArray[np.datetime64]) -> npt.NDArray[np.bool_]:
    """Which moments lie outside the years 1 to 9999: bool (n_samples,), False where there is none.

    They are compared in years: microseconds of the year 300000 do not fit into 64 bits.
    """
    years = moments.astype("datetime64[Y]")
    return np.asarray((years < _FIRST_YEAR.astype("datetime64[Y]")) | (years >= _AFTER_LAST.astype("datetime64[Y]")))
