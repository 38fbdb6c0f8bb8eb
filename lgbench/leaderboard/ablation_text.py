"""An ablation as text: its runs, the paper's numbers beside them, and how its claims stand."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lgbench.record import Record

from .ablation import Beside, Section, beside, sections
from .claims import Outcome, outcomes
from .collapse import GREY, VANISHED
from .definition import Board, BoardMetric
from .pen import (
    STAMP,
    Grid,
    Pen,
    csv_columns,
    csv_number,
    csv_safe,
    escape,
    heads,
    markdown,
    markdown_pen,
    number_of,
    preset_of,
    tail,
)
from .reported import ReportedRow
from .rows import SEEDS_FOR_A_RANK, Row, Table
from .variants import Variant

__all__ = ["ablation_csv", "ablation_grids", "ablation_page", "standing"]


def ablation_page(board: Board, records: Mapping[str, Record], reported: Sequence[ReportedRow]) -> str:
    """An ablation's README.md."""
    pen = markdown_pen()
    parts = [STAMP, f"# {escape(board.title)}", *board.told, _about(board)]
    sweep = f"`lgbench sweep benchmarks/{board.name}.toml"
    if not records:
        parts.append(f"No runs yet: {sweep}` makes them.")
    else:
        ran = {section.preset for section in sections(board, records)}
        waiting = [preset for preset in board.presets if preset not in ran]
        parts += [f"No runs yet with preset {escape(preset)}: {sweep} --preset {preset}`." for preset in waiting]
    parts += [markdown(grid) for grid in ablation_grids(board, records, reported, pen)]
    return "\n\n".join([*parts, *pen.footnotes]) + "\n"


def ablation_grids(
    board: Board, records: Mapping[str, Record], reported: Sequence[ReportedRow], pen: Pen
) -> list[Grid]:
    """An ablation's tables: for each preset the runs, the paper's numbers beside ours, and the claims."""
    grids = []
    for section in sections(board, records):
        of = f": preset {pen.escape(section.preset)}" if section.preset and len(board.presets) > 1 else ""
        for table, lines in zip(section.tables, section.lines, strict=True):
            grids.append(_runs(table, lines, of, pen))
        if numbers := beside(board, section, reported):
            head = ("Variant", "Metric", "Ours", "Paper", "Ours - paper", "Verdict", "Source")
            grids.append(Grid(f"Beside the paper{of}", head, tuple(_beside_row(one, pen) for one in numbers)))
        if claims := outcomes(board, section, reported):
            head = ("Claim", "Metric", "Better", "Worse", "Paper", "Our runs", "Source")
            grids.append(Grid(f"Orderings{of}", head, tuple(_claim_row(one, pen) for one in claims)))
    return grids


def standing(board: Board, records: Mapping[str, Record]) -> str:
    """How an ablation's claims stand among the runs of its first preset that has any: "2 agree, 1 undecided"."""
    if not board.claims or not records:
        return ""
    first = sections(board, records)[0]
    counts = Counter(outcome.verdict for outcome in outcomes(board, first))
    words = {"agrees": "agree", "disagrees": "disagree", "undecided": "undecided", "not run": "not run"}
    told = ", ".join(f"{counts[verdict]} {word}" for verdict, word in words.items() if counts[verdict])
    return f"claims{f' ({escape(first.preset)})' if first.preset else ''}: {told}"


def _about(board: Board) -> str:
    config = "".join(f", {key} = {value}" for key, value in sorted(board.dataset_config.items()))
    return (
        f"Data set `{board.dataset}`{escape(config)} at {board.resolution} px. Rows stand in the order of the paper's "
        "table; nobody is ranked. Numbers are means over seeds with their 95 % Student-t interval. A paper's number is "
        f"within noise where it lies in our interval over at least {SEEDS_FOR_A_RANK} seeds. Where data set, "
        "resolution, protocol or preset differ, or seeds are missing, it is not comparable; the note says why. A claim "
        "about two variants is decided by Welch's t-test at the 5 % level over at least "
        f"{SEEDS_FOR_A_RANK} seeds of each.{_kinds(board)}"
    )


