import json
from collections import Counter

import pytest

from artifact.errors import Fault
from service.wire import errors


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (2**70, "an integer of 71 bits"),
        pytest.param(10**9000, "an integer of 29898 bits", id="huge"),
        (1.5, 1.5),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        ("x" * 101, "x" * 100 + "…"),
        ([1, 2], "a list of 2 numbers"),
        ([["x"]], "a list of 1 list"),
        (["1", None], "a list of 2"),
        ({"a": 1}, "an object with 1 field"),
        (object, "<class 'object'>"),
    ],
)
def test_echo_is_short_and_json(value, expected):
    assert errors.echo(value) == expected
    json.dumps(errors.echo(value), allow_nan=False)


def test_body_has_the_one_error_shape_and_at_most_100_details():
    faults = [Fault(i, "age", "Expected a number.", "x", "type") for i in range(300)]
    body = json.loads(errors.InvalidRequestError(faults).body())
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "details"]
    assert len(body["error"]["details"]) == 100
    assert body["error"]["details"][0] == {"row": 0, "field": "age", "message": "Expected a number.", "received": "x"}
    assert "300 faults, the first in row 0, 'age'" in body["error"]["message"]


def test_every_error_has_its_own_status_and_code():
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.ApiError)]
    own = [k for k in kinds if "code" in vars(k)]
    assert len({k.code for k in own}) == len(own)
    shared = {status for status, times in Counter(k.status for k in kinds).items() if times > 1}
    # Two codes each: not JSON or not readable; no such path or model; a fault of the service or the model.
    assert shared <= {400, 404, 500}
    assert (
        {400, 404, 405, 406, 408, 413, 415, 422, 429, 500, 503, 504} <= {k.status for k in kinds} < set(range(400, 505))
    )


def test_a_caller_who_is_to_wait_is_told_how_long_whatever_the_protocol():
    for kind in (errors.OverloadedError, errors.NotReadyError):
        error = kind("Expected less.")
        assert error.headers == error.plain().headers == ((b"retry-after", b"1"),)
    assert errors.ApiError("Expected no fault.").headers == ()
    refused = errors.MethodError("GET", "/predict", "POST")
    assert refused.headers == ((b"allow", b"POST"),)
