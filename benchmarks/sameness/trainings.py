"""The trainings whose versions are compared: families, objectives, presets and ways of cutting the rows."""

from __future__ import annotations

from typing import NamedTuple


class Training(NamedTuple):
    """One ``trueline train``, and how its version answers afterwards.

    Attributes:
        words: words of the command after ``trueline train``; a table is a file of :mod:`benchmarks.sameness.tables`.
        before: words of a training that runs first in the same store.
        runtime: the runtime that computes the answers.
    """

    words: str
    before: str = ""
    runtime: str = "onnx"


TRAININGS: dict[str, Training] = {
    "mlp": Training("price.csv --target price --preset fast --set epochs=6", runtime="keras"),
    "tabm-quantile-interval-groups": Training(
        "price.csv --target price --model tabm --objective quantile --cv 3 --interval-groups town "
        "--set epochs=4 --set repeats=1 --set members=2"
    ),
    "realmlp-gaussian-held-out": Training(
        "price.csv --target price --model realmlp --objective gaussian --cv 1 --set epochs=6"
    ),
    "linear-mae-weights": Training(
        "price-counts.csv --target price --model linear --objective mae --weight counts --cv 3 --set epochs=8"
    ),
    "ridge-groups": Training("price-street.csv --target price --model ridge --group street --preset balanced"),
    "elastic-net-two-targets": Training("price-tax.csv --target price,tax --model elastic-net --preset fast"),
    "polynomial-time": Training(
        "price-listed.csv --target price --model polynomial --time listed --set repeats=1 --seed 3"
    ),
    "stepwise": Training("price.csv --target price --model stepwise --preset fast --set criterion=bic"),
    "mix": Training(
        "price.csv --target price --preset best --set epochs=4 --set folds=3 --set repeats=2", runtime="keras"
    ),
    "mlp-poisson-time": Training(
        "visits-listed.csv --target visits --model mlp --objective poisson --time listed --set epochs=6"
    ),
    "tabm-logistic": Training(
        "sold_fast.csv --target sold_fast --model tabm --objective logistic --cv 3 --set epochs=4 --set repeats=2 "
        "--set members=2"
    ),
    "mlp-two-targets-huber": Training(
        "price-tax.csv --target price,tax --model mlp --objective huber --cv 3 --set epochs=5 --set repeats=2 --seed 7"
    ),
    "distil-int8": Training("price.csv --target price --preset fast --set epochs=5 --set distil=true --set int8=true"),
    "augment": Training("price.csv --target price --preset fast --augment noise,mixup --set epochs=4"),
    "init": Training(
        "later.csv --target price --init houses --preset fast --set epochs=4",
        before="price.csv --target price --preset fast --cv 2 --set repeats=1 --set epochs=4",
    ),
    "stream-weights": Training(
        "many.parquet --target price --stream --model mlp --weight counts --set epochs=4 --set batch_size=64"
    ),
    "retry": Training(
        "price.csv --target price --model mlp --cv 2 --set repeats=1 --set epochs=4 --set optimizer=sgd "
        "--set clip_norm=0 --set learning_rate=1"
    ),
}
