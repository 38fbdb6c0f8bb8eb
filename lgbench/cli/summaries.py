"""A `lgbench.frame` for people: means over seeds, as a table for a terminal or a paper."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Collection

import numpy as np
import pandas as pd

from lgbench.errors import LgbenchError, UnknownName, did_you_mean
from lgbench.frames import COLUMNS
from lgbench.intervals import difference
from lgbench.leaderboard.columns import interval_of
from lgbench.leaderboard.lines import Cell
from lgbench.leaderboard.pages import mean_in_words

__all__ = ["effects", "failures", "latex", "of_metrics", "over_seeds", "reasons", "summary"]

COMPARABLE = ["dataset", "preset", "resolution", "metric", "protocol"]
"""What two values must share for their difference to mean anything."""


CALLED = ("variant", "method", "recipe", "line")
"""What a row is called by; the first that fits is meant."""

KIND = ["method", "dataset", "preset"]
"""What rows share whose settings are worth comparing."""

ASKED = "evaluation.metrics"
"""The setting in which runs of one line may differ."""


def over_seeds(table: pd.DataFrame, metrics: Collection[str] = ()) -> pd.DataFrame:
    """A `frame` with seeds averaged as boards do: one row a line, metric and protocol; all metrics where none is named.

    Returns:
        `mean`, its 95 % Student-t interval `low` and `high`, `each` seed's value, how many `seeds` these are, how many
        were `attempted`, and what the line's runs have in common. Runs that did not finish are in no mean. Several
        values of one seed are averaged first, and records with equal artefacts are one seed. An interval ends where
        the metric does; where there is one seed, `low` and `high` are NaN.
    """
    done = of_metrics(table.loc[table.status.eq("done")].dropna(subset="value"), metrics)
    cell = ["line", "metric", "protocol"]
    each = done.groupby([*cell, "counts_as"], sort=False).value.agg(statistics.fmean)
    seeds = each.groupby(cell, sort=False).agg(list)
    ends = [
        interval_of(metric, values) if len(values) > 1 else (math.nan, math.nan)
        for values, metric in zip(seeds, seeds.index.get_level_values("metric"), strict=True)
    ]
    shared = [*KIND, "resolution", "variant", "recipe", "selected_by", *_settings(table)]
    means = done.groupby(cell, sort=False)[shared].first().assign(each=seeds)
    means = means.assign(
        mean=seeds.map(statistics.fmean), low=[low for low, _ in ends], high=[high for _, high in ends]
    )
    attempted = table.groupby("line").counts_as.nunique()
    return means.assign(seeds=seeds.map(len)).reset_index().assign(attempted=lambda rows: rows.line.map(attempted))


def of_metrics(table: pd.DataFrame, metrics: Collection[str]) -> pd.DataFrame:
    """The rows of these metrics; all where none is named."""
    return table.loc[table.metric.isin(metrics)] if metrics else table


def _settings(table: pd.DataFrame) -> list[str]:
    """The columns that are settings in which lines may differ."""
    return [name for name in table if name not in (*COLUMNS, ASKED) and not name.startswith("details.")]


def failures(table: pd.DataFrame) -> dict[str, str]:
    """What to say of lines that have seeds which no run finished: line -> "lrgan on flora: 2 of 5 seeds failed ..."."""
    runs = table.drop_duplicates("record")
    several = runs.groupby(KIND).line.transform("nunique") > 1
    its = runs.variant.where(runs.variant.ne(""), "recipe " + runs.recipe).where(several, runs.preset)
    names = dict(zip(runs.line, runs.method + " on " + runs.dataset + ", " + its, strict=True))
    told = {}
    for line, tried in runs.groupby("line", sort=False):
        failed = tried.loc[~tried.counts_as.isin(tried.counts_as[tried.status.eq("done")])]
        if not failed.empty:
            how = ", ".join(f"{count} {status}" for status, count in sorted(Counter(failed.status).items()))
            share = f"{failed.counts_as.nunique()} of {tried.counts_as.nunique()} seeds failed"
            told[str(line)] = f"{names[line]}: {share} ({how}); they are in no mean."
    return told


def reasons(table: pd.DataFrame, metrics: Collection[str] = ()) -> list[str]:
    """Why numbers are not there: each reason once, with the metrics that lack them; then what `failures` say."""
    done = table.loc[table.status.eq("done")]
    lacking = done.loc[done.value.isna() & (done.metric.isin(metrics) | done.metric.isna() | (not metrics))]
    told = []
    for why, rows in lacking.groupby("why", sort=False):
        names = ", ".join(rows.metric.dropna().unique().tolist())
        if names and done.record.nunique() > rows.record.nunique():
            names += f" of {', '.join(dict.fromkeys(rows.method + ' on ' + rows.dataset))}"
        told.append(f"{names}: not available: {why}" if names else f"{len(rows)} records: {why}")
    return [*told, *failures(table).values()]


def summary(table: pd.DataFrame, metrics: Collection[str] = ()) -> pd.DataFrame:
    """A `frame` for people: "0.877 ± 0.043" over seeds, one row a metric and a line.

    Its columns are the method, whatever else tells the rows apart, `metric`, `value` and `seeds`, "2 of 3" where one
    failed.
    """
    means = over_seeds(table, metrics)
    numbers = zip(means["mean"].tolist(), means.low.tolist(), means.high.tolist(), strict=True)
    values = [mean_in_words(Cell(mean, _known(low), _known(high)), 3) for mean, low, high in numbers]
    shown, told = _named(means, table)
    return shown.assign(value=values, seeds=_seeds(means, table)).loc[:, [*told, "metric", "value", "seeds"]]


def _seeds(means: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """How many seeds each mean is of, and of how many where some failed."""
    failed, rows = failures(table), zip(means.line, means.seeds, means.attempted, strict=True)
    return [f"{seeds} of {attempted}" if line in failed else str(seeds) for line, seeds, attempted in rows]


def effects(table: pd.DataFrame, against: str, metrics: Collection[str] = ()) -> pd.DataFrame:
    """What each row of a `frame` changes against one of them, in numbers of one data set, preset and protocol.

    Args:
        table: as `lgbench.frame` gives it.
        against: the row to compare with: an ablation's variant, a method, or a recipe.
        metrics: only these; all where none is named.

    Returns:
        One row a metric and a line: whatever tells the rows apart, `metric`, the mean "of" `against`, the row's own
        `value`, their `difference` with its 95 % interval (Welch, 1947; none where one of them has a single seed), and
        the `seeds` of the row and of `against` ("3, 2").

    Raises:
        UnknownName: no row is called so.
        LgbenchError: several are, in one data set and preset; or it has no number, or nothing is comparable with it.
    """
    means = over_seeds(table, metrics)
    called = _column_of(against, table)
    if against not in set(means[called]):
        why = " ".join(reasons(table.loc[table[called].eq(against)], metrics))
        raise LgbenchError(f"{against} has no number{_of(metrics)} here to compare with. {why}".strip())
    shown, told = _named(means.assign(seeds=_seeds(means, table)), table)
    pairs = shown.reset_index().merge(_row_called(shown, called, against), on=COMPARABLE, suffixes=("", " before"))
    pairs = pairs.loc[pairs.line != pairs["line before"]].sort_values(by="index", kind="stable")
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


def _of(metrics: Collection[str]) -> str:
    return f" of {' or '.join(metrics)}" if metrics else ""


def _column_of(name: str, table: pd.DataFrame) -> str:
    """Whether somebody means a variant, a method, a recipe or a line by a name."""
    found = next((column for column in CALLED if name and name in set(table[column])), None)
    if found is None:
        known = [*dict.fromkeys([*table.variant, *table.method])]
        hint = did_you_mean(name, known, f"They are: {', '.join(filter(None, known)) or 'none'}.")
        raise UnknownName(f"No row here is a variant, a method or a recipe called {name!r}. {hint}")
    return found


def _row_called(means: pd.DataFrame, called: str, name: str) -> pd.DataFrame:
    """Those of these rows that somebody calls so: at most one of each data set, preset and metric."""
    found = means.loc[means[called].eq(name)]
    if found.loc[:, COMPARABLE].duplicated().any():
        apart = "recipe" if found.recipe.nunique() == found.line.nunique() else "line"
        names = ", ".join(dict.fromkeys(found[apart]))
        raise LgbenchError(f"Several rows here are {name!r}. Name one by its variant, or by its {apart}: {names}.")
    return found


def _difference(new: list[float], old: list[float]) -> str:
    if len(new) == 1 or len(old) == 1:
        return f"{statistics.fmean(new) - statistics.fmean(old):+.3f}"
    between, half = difference(new, old)
    return f"{between:+.3f} ± {half:.3f}"


def _named(means: pd.DataFrame, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Means with metrics named and settings in words, and the columns that tell the rows apart.

    A metric that has several protocols is named with each, for its values must not be compared. A setting that not all
    of such rows say, for it came later or is of a part that some lack, is left to the recipe.
    """
    protocols = means.groupby("metric").protocol.nunique()
    names = [
        f"{metric} ({protocol})" if protocols[metric] > 1 else metric
        for metric, protocol in zip(means.metric, means.protocol, strict=True)
    ]
    shown, unsaid = means.assign(metric=names), []
    for name in _settings(table):
        differs, by_all, words = _told(means, name)
        shown[name] = words.where(differs & by_all, "")  # where no two rows differ in it, it tells nothing
        unsaid += [name] * bool(np.any(differs & ~by_all))
    told = [name for name in ("dataset", "preset", "resolution", "variant") if len(set(shown[name])) > 1]
    if "variant" not in told:
        told += [name for name in _settings(table) if len(set(shown[name])) > 1]
        told += ["recipe"] if unsaid else []
    told.insert(0, "method")
    for name in ("recipe", "selected_by", "line"):
        if name not in told and max(shown.groupby([*told, "metric"])[name].nunique(), default=0) > 1:
            told.append(name)
    return shown, told


def _told(means: pd.DataFrame, setting: str) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Of each row: whether its kind differs in a setting, whether all of its kind say it, and what it says."""
    said = means[setting].notna()
    switch = setting.startswith("regularizers.") and setting.endswith(".weight")  # one of weight 0 is in no recipe
    words = pd.Series(means[setting].map(_in_words).where(said, "0" if switch else ""))
    kinds = means.assign(words=words, said=said | switch).groupby(KIND)
    return kinds.words.transform("nunique") > 1, kinds.said.transform("all"), words


def _known(end: float) -> float | None:
    return None if math.isnan(end) else end


def _in_words(setting: object) -> str:
    return f"{setting:g}" if isinstance(setting, float) else str(setting)


def latex(shown: pd.DataFrame, values: str) -> str:
    """A `summary` or `effects` as a LaTeX table (booktabs): a row for each line, a column for each metric."""
    told = list(shown.columns)[: list(shown.columns).index("metric")]
    wide = shown.pivot_table(index=told, columns="metric", values=values, aggfunc="first", sort=False)
    return wide.reset_index().to_latex(index=False, na_rep="--", escape=True)
