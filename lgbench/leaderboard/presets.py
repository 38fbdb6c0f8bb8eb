"""Whether runs had the settings of the preset that a board shows them by."""

from __future__ import annotations

from lgbench.files import canonical_json
from lgbench.results import Record

from .definition import Board

__all__ = ["unlike_preset"]

HARMLESS = {
    f"training.{name}" for name in ("log_every", "grid_every", "checkpoint_seconds", "compile", "channels_last")
}
"""Settings that change no number, or none beyond the last digits. Those of `evaluation` are in the protocol."""


def unlike_preset(board: Board, record: Record) -> str:
    """The user's settings beyond the preset's and the board's: "other settings than the preset's: ...", or ""."""
    variant = board.variant_of(record)
    expected = {f"data.{key}" for key in board.dataset_config} | (variant.settings if variant else {}).keys()
    told = [
        f"{key} {canonical_json(value)}"
        for key, value in sorted(record.overrides.items())
        if key not in expected and key not in HARMLESS and not key.startswith("evaluation.")
    ]
    return f"other settings than the preset's: {'; '.join(told)}" if told else ""
