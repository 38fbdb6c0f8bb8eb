"""A `lgbench.frame` for people: means over seeds, as a table for a terminal or a paper."""

from __future__ import annotations

import math
import statistics

import pandas as pd

from lgbench.errors import LgbenchError, UnknownName, did_you_mean
from lgbench.frames import COLUMNS
from lgbench.intervals import difference
from lgbench.leaderboard.columns import interval_of
from lgbench.leaderboard.lines import Cell
from lgbench.leaderboard.pages import mean_in_words

__all__ = ["effects", "latex", "over_seeds", "summary"]

COMPARABLE = ["dataset", "preset", "resolution", "metric", "protocol"]
"""What two values must share for their difference to mean anything."""


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """A `frame` with seeds averaged: `mean`, its 95 % Student-t interval `low` and `high`, `each` value and how many
    `seeds` there are.

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
    return means.assign(low=[low for low, _ in ends], high=[high for _, high in ends], each=spread).reset_index()


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A `frame` for people: "0.877 ± 0.043" over seeds, one row a metric and a recipe.

    Its columns are the method, whatever else tells the rows apart, `metric`, `value` and `seeds`.
    """
    means = over_seeds(table)
    numbers = zip(means["mean"].tolist(), means.low.tolist(), means.high.tolist(), strict=True)
    values = [mean_in_words(Cell(mean, _known(low), _known(high)), 3) for mean, low, high in numbers]
    shown, told = _named(means, table)
    return shown.assign(value=values).loc[:, [*told, "metric", "value", "seeds"]]


def effects(table: pd.DataFrame, against: str) -> pd.DataFrame:
    """What each row of a `frame` changes against one of them, in numbers of one data set, preset and protocol.

    Args:
        table: as `lgbench.frame` gives it.
        against: the row to compare with: an ablation's variant, a method, or a recipe.

    Returns:
        One row a metric and a recipe: whatever tells the rows apart, `metric`, the mean "of" `against`, the row's own
        `value`, their `difference` with its 95 % interval (Welch, 1947; none where one of them has a single seed), and
        the `seeds` of the row and of `against` ("3, 2").

    Raises:
        UnknownName: no row is called so.
        LgbenchError: several are, in one data set and preset; or nothing is comparable with it.
    """
    shown, told = _named(over_seeds(table), table)
    pairs = shown.reset_index().merge(_row_called(shown, against), on=COMPARABLE, suffixes=("", " before"))
    pairs = pairs.loc[pairs.recipe != pairs["recipe before"]].sort_values(by="index", kind="stable")
    if pairs.empty:
        raise LgbenchError(
            f"Nothing here can be compared with {against}: no other row has its data set, preset, resolution and a "
            "metric by the same protocol."
        )
    differences = [_difference(new, old) for new, old in zip(pairs.each, pairs["each before"], strict=True)]
    seeds = [f"{new}, {old}" for new, old in zip(pairs.seeds, pairs["seeds before"], strict=True)]
    wide = pairs.assign(difference=differences, seeds=seeds)
    for name, source in ((f"of {against}", "mean before"), ("value", "mean")):
        wide[name] = [f"{mean:.3f}" for mean in wide[source]]
    return wide.loc[:, [*told, "metric", f"of {against}", "value", "difference", "seeds"]].reset_index(drop=True)


def _row_called(means: pd.DataFrame, name: str) -> pd.DataFrame:
    """Those of these rows that somebody calls so: at most one of each data set, preset and metric."""
    columns = ("variant", "method", "recipe")
    called = next((column for column in columns if name and name in set(means[column])), None)
    if called is None:
        known = [*dict.fromkeys([*means.variant, *means.method])]
        hint = did_you_mean(name, known, f"They are: {', '.join(filter(None, known)) or 'none'}.")
        raise UnknownName(f"No row here is a variant, a method or a recipe called {name!r}. {hint}")
    found = means.loc[means[called].eq(name)]
    if found.loc[:, COMPARABLE].duplicated().any():
        recipes = ", ".join(dict.fromkeys(found.recipe))
        raise LgbenchError(f"Several rows here are {name!r}. Name one by its variant, or by its recipe: {recipes}.")
    return found


def _difference(new: list[float], old: list[float]) -> str:
    if len(new) == 1 or len(old) == 1:
        return f"{statistics.fmean(new) - statistics.fmean(old):+.3f}"
    between, half = difference(new, old)
    return f"{between:+.3f} ± {half:.3f}"


def _named(means: pd.DataFrame, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Means with metrics named and settings in words, and the columns that tell the rows apart.

    A metric that has several protocols is named with each, for its values must not be compared.
    """
    protocols = means.groupby("metric").protocol.nunique()
    names = [
        f"{metric} ({protocol})" if protocols[metric] > 1 else metric
        for metric, protocol in zip(means.metric, means.protocol, strict=True)
    ]
    shown = means.copy()
    settings = [name for name in means if name in table and name not in COLUMNS]
    for name in settings:  # where no two runs differ in it, it tells nothing
        words = means.assign(words=means[name].map(_in_words)).groupby(["method", "dataset", "preset"]).words
        shown[name] = words.transform(lambda each: each if each.nunique() > 1 else "")
    told = [name for name in ("dataset", "preset", "resolution", "variant", *settings) if len(set(shown[name])) > 1]
    told = ["method", *(name for name in told if name not in settings or "variant" not in told)]
    if shown.assign(metric=names).duplicated([*told, "metric"]).any():
        told.append("recipe")
    return shown.assign(metric=names), told


def _known(end: float) -> float | None:
    return None if math.isnan(end) else end


def _in_words(setting: object) -> str:
    return f"{setting:g}" if isinstance(setting, float) else str(setting)


def latex(shown: pd.DataFrame, values: str) -> str:
    """A `summary` or `effects` as a LaTeX table (booktabs): a row for each recipe, a column for each metric."""
    told = list(shown.columns)[: list(shown.columns).index("metric")]
    wide = shown.pivot_table(index=told, columns="metric", values=values, aggfunc="first", sort=False)
    return wide.reset_index().to_latex(index=False, na_rep="--", escape=True)
