"""What a user should know of a data set, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from .names import counted
from .split import Split
from .truth import causes

__all__ = ["notes_on"]

MOST = 0.9  # of the masks: objects touch the frame, and seldom fill it


def notes_on(splits: Mapping[str, Split]) -> list[str]:
    """What a user should know of a data set's masks and pictures, a sentence each."""
    notes = []
    masked = {name: split.scorable for name, split in splits.items()}
    partial = {name: count for name, count in masked.items() if count < len(splits[name])}
    if partial and any(masked.values()):
        counts = ", ".join(f"{count:,} of {len(splits[name]):,} {name}" for name, count in partial.items())
        learnt = " Those of train are trained on all the same." if "train" in partial else ""
        notes.append(f"Masks are known of {counts} pictures; scores leave the others out.{learnt}")
    if lost := sum((Counter(split.lost) for split in splits.values()), Counter()):
        masks = counted(sum(lost.values()), "mask")
        notes.append(f"{masks} lost the object, or all but it, and cannot be scored: {causes(lost)}.")
    lacking = [
        f"{count:,} of {masked[name]:,} {name} masks show no {side}"
        for name, split in splits.items()
        for side, count in split.one_sided.items()
    ]
    if lacking:
        notes.append(
            f"{', '.join(lacking)}, and did so from the start: they count, and a mask that shows none either scores 1."
        )
    own = {name: split for name, split in splits.items() if split.origin.startswith(("folder:", "archive:"))}
    framed, told = sum(split.framed for split in own.values()), sum(masked[name] for name in own)
    if framed > MOST * told:
        notes.append(
            f"{framed:,} of {counted(told, 'mask')} call most of the picture's frame the object. If the other value is "
            "the object, say so with data.foreground."
        )
    remarks = sum((Counter(split.remarks) for split in splits.values()), Counter())
    return notes + [f"{counted(number, 'picture')}: {remark}." for remark, number in remarks.items()]
