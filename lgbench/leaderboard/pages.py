"""Boards as Markdown pages: the same bytes for the same records, on any day and machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lgbench.benchmark import Benchmark, Column
from lgbench.plugins import registry

from .claims import Outcome
from .collapse import GREY, VANISHED
from .lines import FACTS, SEEDS_FOR_A_RANK, Beside, Cell, Line, Table
from .markdown import Grid, Notes, escape, written
from .pairs import pair_grid
from .papers import ReportedRow
from .standing import Section, Standing

__all__ = ["certificates", "index", "mean_in_words", "page", "protocol_in_words"]


def page(standing: Standing) -> str:
    """A board's README.md, as `page.md` says."""
    board, held, notes = standing.board, standing.held, Notes()
    grids = [grid for section in standing.sections for grid in _grids(board, section, notes)]
    ran = {section.preset for section in standing.sections}
    return written(
        "page.md",
        board=board,
        held=held,
        config="".join(f", {key} = {value}" for key, value in sorted(board.dataset_config.items())),
        waiting=[preset for preset in board.presets if board.variants and held.records and preset not in ran],
        grids=grids,
        reported=_reported(board, held.reported, notes) if held.reported and not board.variants else None,
        pairs=pair_grid(board, held.records, held.pairs) if held.pairs else None,
        notes=notes,
        enough=SEEDS_FOR_A_RANK,
        grey=GREY,
        vanished=f"{VANISHED:g}",
    )


def _grids(board: Benchmark, section: Section, notes: Notes) -> list[Grid]:
    """A section's tables: the runs, the paper's numbers beside ours, and the claims."""
    of = f": preset {escape(section.preset)}" if section.preset and len(board.presets) > 1 else ""
    grids = [_runs(board, table, of, notes) for table in section.tables]
    beside = [
        _beside(line, metric, paper, notes)
        for table in section.tables
        for metric in table.columns
        for line in table.lines
        if (paper := line.cells[metric.name].beside)
    ]
    if beside:
        head = ("Variant", "Metric", "Ours", "Paper", "Ours - paper", "Verdict", "Source")
        grids.append(Grid(f"Beside the paper{of}", head, beside))
    if section.outcomes:
        head = ("Claim", "Metric", "Better", "Worse", "Paper", "Our runs", "Source")
        grids.append(Grid(f"Orderings{of}", head, [_claim(outcome) for outcome in section.outcomes]))
    return grids


def _runs(board: Benchmark, table: Table, of: str, notes: Notes) -> Grid:
    title = f"Runs{of}" + (f": {escape(table.part)}" if table.part else "")
    title += "".join(map(notes.mark, table.notes))
    numbers = (_head(table, metric, notes) for metric in table.columns)
    head = ("Variant" if board.variants else "Rank", "Method", "Preset", *numbers, "Seeds", *FACTS.values(), "Records")
    return Grid(title, head, [_run(table, line, notes) for line in table.lines])


def _head(table: Table, metric: Column, notes: Notes) -> str:
    """A metric as a heading, with notes on how it was measured."""
    text = escape(metric.head)
    if metric.name in table.protocols:
        identity, protocol = table.protocols[metric.name]
        text += notes.mark(f"Protocol {identity}: {protocol_in_words(protocol)}.")
    if any(line.cells[metric.name].gap is not None for line in table.lines):
        text += notes.mark("Gap: what choosing each mask's polarity by the labels would add to the committed value.")
    return text


def _run(table: Table, line: Line, notes: Notes) -> list[str]:
    if line.kind == "not run" and line.variant:
        waits = line.variant.waits and f"{line.variant.name} is not run yet: {line.variant.waits}"
        numbers = ["not run" + notes.mark(waits)] * len(table.columns)
    else:
        numbers = [_number(line.cells[metric.name], metric.digits, notes) for metric in table.columns]
    if line.kind == "baseline":
        return ["floor", escape(line.method), "", *numbers, "", *("" for _ in FACTS), ""]
    twin = f" (recipe {line.recipe})" if _has_twin(table, line) else ""
    if line.variant:
        named = [escape(line.variant_name) + twin, escape(line.method)]
    else:
        named = [_rank(line, notes), escape(line.method) + twin]
    preset = escape(line.preset) + notes.mark(line.unlike.capitalize()) + notes.mark(line.polarity)
    facts = [escape(_in_words(getattr(line, name))) for name in FACTS]
    records = " ".join(f"[`{record.id[:8]}`](records/{name})" for name, record in line.runs.items())
    return [*named, preset, *numbers, _seeds(line), *facts, records]


