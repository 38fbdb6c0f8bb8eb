"""Leaderboards: a pure function of committed records, of reported numbers and of the presets that records name.

`store` reads records; `lines` makes them the lines of tables, `papers` puts a paper's numbers beside them, `claims`
decides what a paper says of pairs of them. `standing` holds it all, computed once; `pages` (Markdown) and `sheet` (CSV)
are views of it.
"""

from .store import add, build, check, committed, read_boards, record_name, why_not

__all__ = ["add", "build", "check", "committed", "read_boards", "record_name", "why_not"]