def _kinds(board: Board) -> str:
    """How claims are decided that are no orderings, where the board has any."""
    words = ""
    if any(claim.margin for claim in board.claims):
        words += " Two are equal within a margin where the 90 % interval of their difference lies in it."
    if any(claim.collapse for claim in board.claims):
        words += (
            " A claim about collapse reads no score: it counts seeds that show one of its signs (Fisher's exact test "
            "at the 5 % level; it disagrees where no seed shows one): flags of the record; `grey`, a binarity from "
            f"{GREY} on; `vanished`, a gradient of the mask below {VANISHED:g} of what it was at first."
        )
    return words


def _runs(table: Table, lines: Sequence[tuple[Variant, Row | None]], of: str, pen: Pen) -> Grid:
    title = f"Runs{of}" + (f": {pen.escape(table.part)}" if table.part else "")
    title += "".join(pen.note(note) for note in table.notes)
    head = ("Variant", "Method", "Preset", *heads(table, pen), "Seeds", "Flags", "Supervision", "Device", "Records")
    rows = [_run(table, lines, variant, row, pen) for variant, row in lines]
    for row in table.rows:
        if row.kind == "baseline":
            cells = [number_of(row.cells[metric.name], metric.digits, pen) for metric in table.columns]
            rows.append((f"floor: {pen.escape(row.method)}", "", "", *cells, "", "", "", "", ""))
    return Grid(title, head, tuple(rows))


def _run(
    table: Table, lines: Sequence[tuple[Variant, Row | None]], variant: Variant, row: Row | None, pen: Pen
) -> tuple[str, ...]:
    name, method = pen.escape(variant.name), pen.escape(variant.method)
    if row is None:
        blank = "not run" + (pen.note(f"{variant.name} is not run yet: {variant.waits}.") if variant.waits else "")
        return (name, method, pen.escape(variant.preset), *[blank for _ in table.columns], "0", "", "", "", "")
    twins = {other.recipe for one, other in lines if other is not None and one.name == variant.name}
    recipe = f" (recipe {row.recipe})" if len(twins) > 1 else ""
    cells = [number_of(row.cells[metric.name], metric.digits, pen) for metric in table.columns]
    return (name + recipe, method, preset_of(row, pen), *cells, *tail(row, pen))


def _beside_row(one: Beside, pen: Pen) -> tuple[str, ...]:
    digits, (value, spread) = one.metric.digits, one.paper
    paper = f"{value:.{digits}f}" + (f" ± {spread:.{digits}f}" if spread is not None else "")
    if one.note:
        paper += pen.note(f"{one.note.rstrip('.')}.")
    ours = number_of(one.cell, digits, pen).split(" (gap")[0] if one.cell else "-"
    gap = f"{one.gap:+.{digits}f}" if one.gap is not None else "-"
    verdict = f"{one.verdict}{_why(one, pen)}"
    return (
        pen.escape(one.variant.name),
        pen.escape(one.metric.head),
        ours,
        paper,
        gap,
        verdict,
        pen.escape(one.source),
    )


def _why(one: Beside, pen: Pen) -> str:
    marks = ""
    if one.verdict == "not comparable":
        marks += pen.note(f"Not comparable: {'; '.join(one.reasons)}.")
    elif one.unstated:
        marks += pen.note(f"The paper does not state its {', '.join(one.unstated)}: taken to be ours.")
    if one.row is not None and one.row.failures:
        marks += pen.note(f"{one.variant.name}: {one.row.failures}; they are in no mean.")
    return marks


def _claim_row(one: Outcome, pen: Pen) -> tuple[str, ...]:
    digits, claim = one.metric.digits, one.claim
    paper = "-"
    if one.paper:
        relation = ">" if one.paper[0] > one.paper[1] else "<" if one.paper[0] < one.paper[1] else "="
        paper = pen.escape(f"{one.paper[0]:.{digits}f} {relation} {one.paper[1]:.{digits}f}")
    names = [pen.escape(text) for text in (claim.text, one.metric.head, claim.better, claim.worse)]
    return (*names, paper, pen.escape(_told(one)), pen.escape(claim.source))


