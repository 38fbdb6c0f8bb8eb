"""Numbers computed again from what is stored: records rescored, capsules packed and verified."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finished import SETTINGS, altered, finished, lgbench

from lgbench.capsule import MANIFEST, BadCapsule, _write, members, pack, read_npz
from lgbench.errors import RunFailed
from lgbench.features import extractors
from lgbench.files import sha256_of_json
from lgbench.plugins import registry
from lgbench.record import BadRecord, Measured, protocol_id, read_record, record_files, record_id
from lgbench.rescore import rescore
from lgbench.score import Score
from lgbench.verify import verify

METRICS = "default,max-f,mae,memorisation,two-sample-1nn-random,1nn,is-contextual"
DERIVED = {
    *("iou", "dice", "acc", "miou", "ari", "msc", "boundary-f", "max-f", "mae"),
    *("coverage", "binarity", "layer-difference", "fid-random", "bg-fid-random"),
    *("memorisation", "two-sample-1nn-random", "1nn", "is-contextual"),
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LGBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        return finished(tmp_path_factory.mktemp("runs"), METRICS)


@pytest.fixture
def run(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run on a machine that has neither its data nor any network."""
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "nothing"))

    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("a network was loaded")

    monkeypatch.setattr(extractors, "load_extractor", refuse)
    monkeypatch.setattr("lgbench.evaluation.parts.load_extractor", refuse)
    folder = Path(shutil.copytree(original, tmp_path / "run"))
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
    return folder


@pytest.fixture
def capsule(run: Path, tmp_path: Path) -> Path:
    return pack(run, tmp_path / "run.capsule.zip")[0]


def numbers(path: Path) -> dict[str, Measured]:
    return {name: value for name, value in read_record(path).values.items() if isinstance(value, Measured)}


def test_every_number_is_computed_again_bit_for_bit_from_what_is_stored(run: Path):
    (path,) = record_files(run)
    assert numbers(path).keys() >= DERIVED
    found = rescore(run, registry().metrics, registry().plugins)
    assert not {*found.changed} & DERIVED
    assert found.path is None
    for name in DERIVED:
        kept = json.loads(path.read_text())["values"][name]
        again = {key: found.values[name].get(key, {}) for key in kept}
        assert {**again, "protocol": None} == {**kept, "protocol": None}


def test_what_cannot_be_computed_again_says_why(run: Path):
    reads_network = replace(registry().metrics["1nn"], compute=lambda evidence: evidence.game.features)
    found = rescore(run, registry().metrics | {"1nn": reads_network}, registry().plugins)
    assert {*found.changed} == {"1nn"}
    assert re.search("not .* the run's networks or its data set", found.changed["1nn"])
    assert len(record_files(run)) == 1


def test_rescoring_tells_that_all_is_the_same(run: Path):
    result = lgbench("rescore", run)
    assert result.exception is None
    assert "20 of 20 numbers are the same" in result.output


@pytest.mark.parametrize("command", ["rescore", "results"])
def test_capsules_among_runs_are_passed_over_and_one_alone_is_told_what_reads_it(
    run: Path, capsule: Path, command: str
):
    both = lgbench(command, run, capsule)
    assert both.exception is None
    assert f"{capsule} is a capsule, and no run: passed over." in both.stderr
    alone = lgbench(command, capsule)
    assert isinstance(alone.exception, BadRecord)
    assert f"`lgbench verify {capsule}`" in str(alone.exception)


@pytest.mark.parametrize("name", ["recipe.json", "predictions-*.npz"])
@pytest.mark.parametrize("command", ["rescore", "results"])
def test_a_runs_other_files_are_told_to_be_no_records(run: Path, command: str, name: str):
    (file,) = run.glob(name)
    error = lgbench(command, file).exception
    assert isinstance(error, BadRecord)
    assert "name a run, or a record" in str(error)
    assert "delete" not in str(error)


