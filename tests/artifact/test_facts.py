"""Facts: each has its field and its sentence; a manifest without facts keeps its bytes."""

from __future__ import annotations

import json

import pytest

from artifact import facts
from artifact.facts import Fact, Facts
from artifact.manifest import MANIFEST, Manifest
from tests.builders import write_version

EXAMPLES: list[Fact] = [
    facts.UntargetedRows(count=5, rows=180),
    facts.RepeatedRows(count=3, rows=20, across_parts=True),
    facts.EmptyRows(count=1, rows=180),
    facts.ColumnLeftOut(column="one", why="constant", reason="it is constant (1)"),
    facts.ColumnLeftOut(column="spare", why="asked"),
    facts.UnreadableValues(column="ratio", count=2, are_moments=False),
    facts.KeyColumn(column="id", distinct=180, rows=180),
    facts.LongNumbers(column="account", digits=20),
    facts.Leak(column="paid", target="price", share=0.999),
    facts.KnownWithTarget(column="fee", targets=("price",), rows=75, known=1.0),
    facts.Formula(target="price", columns=("a", "b"), form="sum", formula="'a' + 'b'"),
    facts.HeavyValue(target="price", row=10, value=1e9, share=0.9),
    facts.TooGood(target="price", model="mlp", r2=0.9991, column="paid", share=0.9),
    facts.Leaning(column="paid", target="price", share=0.9),
    facts.Mixed(weights={"mlp": 0.75, "trees": 0.25}, alone={"mlp": 1.02, "trees": 1.1}, plain="RMSE"),
    facts.Distilled(
        served=False, parameters=900, ensemble="3 x 8", ensemble_parameters=21_000, error=0.3, error_is="RMSE",
        cost=1.07, allowed=1.01, held_out=True,
    ),
    facts.Penalty(family="ridge", alpha=(0.25,), tried=33),
    facts.Selection(
        direction="backward", criterion="aic", kept=("a", "b"), features=3, score=12.5,
        steps=(facts.Step(feature="c", added=False, score=11.25),),
    ),
    facts.Coefficients(
        family="ridge", target="price", intercept=1.5, terms=(facts.Coefficient(column="a", weight=-2.0),), more=1
    ),
    facts.Retry(epoch=3, learning_rate=0.04, lower=0.004),
    facts.Retry(epoch=2, learning_rate=0.004, lower=None),
]  # fmt: skip


def kinds() -> set[type]:
    classes = [value for value in vars(facts).values() if isinstance(value, type) and issubclass(value, Fact)]
    return set(classes) - {Fact}


def test_each_kind_of_fact_has_a_field_and_a_sentence():
    assert {type(fact) for fact in EXAMPLES} == kinds()
    every = Facts.of(EXAMPLES)
    assert every.model_fields_set == set(Facts.model_fields)
    assert [c.column for c in every.columns_left_out] == ["one", "spare"]
    assert [r.lower for r in every.retries] == [0.004, None]
    for fact in EXAMPLES:
        assert fact.sentence.endswith(".")


def test_sentences_say_what_the_fields_hold():
    by_kind = {type(fact): fact.sentence for fact in reversed(EXAMPLES)}
    assert by_kind[facts.Mixed] == (
        "Mixed by errors on unseen rows: mlp 75% (+2.0% alone), trees 25% (+10.0% alone); in brackets, each one's RMSE "
        "compared with the mix's."
    )
    assert by_kind[facts.Distilled] == (
        "Not distilled: one network of 900 weights in place of 3 x 8 of 21,000 would have a RMSE on held-out rows 0.3 "
        "target deviations, 7.0% above the ensemble's; 1% is allowed."
    )
    assert by_kind[facts.EmptyRows] == (
        "1 of 180 rows have no value in any feature; the model learns from them what to answer to such a row."
    )
    assert by_kind[facts.UnreadableValues] == "Column 'ratio' holds 2 infinite values; they count as missing."
    far = facts.UnreadableValues(column="until", count=1, are_moments=True)
    assert far.sentence == ("Column 'until' holds 1 moments outside the years 1 to 9999; they count as missing.")
    served = facts.Distilled(
        served=True, parameters=900, ensemble="3", ensemble_parameters=2_700, error=0.25, error_is="RMSE", cost=0.98
    )
    assert served.sentence == (
        "Distilled: one network of 900 weights in place of 3 of 2,700; RMSE out of fold 0.25 target deviations, 2.0% "
        "below the ensemble's."
    )
    assert by_kind[facts.Retry] == (
        "The loss was not a number in epoch 3; trained again at a learning rate of 0.004, not 0.04."
    )
    assert by_kind[facts.Selection] == (
        "stepwise backward by aic kept 2 of 3 features: 'a', 'b'. Score 12.5, then -c (11.25)."
    )
    assert by_kind[facts.Coefficients] == "Coefficients of 'price': intercept 1.5, a -2, and 1 more."
    assert by_kind[facts.ColumnLeftOut] == "Column 'one' is left out: it is constant (1)."


@pytest.mark.parametrize(
    ("penalty", "sentence"),
    [
        ({"family": "ridge", "alpha": (0.25,), "tried": 33}, "ridge took alpha 0.25 of 33 by the folds."),
        ({"family": "ridge", "alpha": (4.0,)}, "ridge took alpha 4."),
        (
            {"family": "lasso", "alpha": (30.0, 2.5), "tried": 100, "weighted": 3, "columns": 9},
            "lasso took alpha 30, 2.5 of 100 by the folds; 3 of 9 columns have a weight.",
        ),
        (
            {"family": "elastic-net", "alpha": (0.5,), "l1_ratio": 0.95, "weighted": 2, "columns": 9},
            "elastic-net took alpha 0.5 with l1_ratio 0.95; 2 of 9 columns have a weight.",
        ),
        (
            {
                "family": "elastic-net",
                "alpha": (0.5,),
                "l1_ratio": 0.1,
                "standardised": True,
                "tried": 700,
                "weighted": 9,
                "columns": 9,
            },
            "elastic-net took alpha 0.5 with l1_ratio 0.1, for a target of deviation 1 of 700 by the folds; 9 of 9 "
            "columns have a weight.",
        ),
    ],
)
def test_a_penalty_is_told_as_it_was_chosen(penalty, sentence):
    assert facts.Penalty(**penalty).sentence == sentence


def test_a_manifest_keeps_its_facts_and_one_without_any_is_what_it_always_was(tmp_path):
    plain, folder = write_version(tmp_path, "1"), tmp_path
    assert plain == Manifest.read(folder)
    assert plain.facts == Facts()
    assert "facts" not in json.loads((folder / MANIFEST).read_text())
    written = plain.model_copy(update={"facts": Facts.of(EXAMPLES)}).write(folder)
    assert Manifest.read(folder) == written
    assert json.loads((folder / MANIFEST).read_text())["facts"]["mix"]["weights"] == {"mlp": 0.75, "trees": 0.25}


def test_a_fact_without_a_field_is_refused():
    class Other(Fact):
        pass

    with pytest.raises(TypeError, match=r"Expected a fact that has a field\. Received: Other"):
        Facts.of([Other()])
