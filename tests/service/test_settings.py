import pytest

from artifact.errors import DataError
from service.settings.settings import Settings


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


def test_keys_come_from_the_variable_and_the_file_and_are_never_shown(tmp_path):
    file = tmp_path / "keys"
    file.write_text("third key\n\nfourth\n")
    settings = Settings.from_environment({"TRUELINE_API_KEY": "alpha, bravo", "TRUELINE_API_KEY_FILE": str(file)})
    assert settings.keys() == (b"alpha", b"bravo", b"third key", b"fourth")
    assert "bravo" not in repr(settings) + str(settings)
    assert Settings.from_environment({"TRUELINE_API_KEY": "", "TRUELINE_API_KEY_FILE": ""}).keys() == ()


@pytest.mark.parametrize("mark", ["#", "# ", "  #", "\t#!", "\ufeff# "])
def test_case_v12_comments_in_a_key_file_are_no_keys(mark, tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"{mark}rotate me\nsecret-one\n\n# old \r\nsecret#two \n", encoding="utf-8")
    assert Settings.from_environment({"TRUELINE_API_KEY_FILE": str(file)}).keys() == (b"secret-one", b"secret#two")
    file.write_text(f"{mark}only this\n", encoding="utf-8")
    with pytest.raises(DataError, match="Expected at least one key"):
        Settings.from_environment({"TRUELINE_API_KEY_FILE": str(file)})


@pytest.mark.parametrize("value", [" ", ",", "schl\u00fcssel", "good,se\x00cret"])
def test_a_key_that_cannot_be_sent_does_not_open_the_service_and_is_not_shown(value):
    with pytest.raises(DataError, match="TRUELINE_API_KEY") as excinfo:
        Settings.from_environment({"TRUELINE_API_KEY": value})
    assert "secret" not in str(excinfo.value)
    assert excinfo.value.__cause__ is None


def test_a_key_file_that_cannot_be_read_does_not_open_the_service(tmp_path):
    with pytest.raises(DataError, match="Expected a readable file of keys"):
        Settings.from_environment({"TRUELINE_API_KEY_FILE": str(tmp_path / "none")})


def test_lists_are_separated_by_commas():
    assert Settings.listed(" a, b,,") == ("a", "b")
    assert Settings.listed(None) == ()