def test_a_new_version_of_a_metric_makes_a_further_record_once(run: Path):
    def halved(evidence) -> Score:
        score = registry().metrics["coverage"].compute(evidence)
        return replace(score, value=score.value / 2, per_image=None)

    changed = replace(registry().metrics["coverage"], version=7, compute=halved)
    metrics = registry().metrics | {"coverage": changed}
    before = numbers(run / "record.json")
    first = rescore(run, metrics, registry().plugins)
    assert first.path is not None
    after, record = numbers(first.path), read_record(first.path)
    assert record.adds_to == read_record(run / "record.json").id
    assert after["coverage"].value == before["coverage"].value / 2
    assert after["coverage"].protocol.metric_version == 7
    assert after["iou"] == before["iou"]
    assert rescore(run, metrics, registry().plugins).path == first.path
    assert len(record_files(run)) == 2


def test_a_run_without_evidence_and_a_damaged_one_are_told(run: Path):
    (evidence,) = run.glob("evidence-*.npz")
    evidence.write_bytes(evidence.read_bytes()[:100])
    with pytest.raises(RunFailed, match="is damaged"):
        rescore(run, registry().metrics, [])
    with pytest.raises(RunFailed, match="not what the record was scored from"):
        pack(run)
    evidence.unlink()
    with pytest.raises(RunFailed, match="is missing"):
        rescore(run, registry().metrics, [])
    with pytest.raises(RunFailed, match="holds no record"):
        rescore(run / "train", registry().metrics, [])


@pytest.mark.parametrize("kind", ["predictions", "samples", "probabilities", "evidence"])
def test_a_file_that_is_not_what_the_record_was_scored_from_is_not_scored_again(run: Path, kind: str):
    path = next(run.glob(f"{kind}-*.npz"))
    altered(path)
    with pytest.raises(RunFailed, match=f"{path.name} is not what the record was scored from. Restore"):
        rescore(run, registry().metrics, registry().plugins)
    assert len(record_files(run)) == 1


def test_what_cannot_be_made_from_what_is_stored_is_told_and_why(capsule: Path):
    def cut_short(held: dict[str, bytes]) -> None:
        name = next(name for name in held if name.startswith("predictions-"))
        arrays = read_npz(name, held[name])
        content = io.BytesIO()
        np.savez(content, bits=arrays["bits"][0, 0], side=arrays["side"])
        held[name] = content.getvalue()

    found = {check.name: check for check in verify(rewritten(capsule, cut_short), registry().metrics)}
    assert found["msc"].outcome == found["iou"].outcome == "not derived"
    assert re.search(r"reads agreement, which cannot be made from what is stored \(\w+Error: .+\)", found["msc"].told)
    assert "ValueError: Masks must be two arrays of one shape" in found["iou"].told


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


def test_verify_derives_every_number_and_succeeds(capsule: Path):
    checks = {check.name: check for check in verify(capsule, registry().metrics)}
    assert {name for name, check in checks.items() if check.outcome == "match"} >= DERIVED
    assert not [check for check in checks.values() if check.outcome == "mismatch"]
    result = lgbench("verify", capsule)
    assert result.exception is None
    assert not result.return_value
    assert "0 mismatch" in result.output


