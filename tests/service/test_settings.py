import pytest

from artifact.errors import DataError
from service.settings import Settings


def test_every_setting_is_described_and_has_a_default():
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert not field.is_required(), name


def test_environment_is_handed_in(monkeypatch):
    monkeypatch.setenv("TRUELINE_MAX_ROWS", "7")
    assert Settings.from_environment({}).max_rows == 32_768
    assert Settings().max_rows == 32_768
    settings = Settings.from_environment({"TRUELINE_MAX_ROWS": "9", "TRUELINE_MODEL": "houses:1", "OTHER": "x"})
    assert (settings.max_rows, settings.model) == (9, "houses:1")


def test_empty_model_is_unset():
    assert Settings.from_environment({"TRUELINE_MODEL": ""}).model is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("TRUELINE_MAX_ROWS", "many"), ("TRUELINE_WATCH_SECONDS", "0"), ("TRUELINE_MODEL", "houses:")],
)
def test_wrong_value_names_the_variable_and_the_value(name, value):
    with pytest.raises(DataError, match=rf"{name}: .*Received: '{value}'"):
        Settings.from_environment({name: value})


def test_unknown_variable_lists_the_nearest_setting_first():
    (sentence,) = Settings.unknown({"TRUELINE_MAX_ROW": "1", "TRUELINE_MODEL": "a", "PATH": "/bin"})
    assert sentence.startswith("Unknown setting 'TRUELINE_MAX_ROW'. There are: 'TRUELINE_MAX_ROWS'")
