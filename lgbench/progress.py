"""How stages tell what they are doing; the command line shows it, tests and libraries may ignore it."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Quiet", "Reporter"]


class Reporter(Protocol):
    """Listens to a stage at work."""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """A stage of `total` steps begins, `done` of them already behind it."""

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        """`done` steps are behind; `values` are the newest losses and coverages, where they were read."""

    def note(self, text: str) -> None:
        """Something a user should know."""


class Quiet(Reporter):
    """Says nothing."""