def test_verify_reads_the_truth_from_the_data_set_where_it_is_asked_to(
    capsule: Path, original: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    result = lgbench("verify", capsule, "--data")
    assert result.exception is None, result.output
    assert "0 mismatch" in result.output


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


@pytest.mark.parametrize("metric", sorted(DERIVED))
@pytest.mark.parametrize("field", ["value", "details", "n", "interval"])
def test_a_changed_number_is_found_though_every_hash_was_computed_anew(capsule: Path, metric: str, field: str):
    def change(held: dict[str, bytes]) -> None:
        record = json.loads(held["record.json"])
        value = record["values"][metric]
        if field == "details" and value["details"]:
            value["details"] = {name: number * 0.99 + 1e-4 for name, number in value["details"].items()}
        elif field == "interval" and value["interval"]:
            value["interval"][1] += 1e-4
        elif field == "n":
            value["n"] += 1
        else:
            value["value"] = value["value"] * 0.999 + 1e-4
        held["record.json"] = json.dumps(record).encode()

    checks = verify(rewritten(capsule, change), registry().metrics)
    assert metric in {check.name for check in checks if check.outcome == "mismatch"}


def test_a_protocol_that_says_another_aggregation_is_found(capsule: Path):
    def change(held: dict[str, bytes]) -> None:
        record = json.loads(held["record.json"])
        value = record["values"]["iou"]
        value["protocol"]["aggregation"] = "pooled"
        value["protocol_id"] = protocol_id(value["protocol"])
        held["record.json"] = json.dumps(record).encode()

    found = {check.name: check for check in verify(rewritten(capsule, change), registry().metrics)}
    assert found["iou"].outcome == "mismatch"
    assert "aggregation was pooled, is per_image" in found["iou"].told


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


@pytest.mark.parametrize("version", [99, 2, 0, -1])
def test_a_changed_number_is_found_under_a_version_that_its_metric_does_not_have(capsule: Path, version: int):
    def change(record: dict) -> None:
        record["values"]["iou"]["value"] = record["values"]["iou"]["details"]["per_image"] = 0.9
        record["values"]["iou"]["protocol"]["metric_version"] = version

    found = [check for check in verify(signed(capsule, change), registry().metrics) if check.outcome == "mismatch"]
    assert {check.name for check in found} >= {"iou"}
    assert lgbench("verify", capsule.with_name("changed.zip")).return_value == 1


def test_a_number_of_an_older_version_is_derived_by_the_installed_one_and_both_are_told(capsule: Path):
    newer = replace(registry().metrics["coverage"], version=2)
    found = {check.name: check for check in verify(capsule, registry().metrics | {"coverage": newer})}
    value = numbers_of(capsule)["coverage"]["value"]
    told = f"version 1, which said {value:.9g}, is older than the installed 2, which says {value:.9g}"
    assert (found["coverage"].outcome, found["coverage"].told) == ("not derived", told)


def numbers_of(capsule: Path) -> dict:
    with zipfile.ZipFile(capsule) as archive:
        return json.loads(archive.read("record.json"))["values"]


def test_a_capsule_of_which_nothing_can_be_derived_is_no_success(capsule: Path):
    def change(held: dict[str, bytes]) -> None:
        record = json.loads(held["record.json"])
        gone = [name for name in record["artefacts"] if name.startswith("evidence-")]
        for name in gone:
            del held[name], record["artefacts"][name]
        held["record.json"] = json.dumps(record).encode()

    result = lgbench("verify", rewritten(capsule, change))
    assert result.return_value == 1
    assert "0 match, 0 mismatch" in result.output


PROTOCOLS = [
    *(("iou", *said) for said in (("split", "val"), ("polarity", "committed (border)"), ("threshold", 0.4))),
    *(("msc", *said) for said in (("split", "train"), ("polarity", "oracle"))),
    *(("iou", *said) for said in (("crop", "pad"), ("origin", "another copy"), ("dataset_version", 2))),
    *(("fid-random", *said) for said in (("extractor", "inception"), ("extractor", None), ("crop", "squeeze"))),
    ("max-f", "polarity", "committed (border)"),
    ("coverage", "dataset_config", {"images": 24}),
]


@pytest.mark.parametrize(("name", "field", "said"), PROTOCOLS)
def test_a_protocol_that_says_another_thing_than_what_is_stored_is_found(
    capsule: Path, name: str, field: str, said: object
):
    def change(record: dict) -> None:
        assert record["values"][name]["protocol"].get(field) != said
        record["values"][name]["protocol"][field] = said

    told = [check.told for check in verify(signed(capsule, change), registry().metrics) if check.outcome == "mismatch"]
    assert any(field in each for each in told)


@pytest.mark.parametrize(("field", "said"), [("split", "val"), ("origin", "another copy"), ("resolution", None)])
def test_a_protocol_is_found_that_is_another_in_all_numbers(capsule: Path, field: str, said: object):
    def change(record: dict) -> None:
        for value in record["values"].values():
            value.get("protocol", {})[field] = said

    found = {check.name: check for check in verify(signed(capsule, change), registry().metrics)}
    assert found["iou"].outcome == "mismatch"
    assert f"{field} was {said}" in found["iou"].told


def test_a_number_that_goes_by_the_name_of_another_metric_or_split_is_found(capsule: Path):
    def change(record: dict) -> None:
        record["values"]["iou"] = record["values"]["dice"]
        record["values"]["acc@val"] = record["values"].pop("acc")

    found = {check.name: check.told for check in verify(signed(capsule, change), registry().metrics)[:2]}
    assert found == {
        "iou": "is called by another name than its metric, dice",
        "acc@val": "is called by another split than it is of, test",
    }


@pytest.mark.parametrize("splits", ["train,test", "test,val", "val,train"])
def test_what_is_of_no_split_is_derived_beside_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, splits: str):
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(SETTINGS, "evaluation.split", splits)  # pyright: ignore[reportArgumentType]
    run = finished(tmp_path / "runs", "iou,coverage")
    found = verify(pack(run, tmp_path / "run.capsule.zip")[0], registry().metrics)
    assert [check.outcome for check in found] == ["match"] * 3


