"""Settings with which a service would refuse its own clients: they are refused at the start, and not noticed later."""

import doctest

import pytest

from artifact.errors import DataError
from service.predict import looks
from service.settings import rules as setting_rules
from service.settings.settings import Settings


@pytest.mark.parametrize("module", [setting_rules, looks])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    "origin",
    [
        "shop.example",
        "https://shop.example/",
        "https://shop.example/cart",
        "https://Shop.example",
        "https://a b",
        "//a",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(origin):
    for value in (origin, f"https://good.example, {origin}"):
        with pytest.raises(DataError) as excinfo:
            Settings.from_environment({"TRUELINE_CORS_ORIGINS": value})
        message = str(excinfo.value)
        assert message.startswith("TRUELINE_CORS_ORIGINS: Expected origins as browsers send them, such as https://")
        assert message.endswith(f"Received: {origin!r}.")


@pytest.mark.parametrize(
    "value", ["*", "null", "http://localhost:8080", "https://a.example,https://b.example", "chrome-extension://abc", ""]
)
def test_origins_that_browsers_send_are_taken(value):
    assert Settings.from_environment({"TRUELINE_CORS_ORIGINS": value}).cors_origins == (value or None)


def test_an_open_path_begins_with_a_slash():
    with pytest.raises(DataError, match=r"^TRUELINE_OPEN_PATHS: Expected paths .* a slash\. Received: 'livez'\.$"):
        Settings.from_environment({"TRUELINE_OPEN_PATHS": "/readyz, livez"})
    assert Settings.from_environment({"TRUELINE_OPEN_PATHS": ""}).open_paths == ""


@pytest.mark.parametrize("line", ["secret  # for the shop", "secret #", "\tsecret\t# x", "two words # x"])
def test_a_comment_behind_a_key_is_refused_without_the_key(line, tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# keys\nfirst\n{line}\n")
    with pytest.raises(DataError) as excinfo:
        Settings.from_environment({"TRUELINE_API_KEY_FILE": str(file)})
    message = "Expected comments on lines of their own. Received: one behind the key of line 3."
    assert str(excinfo.value) == f"TRUELINE_API_KEY and TRUELINE_API_KEY_FILE: {message}"


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "no such file or directory"), (b"\xff\xfek", "it is not UTF-8")]
)
def test_a_key_file_that_cannot_be_read_says_why(content, reason, tmp_path):
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError) as excinfo:
        Settings.from_environment({"TRUELINE_API_KEY_FILE": str(file)})
    assert str(excinfo.value).endswith(f"Expected a readable file of keys. Received: {file} ({reason}).")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MAX_ROWS", "many", "Expected a valid integer. Received: 'many'."),
        ("WORKERS", "0", "Expected a value greater than or equal to 1. Received: '0'."),
        ("WARNINGS", "loud", "Expected 'warn', 'ignore' or 'refuse'. Received: 'loud'."),
        ("ACCESS_LOG", "maybe", "Expected a valid boolean, unable to interpret input. Received: 'maybe'."),
        ("MODEL", "houses:", "Expected NAME or NAME:VERSION. Received: 'houses:'."),
    ],
)
def test_a_wrong_value_is_told_as_a_rule_and_what_was_received(name, value, message):
    with pytest.raises(DataError) as excinfo:
        Settings.from_environment({f"TRUELINE_{name}": value})
    assert str(excinfo.value) == f"TRUELINE_{name}: {message}".replace(", unable to interpret input", "")
