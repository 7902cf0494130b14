"""A made-up table of sold houses, for the docs and for a first try: the same rows for the same seed."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import numpy as np

COLUMNS = ("sold", "town", "street", "area", "rooms", "built", "distance", "garden", "heating", "price")
# It is known only after the price: a model that sees it has learnt nothing.
LEAK = "commission"

# For each town: how dear it is, and how much prices fall with each kilometre from its centre.
_TOWNS = {"Ashford": (0.0, 0.02), "Brookdale": (0.22, 0.05), "Castleton": (0.48, 0.11), "Dunmore": (-0.15, 0.0)}
_SHARES = (0.35, 0.3, 0.2, 0.15)
_HEATING = {"gas": 0.0, "oil": -0.06, "heat pump": 0.09, "district": 0.04}
_HEATING_SHARES = (0.5, 0.2, 0.2, 0.1)
_STREETS = 15
_FIRST, _DAYS = date(2022, 1, 1), 1095
_TODAY = 2025


def houses_csv(rows: int = 1000, seed: int = 0, *, leak: bool = False) -> str:
    """The table as CSV, one line for each sale, ordered by day.

    It has numbers, dates, categories, yes-or-no and missing values, as real tables have. Each further square metre adds
    less to the price; old and new houses cost more than those between; a garden is worth more far from the centre; and
    houses in the same street have similar prices.

    Args:
        rows: number of sales. Defaults to 1,000.
        seed: seed of everything random. Defaults to 0.
        leak: add a column ``commission``, which is made from the price. Defaults to False.
    """
    rng = np.random.default_rng(seed)
    names = [*_TOWNS]
    town = rng.choice(len(names), rows, p=_SHARES)
    street = rng.integers(0, _STREETS, rows)
    of_street = rng.normal(0, 0.06, (len(names), _STREETS))[town, street]
    day = np.sort(rng.integers(0, _DAYS, rows))
    area = np.round(np.exp(rng.normal(4.75, 0.33, rows)))
    rooms = np.clip(np.round(area / 27 + rng.normal(0, 0.8, rows)), 1, 12).astype(int)
    built = np.clip(np.round(_TODAY - 3 - 115 * rng.beta(1.3, 1.8, rows)), 1900, 2021).astype(int)
    distance = np.round(rng.gamma(2.2, 2.1, rows), 1)
    garden = rng.random(rows) < np.clip(0.25 + 0.09 * distance, 0, 0.95)
    heating = rng.choice(len(_HEATING), rows, p=_HEATING_SHARES)
    level, falls = np.array([*_TOWNS.values()]).T
    age = (_TODAY - built) / 100
    log_price = (
        8.55
        + 0.82 * np.log(area)
        + 0.03 * np.minimum(rooms - area / 27, 1.5)
        + level[town]
        - falls[town] * distance
        + 1.9 * (age - 0.55) ** 2
        + garden * (0.02 + 0.015 * distance)
        + np.array([*_HEATING.values()])[heating]
        + 0.07 * day / 365
        + 0.03 * np.sin(2 * np.pi * (day - 60) / 365.25)
        + of_street
    )
    price = np.exp(log_price + rng.normal(0, 0.05, rows)).round(-2).astype(int)
    commission = (0.03 * price + rng.normal(0, 40, rows)).round().astype(int)
    missing = {"built": rng.random(rows) < 0.06, "heating": rng.random(rows) < 0.08, "garden": rng.random(rows) < 0.03}
    columns = {
        "sold": [(_FIRST + timedelta(days=int(d))).isoformat() for d in day],
        "town": [names[t] for t in town],
        "street": [f"{names[t][0]}{s + 1:02d}" for t, s in zip(town, street, strict=True)],
        "area": area.astype(int).tolist(),
        "rooms": rooms.tolist(),
        "built": built.tolist(),
        "distance": distance.tolist(),
        "garden": ["true" if g else "false" for g in garden],
        "heating": [[*_HEATING][h] for h in heating],
        "price": price.tolist(),
    }
    if leak:
        columns = {**{name: columns[name] for name in COLUMNS[:-1]}, LEAK: commission.tolist(), "price": price.tolist()}
    for name, is_missing in missing.items():
        columns[name] = ["" if empty else value for empty, value in zip(is_missing, columns[name], strict=True)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()
