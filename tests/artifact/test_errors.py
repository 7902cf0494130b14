import time

import pytest

from artifact.errors import (
    ArtifactError,
    DataError,
    Fault,
    NotFoundError,
    RefusedError,
    SchemaMismatchError,
    unknown_name,
)


def test_exit_codes_tell_wrong_input_from_a_fault():
    fault = SchemaMismatchError([Fault(0, "age", "Expected a number.", "x", "type")])
    assert {e.exit_code for e in (DataError(), NotFoundError(), fault)} == {2}
    assert {e.exit_code for e in (ArtifactError(), RefusedError())} == {1}


@pytest.mark.parametrize(
    ("row", "field", "start"),
    [(3, "age", "Row 3, 'age': "), (None, "age", "'age': "), (3, None, "Row 3: ")],
)
def test_message_says_where_rule_and_received(row, field, start):
    fault = Fault(row, field, "Expected a number.", "x", "type")
    assert str(SchemaMismatchError([fault])) == f"{start}Expected a number. Received: 'x'."
    assert str(SchemaMismatchError([fault] * 3)).endswith("'x'. (2 more)")


def test_unknown_name_puts_the_nearest_first():
    message = unknown_name("feature", "Rooms", ["age", "room", "income"])
    assert message.startswith("Unknown feature 'Rooms'. There are: 'room', ")
    assert message.endswith("'room', 'age', 'income'.")
    names = ["/predict", "/schema", "/docs"]
    assert unknown_name("path", "/foo", names).endswith("'/predict', '/schema', '/docs'.")
    assert unknown_name("path", "/dox", names).endswith("'/docs', '/predict', '/schema'.")
    assert unknown_name("version", "1", ["2"], of="houses") == "Unknown version '1' of 'houses'. There are: '2'."
    assert unknown_name("model", "x", []) == "Unknown model 'x'. There are none yet."


def test_unknown_name_finds_the_nearest_of_many_and_counts_the_rest():
    message = unknown_name("town", "town-512x", [f"town-{i}" for i in range(1000)], limit=2)
    assert message.startswith("Unknown town 'town-512x'. There are: 'town-512', ")
    assert message.endswith(" and 998 more.")


def test_a_megabyte_of_name_or_value_is_cut_and_costs_nothing():
    began = time.perf_counter()
    message = unknown_name("feature", "r" * 1_000_000, ["r" * 1000, "rooms"])
    fault = Fault(0, "age", "Expected a number.", "x" * 1_000_000, "type")
    assert len(message) + len(str(SchemaMismatchError([fault]))) < 2000
    assert time.perf_counter() - began < 0.5
