import pytest

from artifact.errors import DataError
from training.table.corrections import Corrections


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[features.x]\nkindd = 'number'", "kindd"),
        ("[features.x]\nkind = 'float'", "features.x.kind"),
        ("nonsense", "readable TOML"),
    ],
)
def test_a_wrong_schema_toml_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "schema.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        Corrections.read(path)


def test_text_columns_are_those_called_categories():
    corrections = Corrections.model_validate({"features": {"zip": {"kind": "category"}, "age": {"kind": "integer"}}})
    assert corrections.text_columns() == ["zip"]