def _has_twin(table: Table, line: Line) -> bool:
    """Whether another line is called the same and has another recipe."""
    same = [other for other in table.lines if other.runs and other.variant == line.variant]
    if not line.variant:
        same = [other for other in same if (other.method, other.preset) == (line.method, line.preset)]
    return len({other.recipe for other in same}) > 1


def _rank(line: Line, notes: Notes) -> str:
    if line.kind in ("floor", "ceiling"):
        return line.kind
    if line.selected_by == "best-on-test":
        return "-" + notes.mark("Chosen by its score on the test images (best-on-test), hence barred from ranking.")
    if line.rank is None:
        return "-"
    star = escape("*") if line.provisional else ""
    return f"{line.rank}{'=' if line.tied else ''}{star}"


def _seeds(line: Line) -> str:
    failed = [f"{count} {status}" for status, count in line.statuses.items()]
    text = f"{line.done} of {line.attempted}: {', '.join(failed)}" if failed else str(line.done)
    text += f" (not listed: {', '.join(map(str, line.unlisted))})" if line.unlisted else ""
    runs = len({record.run for record in line.runs.values()})
    return text if runs == line.attempted else f"{text} ({runs} runs)"


def _in_words(fact: Any) -> str:
    if isinstance(fact, Mapping):
        return ", ".join(f"{name} x{count}" for name, count in fact.items())
    return ", ".join(fact) if isinstance(fact, tuple) else str(fact)


def _number(cell: Cell, digits: int, notes: Notes) -> str:
    """A mean with its interval and its oracle's gap, or why there is none."""
    if cell.mean is None:
        return "n/a" + "".join(notes.mark(f"n/a: {why}") for why in cell.why) if cell.why else "-"
    gap = f" (gap {cell.gap:.{digits}f})" if cell.gap is not None else ""
    why = "".join(notes.mark(f"Fewer seeds than the row: {why}") for why in cell.why)
    return mean_in_words(cell, digits) + gap + why


def mean_in_words(cell: Cell, digits: int) -> str:
    """A mean with half of its interval, or with both ends where one was cut off at what the metric can be."""
    if cell.mean is None or cell.low is None or cell.high is None:
        return f"{cell.mean:.{digits}f}"
    if abs(cell.low + cell.high - 2 * cell.mean) < 1e-9 * max(abs(cell.mean), 1):
        return f"{cell.mean:.{digits}f} ± {(cell.high - cell.low) / 2:.{digits}f}"
    return f"{cell.mean:.{digits}f} [{cell.low:.{digits}f}, {cell.high:.{digits}f}]"


def protocol_in_words(protocol: Mapping[str, Any]) -> str:
    """A protocol as a phrase; fields that do not apply are left out."""
    config = protocol["dataset_config"]
    told = [f"{k} = {v}" for k, v in sorted(config.items()) if v != ""] if isinstance(config, dict) else [config]
    return written("protocol.md", protocol=protocol, told=told).strip()


def _beside(line: Line, metric: Column, paper: Beside, notes: Notes) -> list[str]:
    cell, digits = line.cells[metric.name], metric.digits
    told = _printed(paper.value, paper.spread, digits) + notes.mark(paper.note)
    ours = _number(cell, digits, notes).split(" (gap")[0]
    gap = f"{paper.gap:+.{digits}f}" if paper.gap is not None else "-"
    verdict = f"{paper.verdict}{_why(line, paper, notes)}"
    return [escape(line.variant_name), escape(metric.head), ours, told, gap, verdict, escape(paper.source)]


def _why(line: Line, paper: Beside, notes: Notes) -> str:
    marks = ""
    if paper.verdict == "not comparable":
        marks += notes.mark(f"Not comparable: {'; '.join(paper.reasons)}.")
    elif paper.unstated:
        marks += notes.mark(f"The paper does not state its {', '.join(paper.unstated)}: taken to be ours.")
    if line.failures:
        marks += notes.mark(f"{line.variant_name}: {line.failures}; they are in no mean.")
    return marks


