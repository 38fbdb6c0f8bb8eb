"""The record of a run is whole, immutable and shows when it was altered."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from board_records import PROTOCOL

from lgbench.data import MaskConfig
from lgbench.errors import LgbenchError
from lgbench.files import sha256_of_json
from lgbench.lookup import look_up
from lgbench.plugins import registry
from lgbench.recipe import Request
from lgbench.record import (
    SELDOM,
    BadRecord,
    Measured,
    Missing,
    Protocol,
    protocol_id,
    read_record,
    record_id,
    write_record,
)
from lgbench.settings import dotted, plain

REPOSITORY = Path(__file__).resolve().parents[1]


def a_record() -> dict[str, Any]:
    recipe = {"seed": 0, "training": {"steps": 20}}
    return {
        "schema": 1,
        "method": "lrgan",
        "dataset": "flora",
        "preset": "smoke",
        "seed": 0,
        "resolution": 32,
        "status": "done",
        "selected_by": "ema-last",
        "recipe": recipe,
        "recipe_hash": sha256_of_json(recipe),
        "plugins": [{"name": "lgbench_lrgan", "version": "0.1.0", "sha256": "a" * 64}],
        "lgbench": {"version": "0.1.0", "commit": None, "dirty": False, "dirty_hash": None},
        "packages": {"numpy": "2.0"},
        "environment": {
            "python": "3.11",
            "torch": "2.11",
            "cuda": None,
            "driver": None,
            "device": "CPU",
            "precision": "fp32",
            "threads": 1,
            "compiled": False,
        },
        "data": {
            "fingerprints": {"train": "b" * 64, "test": "c" * 64},
            "origin": "procedural",
            "counts": {"train": 48, "test": 16},
            "provides": ["masks"],
        },
        "training": {
            "steps": 20,
            "parameters": {"generator": 1000},
            "flags": [],
            "wall_s": 1.5,
            "images_per_s": 100.0,
            "peak_memory_mb": 0,
            "losses": {"critic": 0.5},
        },
        "segmentation": {"name": "unet-s", "steps": 5, "parameters": {"segmenter": 10}, "wall_s": 0.5},
        "values": {
            "iou": {
                "value": 0.5,
                "details": {"pooled": 0.4, "gap": 0.1},
                "n": 16,
                "interval": [0.4, 0.6],
                "protocol": PROTOCOL,
                "protocol_id": protocol_id(PROTOCOL),
            },
            "fid": {"not_available": "no weights"},
        },
        "baselines": {"all-foreground": {"iou": 0.2}},
        "artefacts": {"predictions.npz": "d" * 64},
        "wall_s": 3.0,
        "device_hours": 0.001,
        "created": "2030-01-31T12:00:00+00:00",
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    record = a_record()
    *outer, last = path.split("/")
    part = record
    for key in outer:
        part = part[key]
    part[last] = value
    return record


def test_a_record_comes_back_as_it_was_written(tmp_path: Path):
    path = write_record(tmp_path, a_record())
    record = read_record(path)
    assert path.name == "record.json"
    assert json.loads(path.read_text()) == {**a_record(), "id": record.id}
    assert isinstance(record.values["iou"], Measured)
    assert record.values["iou"].interval == (0.4, 0.6)
    assert isinstance(record.values["fid"], Missing)


def test_the_id_is_the_hash_of_everything_else(tmp_path: Path):
    record = a_record()
    path = write_record(tmp_path, {**record, "id": "what it was given"})
    assert read_record(path).id == sha256_of_json(record)[:16]


def test_baselines_and_losses_may_be_absent(tmp_path: Path):
    record = a_record()
    del record["baselines"], record["training"]["losses"]
    assert read_record(write_record(tmp_path, record)).baselines == {}


def test_writing_the_same_record_again_changes_nothing(tmp_path: Path):
    path = write_record(tmp_path, a_record())
    before = path.stat().st_mtime_ns
    assert write_record(tmp_path, a_record()) == path
    assert path.stat().st_mtime_ns == before


def test_another_record_does_not_overwrite_the_first(tmp_path: Path):
    path = write_record(tmp_path, a_record())
    before = path.read_bytes()
    with pytest.raises(BadRecord, match="immutable"):
        write_record(tmp_path, changed("values/iou/value", 0.9))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("values/iou/value", 0.51),
        ("values/fid", {"not_available": "something else"}),
        ("recipe/training/steps", 21),
        ("status", "diverged"),
        ("packages/numpy", "2.1"),
    ],
)
def test_an_altered_record_is_caught(tmp_path: Path, path: str, value: Any):
    file = write_record(tmp_path, a_record())
    altered = {**changed(path, value), "id": read_record(file).id}
    file.write_text(json.dumps(altered))
    with pytest.raises(BadRecord, match=r"record\.json was altered"):
        read_record(file)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("extra", 1, "extra: Extra inputs"),
        ("schema", 2, "schema"),
        ("seed", "0", "seed"),
        ("status", "fine", "status"),
        ("training/flags", None, "flags"),
        ("training/speed", 3.0, "training.speed"),
        ("recipe_hash", "0" * 64, "recipe_hash is not the hash"),
        ("values/iou/protocol_id", "0" * 12, "protocol_id is not the hash"),
        ("values/iou/interval", [0.6, 0.4], "swapped"),
        ("values/fid", {"not_available": ""}, "not_available"),
        ("dataset", "flowers", "measured on 'flora'"),
        ("environment/nested", {"a": 1}, "environment.nested"),
        ("created", "2030-01-31T12:00:00+02:00", "UTC"),
        ("created", "yesterday", "created"),
        ("artefacts", {"masks.npz": "short"}, "artefacts"),
    ],
)
def test_a_record_that_is_not_valid_is_refused_and_nothing_is_written(tmp_path: Path, path: str, value: Any, told: str):
    with pytest.raises(BadRecord, match=told):
        write_record(tmp_path, changed(path, value))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(tmp_path: Path, number: float):
    with pytest.raises(BadRecord, match="finite"):
        write_record(tmp_path, changed("values/iou/value", number))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"id": "x", "value": NaN}'])
def test_what_is_not_a_record_is_named_with_its_file(tmp_path: Path, content: str):
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(BadRecord, match=r"record\.json"):
        read_record(path)


def test_a_record_of_nothing_but_its_own_id_lacks_the_rest(tmp_path: Path):
    (tmp_path / "record.json").write_text(json.dumps({"id": record_id({})}))
    with pytest.raises(BadRecord, match="schema: Field required; method: Field required"):
        read_record(tmp_path / "record.json")


@pytest.mark.parametrize("name", ["recipe.json", "predictions-0.npz", "run-1a2b.capsule.zip"])
def test_a_file_that_is_no_record_is_not_advised_to_be_deleted(tmp_path: Path, name: str):
    for file, told in ((tmp_path / name, "name a run, or a record"), (tmp_path / "record-1.json", "or delete it")):
        file.write_bytes(b'{"method": 1}' if name.endswith("json") else b"PK\xff")
        with pytest.raises(BadRecord, match=told) as refused:
            read_record(file)
        assert ("delete" in str(refused.value)) == (told == "or delete it")


def test_a_run_without_record_is_told_to_finish(tmp_path: Path):
    with pytest.raises(BadRecord, match="run the same command again"):
        read_record(tmp_path / "record.json")


def test_every_field_of_a_protocol_changes_its_id():
    ids = {protocol_id(PROTOCOL)}
    for name in PROTOCOL:
        other = copy.deepcopy(PROTOCOL)
        other[name] = "another"
        ids.add(protocol_id(other))
    assert len(ids) == len(PROTOCOL) + 1


def test_what_came_later_to_protocols_counts_only_where_it_is_said():
    later = {
        "sampling",
        "given",
        "ignore",
        "pseudo",
        "dataset_version",
        "reference_samples",
        "scored_on",
        "copies",
        "cut",
    }
    assert set(SELDOM) == later
    assert protocol_id({**PROTOCOL, **dict.fromkeys(SELDOM)}) == protocol_id(PROTOCOL)
    said = [protocol_id({**PROTOCOL, name: 2}) for name in SELDOM]
    assert len({*said, protocol_id(PROTOCOL)}) == len(SELDOM) + 1


def test_protocol_ids_of_committed_records_stay():
    """Recomputed as a run on the same data would say them today."""
    seen = 0
    for path in sorted((REPOSITORY / "leaderboards").glob("*/records/*.json")):
        body = json.loads(path.read_text(encoding="utf-8"))
        installed = registry().datasets.get(body["dataset"])
        config = installed.config_class if installed else MaskConfig
        for value in (value for value in body["values"].values() if "protocol" in value):
            version = (
                installed.version if installed else value["protocol"].get("dataset_version")
            )  # of archives' reader
            said = dict(value["protocol"]["dataset_config"])
            chosen = {name: said.pop(name) for name in ("category", "use_all_images") if name in said}
            today = {
                **value["protocol"],
                "dataset_config": plain(config(**said)) | chosen,
                "dataset_version": version if version != 1 else None,
            }
            assert protocol_id(Protocol(**today).model_dump(mode="json")) == value["protocol_id"], path
            seen += 1
    assert seen > 100


def test_a_protocol_must_state_every_field(tmp_path: Path):
    short = {name: value for name, value in PROTOCOL.items() if name != "crop"}
    record = changed("values/iou/protocol", short)
    record["values"]["iou"]["protocol_id"] = protocol_id(short)
    with pytest.raises(BadRecord, match="crop"):
        write_record(tmp_path, record)


def test_a_whole_threshold_keeps_its_protocols_id(tmp_path: Path):
    whole = {**PROTOCOL, "threshold": 1}
    record = changed("values/iou/protocol", whole)
    record["values"]["iou"]["protocol_id"] = protocol_id(whole)
    read_record(write_record(tmp_path, record))


def test_the_folder_above_runs_is_told_to_be_no_run_and_which_are(tmp_path: Path):
    with pytest.raises(BadRecord, match="run the same command again"):
        read_record(tmp_path / "record.json")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "record.json").touch()
    with pytest.raises(BadRecord, match="Name a run in .*, say .*one"):
        read_record(tmp_path / "record.json")


AGES = {"training.rounds", "segmentation.polarity", "generator.width_b"}
"""Settings from before `lgbench.settings.later`: a dozen records are older than one of them."""


def test_a_setting_that_came_later_is_not_in_the_recipes_of_who_leaves_it_alone():
    """Or the next seed of a published row would have another recipe, and a row of its own."""
    seen = 0
    for path in sorted((REPOSITORY / "leaderboards").glob("*/records/*.json")):
        record = read_record(path)
        asked = {name: value for name, value in record.overrides.items() if name != "resolution"}
        request = Request(record.method, record.dataset, record.preset, record.seed, record.resolution, asked)
        try:
            today = dict(dotted(look_up(request, None).as_dict()))
        except LgbenchError:  # an archive of someone's
            continue
        had = {name for name, _ in dotted(record.recipe)}
        new = {name for name in today.keys() - had if not name.startswith(("data.", "evaluation.", "segmenter."))}
        assert not new or AGES & new, f"{path.name}: declare {sorted(new)} as later(...)"
        seen += 1
    assert seen > 100
