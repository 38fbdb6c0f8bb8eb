"""Steps of methods as their public code plays them, to time ours against: same losses and gradients, nothing saved."""

from . import dscomgan, lrgan, scgan
from .parts import Reference

__all__ = ["REFERENCES", "Reference"]

REFERENCES = {"dscomgan": dscomgan, "lrgan": lrgan, "scgan": scgan}
"""By method: a module with the `ReferenceStep` of a recipe, and the `Savings` that it may have."""
