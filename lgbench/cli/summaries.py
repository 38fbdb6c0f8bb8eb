"""A `lgbench.frame` for people: means over seeds, as a table for a terminal or a paper."""

from __future__ import annotations

import math

import pandas as pd

from lgbench.frames import COLUMNS
from lgbench.leaderboard.columns import interval_of
from lgbench.leaderboard.lines import Cell
from lgbench.leaderboard.pages import mean_in_words

__all__ = ["latex", "over_seeds", "summary"]


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """A `frame` with seeds averaged: `mean`, its 95 % Student-t interval `low` and `high`, and how many `seeds`.

    Runs that differ in a setting, and values of different protocols, are never averaged. Several values of one seed are
    averaged first. An interval ends where the metric does; where there is one seed, `low` and `high` are NaN.
    """
    settings = [name for name in table if name not in COLUMNS and not name.startswith("details.")]
    alike = ["method", "dataset", "preset", "resolution", "variant", *settings, "metric", "protocol", "recipe"]
    values = table.dropna(subset="value").groupby([*alike, "seed"], dropna=False, sort=False).value.mean()
    means = values.groupby(alike, dropna=False, sort=False).agg(["mean", "count"]).rename(columns={"count": "seeds"})
    spread = values.groupby(alike, dropna=False, sort=False).agg(list)
    ends = [
        interval_of(metric, seeds) if len(seeds) > 1 else (math.nan, math.nan)
        for seeds, metric in zip(spread, spread.index.get_level_values("metric"), strict=True)
    ]
    return means.assign(low=[low for low, _ in ends], high=[high for _, high in ends]).reset_index()


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A `frame` for people: "0.877 ± 0.043" over seeds, one row a metric and a recipe.

    Its columns are the method, whatever else tells the rows apart, `metric`, `value` and `seeds`. A metric that has
    several protocols is named with each, for its values must not be compared.
    """
    means = over_seeds(table)
    protocols = means.groupby("metric").protocol.nunique()
    names = [
        f"{metric} ({protocol})" if protocols[metric] > 1 else metric
        for metric, protocol in zip(means.metric, means.protocol, strict=True)
    ]
    numbers = zip(means["mean"].tolist(), means.low.tolist(), means.high.tolist(), strict=True)
    values = [mean_in_words(Cell(mean, _known(low), _known(high)), 3) for mean, low, high in numbers]
    shown = means.assign(metric=names, value=values)
    settings = [name for name in means if name in table and name not in COLUMNS]
    for name in settings:  # where no two runs differ in it, it tells nothing
        words = means.assign(words=means[name].map(_in_words)).groupby(["method", "dataset", "preset"]).words
        shown[name] = words.transform(lambda each: each if each.nunique() > 1 else "")
    told = [name for name in ("dataset", "preset", "resolution", "variant", *settings) if len(set(shown[name])) > 1]
    told = ["method", *(name for name in told if name not in settings or "variant" not in told)]
    if shown.duplicated([*told, "metric"]).any():
        told.append("recipe")
    return shown.loc[:, [*told, "metric", "value", "seeds"]]


def _known(end: float) -> float | None:
    return None if math.isnan(end) else end


def _in_words(setting: object) -> str:
    return f"{setting:g}" if isinstance(setting, float) else str(setting)


def latex(table: pd.DataFrame) -> str:
    """A `frame`'s summary as a LaTeX table (booktabs): a row for each recipe, a column for each metric."""
    shown = summary(table)
    told = list(shown.columns[:-3])
    wide = shown.pivot_table(index=told, columns="metric", values="value", aggfunc="first", sort=False)
    return wide.reset_index().to_latex(index=False, na_rep="--", escape=True)
