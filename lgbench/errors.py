"""What a user can cause: shown without a traceback, always with the next thing to do."""

import difflib
from collections.abc import Iterable

__all__ = [
    "BadData",
    "BadPlugin",
    "BadRecipe",
    "DataMissing",
    "LgbenchError",
    "NotAvailable",
    "RunBusy",
    "RunFailed",
    "UnknownName",
    "did_you_mean",
]


class LgbenchError(Exception):
    """Base of every error that a user can cause; its text says what to do next."""


class UnknownName(LgbenchError):
    """A name that no installed plugin offers."""


class BadPlugin(LgbenchError):
    """A plugin that cannot be used: it does not import, clashes, or speaks another API version."""


class BadRecipe(LgbenchError):
    """A setting that does not exist, has the wrong type, or makes no sense with the others."""


class DataMissing(LgbenchError):
    """A data set whose files are not here and could not be fetched."""


class BadData(LgbenchError):
    """A file of a data set that is truncated, unreadable, mis-sized or lacks its mask."""


class RunBusy(LgbenchError):
    """Another process is at work in the same folder."""


class RunFailed(LgbenchError):
    """A run that cannot go on: the disk is full, a checkpoint does not fit, training diverged."""


class NotAvailable(LgbenchError):
    """A number that this run cannot have; the text says why and stands in the record."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """The nearest of `known` as a question, or `otherwise` where none is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else otherwise
