"""lgbench trains, segments with and ranks layered GANs.

This package's public names need no torch. `lgbench.layers`, `lgbench.game`, `lgbench.nn`, `lgbench.losses`, ... do.
"""

from typing import TYPE_CHECKING

from .errors import LgbenchError, NotAvailable
from .hookspecs import API_VERSION, hookimpl
from .offers import Dataset, Generator, ImageSpec, Lazy, Method, Metric, NoConfig, Part, Regularizer, Segmenter, Source
from .version import __version__

if TYPE_CHECKING:
    from .frames import frame
    from .trained import load_run

__all__ = [
    "API_VERSION",
    "Dataset",
    "Generator",
    "ImageSpec",
    "Lazy",
    "LgbenchError",
    "Method",
    "Metric",
    "NoConfig",
    "NotAvailable",
    "Part",
    "Regularizer",
    "Segmenter",
    "Source",
    "__version__",
    "frame",
    "hookimpl",
    "load_run",
]


def __getattr__(name: str) -> object:
    """What needs torch or pandas is imported when it is first read."""
    if name == "frame":
        from .frames import frame

        return frame
    if name == "load_run":
        from .trained import load_run

        return load_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
