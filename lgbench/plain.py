"""Text of others, made harmless to whoever shows it."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["csv_safe", "plain"]

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


LEADS = tuple("=+-@\t\n\uff1d\uff0b\uff0d\uff20")
"""What a formula begins with; the last four are = + - @ of full width, which some spreadsheets read alike."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def csv_safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = plain(text)
    return f"'{text}" if text[:1] in LEADS and not NUMBER.fullmatch(text) else text
