"""What every installed metric is held against: reference, measured deviation, range and direction, on one page."""

from __future__ import annotations

import math

from lgbench.plugins import registry

from .markdown import STAMP, escape, row

__all__ = ["certificates"]

BETTER = {"up": "higher", "down": "lower", "none": "neither: a diagnostic"}
HEAD = ["Metric", "What it is", "Better", "Range", "Version", "Reference", "Deviation"]


def certificates() -> str:
    """leaderboards/METRICS.md."""
    lines = [row(HEAD), row(["---"] * len(HEAD))]
    for name, metric in sorted(registry().metrics.items()):
        told = (metric.reference or "none stated", metric.deviation or "not measured")
        cells = (name, metric.summary, BETTER[metric.direction], _range(metric.range), str(metric.version), *told)
        lines.append(row([escape(cell) for cell in cells]))
    about = (
        "Each number is computed by the metric's own code and held equal to a reference by a test; the deviation is "
        "the largest that was measured. A board whose column says the other direction is refused."
    )
    return "\n\n".join([STAMP, "# Metrics", about, "\n".join(lines)]) + "\n"


def _range(ends: tuple[float, float]) -> str:
    low, high = (f"{end:g}" if math.isfinite(end) else "unbounded" for end in ends)
    return f"{low} to {high}"
