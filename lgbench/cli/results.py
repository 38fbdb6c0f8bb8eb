"""How a record is shown on a terminal."""

from __future__ import annotations

from pathlib import Path

from lgbench.files import read_json
from lgbench.results import read_record

__all__ = ["show_record"]


def show_record(path: Path) -> None:
    """Print a record's values, with the oracle gap of mask metrics beside them, its flags and where things lie."""
    from rich.console import Console
    from rich.table import Table

    read_record(path)  # or say what is wrong with it
    record = read_json(path)
    table = Table(title=f"{record['method']} on {record['dataset']}, {record['preset']}, seed {record['seed']}")
    for column, justify in (("metric", "left"), ("value", "right"), ("95 %", "right"), ("oracle gap", "right")):
        table.add_column(column, justify=justify)  # pyright: ignore[reportArgumentType]
    table.add_column("protocol")
    missing = {}
    for name, value in record["values"].items():
        if "not_available" in value:
            missing[name] = value["not_available"]
            continue
        low_high = value.get("interval")
        spread = f"{low_high[0]:.3f} .. {low_high[1]:.3f}" if low_high else ""
        gap = value["details"].get("gap")
        table.add_row(name, f"{value['value']:.4g}", spread, "" if gap is None else f"{gap:+.3f}", value["protocol_id"])
    console = Console()
    console.print(table)
    for name, why in missing.items():
        console.print(f"{name}: not available: {why}", highlight=False, markup=False)
    flags = ", ".join(record["training"]["flags"]) or "none"
    console.print(f"status {record['status']}, flags: {flags}", highlight=False)
    grids = sorted((path.parent / "train" / "grids").glob("*.png"))
    if grids:
        console.print(f"pictures: {grids[-1]}", highlight=False, soft_wrap=True)
    console.print(f"record: {path}", highlight=False, soft_wrap=True)
