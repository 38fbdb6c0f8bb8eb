"""This package's version, for all that tells it."""

__all__ = ["__version__"]

__version__ = "0.1.0"