def test_a_flag_that_was_taken_out_is_found(capsule: Path):
    with zipfile.ZipFile(capsule) as archive:
        flags = json.loads(archive.read("record.json"))["training"]["flags"]
    assert "untaught" in flags
    for flag in flags:
        changed = signed(capsule, lambda record, flag=flag: record["training"]["flags"].remove(flag))
        found = [check for check in verify(changed, registry().metrics) if check.outcome == "mismatch"]
        assert [check.name for check in found] == ["flags"]
        assert f"shows {flag}, and" in found[0].told


@pytest.mark.parametrize(
    ("kind", "numbers", "flag"),
    [
        ("samples", {"alphas": 0}, "all_bg"),
        ("samples", {"alphas": 255}, "all_fg"),
        ("samples", {"difference": 0}, "identical"),
        ("predictions", {"bits": 0}, "finds_nothing"),
        ("predictions", {"bits": 255, "side": 10**12}, "finds_all"),
        ("taught", {"iou": 0}, "untaught"),
    ],
)
def test_what_is_stored_is_held_against_the_flags(capsule: Path, kind: str, numbers: dict[str, int], flag: str):
    def change(held: dict[str, bytes]) -> None:
        record = json.loads(held["record.json"])
        record["training"]["flags"] = []
        name, content = next(name for name in held if name.startswith(f"{kind}-")), io.BytesIO()
        arrays = read_npz(name, held[name])
        np.savez(content, **arrays | {key: np.full_like(arrays[key], number) for key, number in numbers.items()})  # pyright: ignore
        held[name] = content.getvalue()
        held["record.json"] = json.dumps(record).encode()

    told = [check.told for check in verify(rewritten(capsule, change), registry().metrics) if check.name == "flags"]
    assert any(f"{kind}-" in each and f"shows {flag}, and" in each for each in told)


def test_changed_predictions_are_found_though_every_hash_was_computed_anew(capsule: Path):
    def change(held: dict[str, bytes]) -> None:
        name = next(name for name in held if name.startswith("predictions-"))
        arrays = read_npz(name, held[name])
        content = io.BytesIO()
        np.savez(content, bits=~arrays["bits"], side=arrays["side"])
        held[name] = content.getvalue()

    found = {check.name: check.outcome for check in verify(rewritten(capsule, change), registry().metrics)}
    assert found["iou"] == found["acc"] == "mismatch"
    assert found["coverage"] == "match"


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


def outcomes(capsule: Path) -> dict[str, str]:
    """What is found, name by name; a refusal of the whole is one line."""
    try:
        return {check.outcome: check.name for check in verify(capsule, registry().metrics)}
    except (BadCapsule, RunFailed) as error:
        return {"refused": str(error)}


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
