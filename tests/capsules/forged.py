"""Capsules with something changed in them, and every hash computed anew: what somebody would hand in who cheats."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from lgbench.capsule import MANIFEST, BadCapsule, _write
from lgbench.errors import RunFailed
from lgbench.files import sha256_of_json
from lgbench.plugins import registry
from lgbench.record import protocol_id, record_id
from lgbench.verify import verify

Change = Callable[[dict[str, bytes]], None]


def rewritten(capsule: Path, change: Change, hashes: bool = True) -> Path:
    """The capsule with something changed, and all hashes computed anew where that is asked for."""
    with zipfile.ZipFile(capsule) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    change(held)
    if hashes:
        record = json.loads(held["record.json"])
        record["artefacts"] |= {
            name: hashlib.sha256(held[name]).hexdigest() for name in record["artefacts"] if name in held
        }
        record["id"] = record_id(record)
        held["record.json"] = json.dumps(record).encode()
        manifest = json.loads(held.pop(MANIFEST))
        manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in held.items()}
        held[MANIFEST] = json.dumps(manifest).encode()
    out = capsule.with_name("changed.zip")
    out.unlink(missing_ok=True)
    _write(out, held)
    return out


def signed(capsule: Path, change: Callable[[dict], object]) -> Path:
    """The capsule with another record, all hashes and ids computed anew."""

    def changed(held: dict[str, bytes]) -> None:
        record = json.loads(held["record.json"])
        change(record)
        record["recipe_hash"] = sha256_of_json(record["recipe"])
        for value in record["values"].values():
            if "protocol" in value:
                value["protocol_id"] = protocol_id(value["protocol"])
        held["record.json"] = json.dumps(record).encode()

    return rewritten(capsule, changed)


def numbers_of(capsule: Path) -> dict:
    with zipfile.ZipFile(capsule) as archive:
        return json.loads(archive.read("record.json"))["values"]


def outcomes(capsule: Path) -> dict[str, str]:
    """What is found, name by name; a refusal of the whole is one line."""
    try:
        return {check.outcome: check.name for check in verify(capsule, registry().metrics)}
    except (BadCapsule, RunFailed) as error:
        return {"refused": str(error)}


DERIVED = {
    *("iou", "dice", "acc", "miou", "ari", "msc", "boundary-f", "max-f", "mae"),
    *("coverage", "binarity", "layer-difference", "fid-random", "bg-fid-random"),
    *("memorisation", "two-sample-1nn-random", "1nn", "is-contextual"),
}
