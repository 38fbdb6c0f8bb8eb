"""What a capsule is: the same bytes each time, whole, and harmless to open."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from forged import Change, outcomes, rewritten

from lgbench.capsule import MANIFEST, BadCapsule, _write, members, pack
from lgbench.errors import RunFailed
from lgbench.plugins import registry
from lgbench.verify import verify


def test_a_capsule_is_the_same_bytes_each_time_and_holds_no_weights(run: Path, tmp_path: Path):
    one, two = pack(run, tmp_path / "one.zip")[0], pack(run, tmp_path / "two.zip")[0]
    assert one.read_bytes() == two.read_bytes()
    assert pack(run, one)[0] == one
    names = zipfile.ZipFile(one).namelist()
    assert {MANIFEST, "record.json", "recipe.json", "sessions.json", "train/log.jsonl", "grid.png"} <= {*names}
    assert {name.partition("-")[0] for name in names if name.endswith(".npz")} >= {"evidence", "predictions", "samples"}
    assert not [name for name in names if name.endswith(".safetensors")]
    two.write_bytes(b"mine")
    with pytest.raises(RunFailed, match="is there already"):
        pack(run, two)
    assert two.read_bytes() == b"mine"


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.95])
def test_one_flipped_bit_is_caught(capsule: Path, share: float):
    content = bytearray(capsule.read_bytes())
    content[int(len(content) * share)] ^= 4
    capsule.write_bytes(content)
    assert "match" not in outcomes(capsule) or "mismatch" in outcomes(capsule)


def test_every_bit_of_a_capsule_is_caught_that_does_not_only_compress_the_same_contents_otherwise(tmp_path: Path):
    content = {"record.json": b"{}", "train/log.jsonl": b"a line\n" * 9}
    hashes = {name: hashlib.sha256(held).hexdigest() for name, held in content.items()}
    path = tmp_path / "small.zip"
    _write(path, {MANIFEST: json.dumps({"format": 1, "files": hashes}).encode(), **content})
    assert members(path) == content
    whole, compressed, unseen = path.read_bytes(), set(), set()
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            begin = entry.header_offset + len(entry.FileHeader())
            compressed |= {*range(begin, begin + entry.compress_size)}
    for place in range(len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
            try:
                assert members(path) == content
                unseen.add(place)
            except BadCapsule:
                continue
    assert unseen <= compressed
    for longer in (whole + b"more", b"more" + whole):
        path.write_bytes(longer)
        with pytest.raises(BadCapsule):
            members(path)


def pickled(held: dict[str, bytes]) -> None:
    name = next(name for name in held if name.startswith("evidence-"))
    content = io.BytesIO()
    np.savez(content, index=np.array([{"a": 1}], dtype=object))
    held[name] = content.getvalue()


def vast(held: dict[str, bytes]) -> None:
    """A header that says far more than there is."""
    name = next(name for name in held if name.startswith("predictions-"))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**12,)})
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("bits.npy", header.getvalue())
        archive.writestr("side.npy", header.getvalue())
    held[name] = content.getvalue()


def plain_pickle(held: dict[str, bytes]) -> None:
    name = next(name for name in held if name.startswith("evidence-"))
    held[name] = pickle.dumps({"index": 1})


def nested(held: dict[str, bytes]) -> None:
    name = next(name for name in held if name.startswith("evidence-"))
    content = io.BytesIO()
    np.savez(content, index=np.frombuffer(b"[" * 100_000, np.uint8))
    held[name] = content.getvalue()


def test_a_record_that_is_none_is_told_with_a_reviewers_remedy(capsule: Path):
    def emptied(held: dict[str, bytes]) -> None:
        manifest = json.loads(held[MANIFEST])
        manifest["files"]["record.json"] = hashlib.sha256(b"{}").hexdigest()
        held.update({"record.json": b"{}", MANIFEST: json.dumps(manifest).encode()})

    with pytest.raises(BadCapsule, match=r"^record\.json cannot be read .*Ask for the capsule again\.$"):
        verify(rewritten(capsule, emptied, hashes=False), registry().metrics)


@pytest.mark.parametrize("harm", [pickled, plain_pickle, vast, nested])
def test_arrays_made_to_do_harm_are_one_line(capsule: Path, harm: Change):
    refusal = outcomes(rewritten(capsule, harm))["refused"]
    assert "\n" not in refusal
    assert refusal.partition(" ")[0].endswith(".npz")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../up.txt", "named '../up.txt'"),
        ("/etc/x", "named '/etc/x'"),
        ("a\\b", "named"),
        ("more.txt", "does not name"),
    ],
)
def test_files_that_no_capsule_has_are_refused(capsule: Path, name: str, told: str):
    with pytest.raises(BadCapsule, match="is not opened|does not name") as raised:
        verify(rewritten(capsule, lambda held: held.update({name: b""}), hashes=False), registry().metrics)
    assert told in str(raised.value)


def test_a_missing_file_a_file_that_is_none_and_a_bomb_are_refused(capsule: Path, monkeypatch: pytest.MonkeyPatch):
    def without(held: dict[str, bytes]) -> None:
        del held["recipe.json"]

    with pytest.raises(BadCapsule, match=r"lacks recipe\.json"):
        verify(rewritten(capsule, without, hashes=False), registry().metrics)
    monkeypatch.setattr("lgbench.capsule.MOST_BYTES", 1000)
    with pytest.raises(BadCapsule, match="more than a capsule may"):
        verify(capsule, registry().metrics)
    for content in (b"", b"no zip", capsule.read_bytes()[:-30]):
        capsule.write_bytes(content)
        with pytest.raises(BadCapsule, match="no whole capsule"):
            verify(capsule, registry().metrics)


def test_evidence_that_was_taken_out_is_no_match(capsule: Path):
    def change(held: dict[str, bytes]) -> None:
        del held[next(name for name in held if name.startswith("evidence-"))]

    with pytest.raises(BadCapsule, match="lacks evidence-"):
        verify(rewritten(capsule, change), registry().metrics)
