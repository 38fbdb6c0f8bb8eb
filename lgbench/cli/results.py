"""How a record is shown on a terminal."""

from __future__ import annotations

from pathlib import Path

from lgbench.files import read_json
from lgbench.record import read_record

from .printing import print_table, say

__all__ = ["show_record"]


def show_record(path: Path) -> None:
    """Print a record's values, with the oracle gap of mask metrics beside them, its flags and where things lie."""
    from rich.console import Console

    read_record(path)  # or say what is wrong with it
    record, rows, missing = read_json(path), [], {}
    for name, value in record["values"].items():
        if "not_available" in value:
            missing.setdefault(value["not_available"], []).append(name)
            continue
        low_high, gap = value.get("interval"), value["details"].get("gap")
        spread = f"{low_high[0]:.3f} .. {low_high[1]:.3f}" if low_high else ""
        rows.append((name, f"{value['value']:.4g}", spread, "" if gap is None else f"{gap:+.3f}", value["protocol_id"]))
    console = Console()
    title = f"{record['method']} on {record['dataset']}, {record['preset']}, seed {record['seed']}"
    print_table(console, ("metric", "value", "95 %", "oracle gap", "protocol"), rows, title, right=(1, 2, 3))
    for why, names in missing.items():
        say(console, f"{', '.join(names)}: not available: {why}")
    say(console, f"status {record['status']}, flags: {', '.join(record['training']['flags']) or 'none'}")
    grids = sorted((path.parent / "train" / "grids").glob("*.png"))
    if grids:
        say(console, f"pictures: {grids[-1]}")
    say(console, f"record: {path}")
