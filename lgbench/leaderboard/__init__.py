"""Leaderboards: a pure function of committed records and of the numbers that papers report."""

from .definition import BadBoard, Board, BoardMetric, Reported, read_board, read_boards
from .render import Rendered, present, render, render_index
from .reported import ReportedRow, read_reported
from .rows import Cell, Row, Table, tables
from .store import Committed, add, build, check, committed, record_name, why_not

__all__ = [
    "BadBoard",
    "Board",
    "BoardMetric",
    "Cell",
    "Committed",
    "Rendered",
    "Reported",
    "ReportedRow",
    "Row",
    "Table",
    "add",
    "build",
    "check",
    "committed",
    "present",
    "read_board",
    "read_boards",
    "read_reported",
    "record_name",
    "render",
    "render_index",
    "tables",
    "why_not",
]
