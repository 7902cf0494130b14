import math
import struct

import numpy as np
import pytest

from artifact.rows.packing import RowPacker


@pytest.mark.parametrize("names", [(), ("a",), ("b", "a"), ("c", "b", "a")])
def test_rows_are_packed_in_the_order_of_the_names(names):
    rows = [{"a": 1, "b": True, "c": -0.5}, {"c": 1e300, "a": 2.5, "b": None}, {"b": math.inf, "more": "text"}, {}]
    expected = np.array([[np.nan if row.get(n) is None else row[n] for n in names] for row in rows], dtype=np.float64)
    matrix = RowPacker(names)(rows)
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, expected.reshape(len(rows), len(names)))


def test_no_rows_keep_their_columns():
    assert RowPacker(("a", "b"))([]).shape == (0, 2)


@pytest.mark.parametrize("value", ["2", 10**400, []])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(struct.error):
        RowPacker(("a", "b"))([{"a": 1.0, "b": value}])