def _told(one: Outcome) -> str:
    """A verdict in words: "undecided (difference 0.012 ± 0.034 over 3 seeds)"."""
    if one.difference is None:
        return f"{one.verdict}: {one.why}" if one.why else one.verdict
    digits, (many, few) = one.metric.digits, (max(one.seeds), min(one.seeds))
    seeds = f"{many} seed{'s' if many > 1 else ''}" if many == few else f"{one.seeds[0]} and {one.seeds[1]} seeds"
    half = f" ± {one.half:.{digits}f}" if one.half is not None else ""
    why = f", margin {one.claim.margin:g}" if one.claim.margin else ""
    why += f"; {one.why}" if one.why else ""
    return f"{one.verdict} (difference {one.difference:+.{digits}f}{half} over {seeds}{why})"


def _margin(one: Outcome) -> str:
    return f"equal within {one.claim.margin:g}" if one.claim.margin else ""


_COLUMNS: list[str] = [
    *(
        "kind",
        "section",
        "table",
        "variant",
        "against",
        "method",
        "preset",
        "recipe",
        "selected_by",
        "metric",
        "better",
    ),
    *(
        "value",
        "low",
        "high",
        "seeds",
        "attempted",
        "failed",
        "flags",
        "devices",
        "protocol_id",
        "records",
        "supervision",
    ),
    *("paper", "source", "difference", "verdict", "note"),
]


def ablation_csv(board: Board, records: Mapping[str, Record], reported: Sequence[ReportedRow]) -> str:
    """One line per variant and metric, per baseline and metric, and per claim; a missing number is empty, never 0."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for section in sections(board, records):
        papers = {(id(one.row), one.variant.name, one.metric.name): one for one in beside(board, section, reported)}
        for line in _lines(section):
            of = papers.get((id(line.pop("row")), line["variant"], line["metric"]))
            writer.writerow(csv_safe(line | (_paper(of) if of else {})))
        for outcome in outcomes(board, section, reported):
            writer.writerow(csv_safe({"section": section.preset} | _claim(outcome)))
    return out.getvalue()


def _lines(section: Section) -> Iterator[dict[str, Any]]:
    for number, (table, lines) in enumerate(zip(section.tables, section.lines, strict=True), 1):
        floor = [(None, row) for row in table.rows if row.kind == "baseline"]
        for variant, row in [*lines, *floor]:
            for metric in table.columns:
                yield {"section": section.preset, "table": number, "row": row} | _line(table, variant, row, metric)


def _line(table: Table, variant: Variant | None, row: Row | None, metric: BoardMetric) -> dict[str, Any]:
    name = variant.name if variant else ""
    protocol = table.protocols.get(metric.name, ("", {}))[0]
    line: dict[str, Any] = {"variant": name, "metric": metric.name, "better": metric.better, "protocol_id": protocol}
    if row is None:
        assert variant is not None  # only a variant can be missing
        return line | {"kind": "not run", "method": variant.method, "preset": variant.preset, "note": variant.waits}
    return line | csv_columns(row, row.cells[metric.name])


def _paper(one: Beside) -> dict[str, Any]:
    told = [*one.reasons, f"not stated: {', '.join(one.unstated)}" if one.unstated else ""]
    told += [one.row.failures if one.row else "", one.note]
    return {
        "paper": csv_number(one.paper[0]),
        "source": one.source,
        "difference": csv_number(one.gap),
        "verdict": one.verdict,
        "note": "; ".join(filter(None, told)),
    }


def _claim(one: Outcome) -> dict[str, Any]:
    low, high = None, None
    if one.difference is not None and one.half is not None:
        low, high = one.difference - one.half, one.difference + one.half
    return {
        "kind": "claim",
        "variant": one.claim.better,
        "against": one.claim.worse,
        "metric": one.metric.name,
        "better": one.metric.better,
        "low": csv_number(low),
        "high": csv_number(high),
        "seeds": min(one.seeds) or "",
        "source": one.claim.source,
        "difference": csv_number(one.difference),
        "verdict": one.verdict,
        "note": "; ".join(filter(None, [one.claim.text, _margin(one), one.why])),
    }
