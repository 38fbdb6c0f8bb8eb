"""Text of others, made harmless to whoever shows it."""

from __future__ import annotations

import unicodedata

__all__ = ["plain"]

UNSEEN = {"Cc", "Cf", "Cs"}
"""Unicode's categories of control and format characters, and of bytes that are no text."""


def plain(text: str) -> str:
    """Text in which what a terminal would obey, or nobody would see, stands as an escape sequence."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in "\n\t" or unicodedata.category(char) not in UNSEEN else char.encode("unicode_escape").decode()
        for char in text
    )