def _claim(outcome: Outcome) -> list[str]:
    digits, claim, paper = outcome.metric.digits, outcome.claim, "-"
    if outcome.paper:
        better, worse = outcome.paper
        relation = ">" if better > worse else "<" if better < worse else "="
        paper = f"{better:.{digits}f} {relation} {worse:.{digits}f}"
    told = (claim.text, outcome.metric.head, claim.better, claim.worse, paper, _decision(outcome), claim.source)
    return [escape(text) for text in told]


def _decision(outcome: Outcome) -> str:
    """A verdict in words: "undecided (difference 0.012 ± 0.034 over 3 seeds)"."""
    if outcome.difference is None:
        return f"{outcome.verdict}: {outcome.why}" if outcome.why else outcome.verdict
    digits, (ours, theirs), many = outcome.metric.digits, outcome.seeds, max(outcome.seeds)
    seeds = f"{ours} and {theirs} seeds" if ours != theirs else f"{many} seed{'s' if many > 1 else ''}"
    half = f" ± {outcome.half:.{digits}f}" if outcome.half is not None else ""
    why = f", margin {outcome.claim.margin:g}" if outcome.claim.margin else ""
    why += f"; {outcome.why}" if outcome.why else ""
    return f"{outcome.verdict} (difference {outcome.difference:+.{digits}f}{half} over {seeds}{why})"


def _reported(board: Benchmark, rows: Sequence[ReportedRow], notes: Notes) -> Grid:
    metrics = [metric for metric in board.metrics if any(metric.name in paper.values for paper in rows)]
    head = ("Method", "Supervision", *(escape(metric.head) for metric in metrics), "Resolution", "Split", "Source")
    lines = []
    for paper in rows:
        cells = []
        for metric in metrics:
            value = paper.values.get(metric.name)
            note = notes.mark(paper.notes.get(metric.name, ""))
            cells.append((_printed(*value, metric.digits) if value else "-") + note)
        where = f"{paper.resolution} px" if paper.resolution else "not stated"
        known = [escape(text) for text in (paper.method, paper.supervision)]
        lines.append([*known, *cells, where, escape(paper.split or "not stated"), escape(paper.source)])
    return Grid("Reported by papers", head, lines)


def _printed(value: float, spread: float | None, digits: int) -> str:
    return f"{value:.{digits}f}" + (f" ± {spread:.{digits}f}" if spread is not None else "")


def index(boards: Sequence[Standing]) -> str:
    """leaderboards/README.md: every board, its leader (or how an ablation's claims stand) and its number of runs."""
    return written("index.md", boards=boards, claims=_claims, leader=_leader)


def certificates() -> str:
    """leaderboards/METRICS.md: what every installed metric is held against, its range and its direction."""
    return written("metrics.md", metrics=registry().metrics)


def _claims(standing: Standing) -> str:
    """How an ablation's claims stand among the runs of its first preset that has any: "2 agree, 1 undecided"."""
    if not standing.board.claims or not standing.held.records:
        return ""
    first = standing.sections[0]
    counts = Counter(outcome.verdict for outcome in first.outcomes)
    verdicts = filter(counts.get, ("agrees", "disagrees", "undecided", "not run"))
    told = ", ".join(f"{counts[verdict]} {verdict.removesuffix('s')}" for verdict in verdicts)
    return f"claims{f' ({escape(first.preset)})' if first.preset else ''}: {told}"


def _leader(standing: Standing) -> str:
    """Who is first in a board's first table, and by which number."""
    table, *_ = [*standing.sections[0].tables, None]
    leaders = [line for line in table.lines if line.rank == 1] if table else []
    if not table or not leaders:
        return ""
    first, part = table.columns[0], table.part and f" ({escape(table.part)})"
    names = [
        escape(f"{line.method} {line.preset}{'*' if line.provisional else ''}{line.unlike and f' ({line.unlike})'}")
        for line in leaders
    ]
    return f"{', '.join(names)}: {mean_in_words(leaders[0].cells[first.name], first.digits)}{part}"
