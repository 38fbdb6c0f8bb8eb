"""Leaderboards: a pure function of committed records, of reported numbers and of the presets that records name."""

from .ablation import Beside, Section, beside, sections
from .claims import Outcome, outcomes, welch
from .definition import BadBoard, Board, BoardMetric, Reported, read_board, read_boards
from .render import Rendered, present, render, render_index
from .reported import ReportedRow, read_reported, reproduced
from .rows import Cell, Row, Table, tables
from .store import Committed, add, build, check, committed, record_name, why_not
from .variants import Claim, Variant

__all__ = [
    "BadBoard",
    "Beside",
    "Board",
    "BoardMetric",
    "Cell",
    "Claim",
    "Committed",
    "Outcome",
    "Rendered",
    "Reported",
    "ReportedRow",
    "Row",
    "Section",
    "Table",
    "Variant",
    "add",
    "beside",
    "build",
    "check",
    "committed",
    "outcomes",
    "present",
    "read_board",
    "read_boards",
    "read_reported",
    "record_name",
    "render",
    "render_index",
    "reproduced",
    "sections",
    "tables",
    "welch",
    "why_not",
]
