"""Boards as CSV: one line a number and a claim, so that no program takes a cell apart."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from lgbench.benchmark import Column
from lgbench.plain import csv_safe

from .claims import Outcome
from .lines import FACTS, Beside, Line, Table
from .papers import ReportedRow
from .standing import Standing

__all__ = ["sheet"]

RANKING = (
    "kind,table,rank,tied,provisional,method,preset,recipe,selected_by,metric,better,value,low,high,gap,seeds,"
    "attempted,failed,flags,devices,protocol_id,records,source,supervision,note"
)
ABLATION = (
    "kind,section,table,variant,against,method,preset,recipe,selected_by,metric,better,value,low,high,seeds,"
    "attempted,failed,flags,devices,protocol_id,records,supervision,paper,source,difference,verdict,note"
)


def sheet(standing: Standing) -> str:
    """A board's board.csv; a missing number is empty, never 0."""
    columns, out = (ABLATION if standing.board.variants else RANKING).split(","), io.StringIO()
    columns += [name for name in FACTS if name not in columns]
    writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for line in _lines(standing):
        writer.writerow({name: csv_safe(_as_text(value)) for name, value in line.items()})
    return out.getvalue()


def _lines(standing: Standing) -> Iterator[dict[str, Any]]:
    for section in standing.sections:
        for number, table in enumerate(section.tables, 1):
            for line in table.lines:
                for metric in table.columns:
                    yield {"section": section.preset, "table": number} | _number(table, line, metric)
        for outcome in section.outcomes:
            yield {"section": section.preset} | _claim(outcome)
    if not standing.board.variants:
        for paper in standing.held.reported:
            yield from (_reported(paper, metric) for metric in standing.board.metrics if metric.name in paper.values)


def _number(table: Table, line: Line, metric: Column) -> dict[str, Any]:
    cell, waits = line.cells[metric.name], line.variant.waits if line.variant and line.kind == "not run" else ""
    of_runs = ("rank", "tied", "provisional", "attempted") if line.kind == "reproduced" else ()
    of_line = ("kind", "method", "preset", "recipe", "selected_by", *of_runs, *FACTS)
    number = {
        **{name: getattr(line, name) for name in of_line},
        **{name: getattr(cell, name) for name in ("low", "high", "gap")},
        "variant": line.variant_name,
        "metric": metric.name,
        "better": metric.better,
        "value": cell.mean,
        "seeds": cell.seeds or "",
        "failed": sum(line.statuses.values()) if of_runs else "",
        "protocol_id": table.protocols.get(metric.name, ("", {}))[0],
        "records": " ".join(record.id for record in line.runs.values()),
        "note": "; ".join(filter(None, [waits, *cell.why, line.unlike])),
    }
    return number | (_beside(line, cell.beside) if cell.beside else {})


def _beside(line: Line, paper: Beside) -> dict[str, Any]:
    told = [*paper.reasons, f"not stated: {', '.join(paper.unstated)}" if paper.unstated else "", line.failures]
    note = "; ".join(filter(None, [*told, paper.note]))
    known = {"paper": paper.value, "source": paper.source, "difference": paper.gap, "verdict": paper.verdict}
    return known | {"note": note}


def _claim(outcome: Outcome) -> dict[str, Any]:
    ends: dict[str, float] = {}
    if outcome.difference is not None and outcome.half is not None:
        ends = {"low": outcome.difference - outcome.half, "high": outcome.difference + outcome.half}
    margin = f"equal within {outcome.claim.margin:g}" if outcome.claim.margin else ""
    return ends | {
        "kind": "claim",
        "variant": outcome.claim.better,
        "against": outcome.claim.worse,
        "metric": outcome.metric.name,
        "better": outcome.metric.better,
        "seeds": min(outcome.seeds) or "",
        "source": outcome.claim.source,
        "difference": outcome.difference,
        "verdict": outcome.verdict,
        "note": "; ".join(filter(None, [outcome.claim.text, margin, outcome.why])),
    }


def _reported(paper: ReportedRow, metric: Column) -> dict[str, Any]:
    value, spread = paper.values[metric.name]
    told = f"± {spread:.6g}" if spread is not None else ""
    return {
        "kind": "reported",
        "method": paper.method,
        "metric": metric.name,
        "better": metric.better,
        "value": value,
        "source": f"{paper.paper} {paper.table}",
        "supervision": paper.supervision,
        "note": "; ".join(filter(None, [told, paper.notes.get(metric.name)])),
    }


def _as_text(value: Any) -> str:
    """A value as a cell holds it."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={count}" for name, count in value.items())
    if isinstance(value, tuple):
        return "; ".join(value)
    return "" if value is None else str(value)
