"""Masks predicted on another data set than the one that is learnt from, and what the two share."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from run_worlds import Told, scenes
from toy import GENERATOR, METHOD

from lgbench.contradictions import contradictions
from lgbench.data import DataHome, folder_dataset, open_dataset
from lgbench.errors import BadData, BadRecipe, LgbenchError
from lgbench.plugins import registry
from lgbench.recipe import Recipe, Request, resolve, with_elsewhere
from lgbench.record import read_record
from lgbench.run import Place, chosen_metrics, run

METRICS = "iou,fid-random,memorisation"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """What is learnt from, 24 red squares, and what is scored, 40 green ones."""
    return scenes(tmp_path / "red", (255, 0, 0), 24), scenes(tmp_path / "green", (0, 255, 0), 40)


def recipe_of(here: Path, there: Path | None, **evaluation: object) -> Recipe:
    settings = {"training.steps": 6, "segmentation.steps": 2, "evaluation.samples": 8, "evaluation.metrics": METRICS}
    settings |= {f"evaluation.{name.replace('__', '.')}": value for name, value in evaluation.items()}
    settings |= {"evaluation.dataset": f"folder:{there}"} if there else {}
    dataset = replace(folder_dataset(here), resolution=16)
    request = Request("toy", f"folder:{here}", "smoke", settings=settings)
    chosen = resolve(METHOD, GENERATOR, dataset, registry().regularizers, registry().segmenters, request)
    return with_elsewhere(chosen, folder_dataset(there)) if there else chosen


def scored(here: Path, there: Path | None, told: Told | None = None, **evaluation: object) -> dict:
    place = Place(here.parent / "runs", DataHome(here.parent / "home"), torch.device("cpu"))
    metrics = chosen_metrics(METRICS, registry().metrics)
    path = run(recipe_of(here, there, **evaluation), place, metrics, registry().plugins, told or Told())
    assert contradictions(read_record(path)) == []
    return json.loads(path.read_text())


def table(here: Path, rows: list[tuple[object, object]]) -> Path:
    path = here.parent / "copies.csv"
    path.write_text("\n".join(["here,there", *(f"{a},{b}" for a, b in rows)]))
    return path


def names(folder: Path, split: str) -> list[str]:
    """Which pictures a split has: they are drawn by their names."""
    splits = open_dataset(folder_dataset(folder), None, 16, DataHome(folder.parent / "home"))
    return [Path(name).stem for name in splits[split].names]


def test_masks_of_another_set_are_scored_and_the_protocol_names_both(folders):
    here, there = folders
    own, other = scored(here, None), scored(here, there)
    assert other["adds_to"] == own["id"]  # the same weights: nothing is trained again
    protocol = other["values"]["iou"]["protocol"]
    assert protocol["dataset"] == "folder:red"
    assert protocol["scored_on"].startswith("folder:green, ")
    assert other["values"]["iou"]["n"] == other["data"]["counts"]["elsewhere/test"]
    assert other["values"]["iou"]["protocol_id"] != own["values"]["iou"]["protocol_id"]
    for name in ("fid-random", "memorisation"):  # what reads no masks is of the data set itself
        assert other["values"][name] == own["values"][name]
    assert own["values"]["iou"]["protocol"].get("scored_on") is None


def test_what_scores_elsewhere_is_no_part_of_an_ordinary_recipe(folders):
    here, there = folders
    said = recipe_of(here, None).as_dict()["evaluation"]
    assert not {"dataset", "copies", "without_copies", "data"} & said.keys()
    assert recipe_of(here, there, data__foreground="255").as_dict()["evaluation"]["data"] == {"foreground": "255"}


@pytest.mark.parametrize("swapped", [False, True])
def test_copies_are_counted_told_and_left_out_whichever_column_is_whose(folders, swapped: bool):
    here, there = folders
    before = scored(here, there)
    trained, test = names(here, "train"), names(there, "test")
    pairs = [(f"images/{trained[0]}.png", int(test[0])), (names(here, "test")[0], int(test[1]))]
    copies = table(here, [pair[::-1] for pair in pairs] if swapped else pairs)
    told = Told()
    counted = scored(here, there, told, copies=str(copies))
    assert counted["data"]["copies"] == {
        "elsewhere/test": {"scored": len(test), "known": 2, "trained_on": 1},
    }
    assert any(f"1 of {len(test)} pictures" in note for note in told.notes)
    assert counted["values"]["iou"] == before["values"]["iou"]
    without = scored(here, there, copies=str(copies), without_copies=True)
    assert without["values"]["iou"]["n"] == len(test) - 1
    assert "left out" in without["values"]["iou"]["protocol"]["copies"]
    assert without["values"]["iou"]["protocol_id"] != before["values"]["iou"]["protocol_id"]


def test_without_a_table_nothing_is_claimed_of_copies(folders):
    told = Told()
    record = scored(*folders, told)
    assert record["data"]["copies"] == {}
    assert any("evaluation.copies=FILE" in note for note in told.notes)


@pytest.mark.parametrize("rows", [[], [("nobody", "nothing")]])
def test_a_table_that_names_none_of_the_pictures_is_refused(folders, rows):
    here, there = folders
    with pytest.raises(BadData, match=r"copies\.csv"):
        scored(here, there, copies=str(table(here, rows)))


@pytest.mark.parametrize("text", ["{0},{1}\n", "here;there\n{0};{1}\n", "\ufeff{0}\t{1}\r\n\r\n", '"{0}", "{1}"'])
def test_tables_of_copies_are_read_as_spreadsheets_save_them_with_a_heading_or_none(folders, text: str):
    here, there = folders
    path = here.parent / "copies.csv"
    path.write_text(text.format(names(here, "train")[0], names(there, "test")[0]), encoding="utf-8", newline="")
    assert scored(here, there, copies=str(path))["data"]["copies"]["elsewhere/test"]["trained_on"] == 1


def test_tables_that_are_none_are_refused(folders):
    here, there = folders
    for text in (None, b"", b"one column\n1\n", b"a,b\n1,2\n3\n", b"\xff\xfe\x00,\x00\n\xff,1\n"):
        path = here.parent / "damaged.csv"
        if text is not None:
            path.write_bytes(text)
        with pytest.raises(BadData, match="damaged"):
            scored(here, there, copies=str(path))


@pytest.mark.parametrize(
    "wrong",
    [
        {"copies": "copies.csv"},
        {"without_copies": True},
        {"data__foreground": "255"},
    ],
)
def test_settings_of_another_set_are_refused_where_there_is_none(folders, wrong: dict):
    with pytest.raises(BadRecipe, match="add evaluation"):
        recipe_of(folders[0], None, **wrong)


def test_what_cannot_be_scored_elsewhere_is_refused(folders):
    here, there = folders
    with pytest.raises(BadRecipe, match="leave it out"):
        recipe_of(here, here)
    with pytest.raises(BadRecipe, match="no setting"):
        recipe_of(here, there, data__colour="red")
    three = scenes(here.parent / "few", (0, 0, 255), 3)
    with pytest.raises(BadRecipe, match=r"few has no split 'val'.* Of 10 training pictures or more a tenth"):
        scored(here, three, split="train,val")
    one = here.parent / "one"
    scenes(one / "train", (0, 0, 255), 1)
    with pytest.raises(BadRecipe, match=r"one has no split 'test'.* those in a folder `test` are 'test'"):
        scored(here, one)
    scenes(one / "val", (0, 0, 255), 1)
    with pytest.raises(BadRecipe, match=r"one has no split 'test'.* Add `--set evaluation\.split=val`"):
        scored(here, one)
    with pytest.raises(LgbenchError, match="Copies"):
        recipe_of(here, there, without_copies=True)


def test_advice_on_the_other_set_names_its_settings_and_works(folders, caplog: pytest.LogCaptureFixture):
    here, there = folders
    for path in sorted((there / "masks").iterdir()):
        mask = np.array(Image.open(path))
        mask[0, 0], mask[15, 15] = 9, 128
        Image.fromarray(mask).save(path)
    with pytest.raises(BadData) as refused:
        scored(here, there)
    assert "--set evaluation.data.foreground=" in str(refused.value)
    assert not re.search(r"(?<!evaluation\.)data\.(foreground|ignore)", str(refused.value))
    assert scored(here, there, data__foreground="255")["values"]["iou"]["n"]
    scored(here, there, data__foreground="0")
    framed = [record.getMessage() for record in caplog.records if "picture's frame" in record.getMessage()]
    assert len(framed) == 1
    assert framed[0].endswith("say so with evaluation.data.foreground.")


def test_copies_are_asked_for_where_they_are_set(folders):
    with pytest.raises(BadRecipe, match=r"It is evaluation\.copies=FILE"):
        recipe_of(*folders, data__copies="copies.csv")


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}/../red", "{}/images/.."])
def test_what_is_trained_on_is_no_other_data_set_however_it_is_written(folders: tuple[Path, Path], spelling: str):
    here, _ = folders
    (here / "images").mkdir(exist_ok=True)
    recipe = recipe_of(here, None, dataset=f"folder:{here}")
    with pytest.raises(BadRecipe, match="is what is trained on"):
        with_elsewhere(recipe, folder_dataset(spelling.format(here)))
