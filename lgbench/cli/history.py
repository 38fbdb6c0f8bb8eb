"""What a branch did to the records that were there before it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lgbench.benchmark import BadBenchmark

__all__ = ["lost_records"]

DONE = {"D": "was removed", "M": "was altered", "T": "is no file any more"}


def lost_records(root: Path, against: str) -> list[str]:
    """Records that were committed where this branch and `against` parted, and are not here as they were.

    Returns:
        One text per record; each says how to mend it.

    Raises:
        BadBenchmark: `root` lies in no git repository, or there is no such commit in it; or `against` is empty.
    """
    if not against.strip():  # a variable that a workflow did not set: no gate that was asked for is skipped
        raise BadBenchmark("--against names nothing. Name a branch or a commit, say origin/main, or leave it out.")
    base = _git(root, "merge-base", "--", against, "HEAD").strip()
    records = ":(glob)leaderboards/*/records/*.json"
    found = _git(root, "diff", "--name-status", "--no-renames", "--relative", "-z", base, "--", records).split("\0")
    faults = []
    for status, name in zip(found[::2], found[1::2], strict=False):
        if status in DONE:
            faults.append(
                f"{root / name} {DONE[status]} since {base[:12]}, and records are immutable. Restore it: "
                f"git checkout {base[:12]} -- {name}"
            )
    return faults


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True)
    except FileNotFoundError:
        raise BadBenchmark("git is not installed, which --against asks. Install it, or leave --against out.") from None
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode(errors="replace").strip().partition("\n")[0] or "they share no commit"
        raise BadBenchmark(
            f"git cannot compare {root} with what --against names: {told}. Fetch that branch with its history "
            "(`fetch-depth: 0` in a workflow), or leave --against out."
        ) from None
    return done.stdout.decode(errors="surrogateescape")
