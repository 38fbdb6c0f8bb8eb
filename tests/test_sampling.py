"""A finished run in Python and in pictures: networks given back, codes varied, class maps moved."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch.testing import assert_close

from lgbench import ImageSpec, load_run
from lgbench.cli import group
from lgbench.cli.predictions import neighbours, predictions
from lgbench.cli.walks import Walk, interpolate, sheet, vary
from lgbench.errors import BadRecipe, NotAvailable, RunFailed
from lgbench.layers import Batch
from lgbench.painting import as_sampled, painted, real_batch, uint8
from lgbench.plugins import registry
from lgbench.record import Measured, read_record
from lgbench.trained import Trained

SHORT = {
    "training.steps": 2,
    "training.batch": 4,
    "segmentation.steps": 2,
    "segmentation.batch": 4,
    "evaluation.samples": 4,
    "evaluation.judge": "small",
    "evaluation.judge_epochs": 1,
    "data.images": 24,
    "data.test_images": 12,
}
FACES = {"generator.g": 4, "generator.nz": 8, "method.d": 4, "regularizers.segmentor.width": 4, "data.val_images": 4}
PETALS = {"generator.ngf": 4, "generator.floor": 8, "generator.bg_floor": 8, "method.ndf": 4, "segmenter.width": 4}


def made(method: str, dataset: str, runs: Path, settings: dict[str, object], *more: str) -> Path:
    """The folder of a finished run."""
    chosen = {**SHORT, **settings}
    flags = [part for name, value in chosen.items() for part in ("--set", f"{name}={value}")]
    command = ["run", "--method", method, "--dataset", dataset, "--preset", "smoke", "--resolution", "32"]
    result = CliRunner().invoke(group, [*command, *flags, "--device", "cpu", "--runs", str(runs), *more])
    assert result.exit_code == 0, result.output
    (record,) = runs.glob("*/record*.json")
    return record.parent


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _shared_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGBENCH_HOME", str(home))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LGBENCH_HOME", str(home))
        metrics = {"evaluation.metrics": "spatial-consistency", "training.precision": "fp32"}
        return made("scgan", "faces", tmp_path_factory.mktemp("faces"), {**FACES, **metrics})


@pytest.fixture(scope="module")
def petals(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LGBENCH_HOME", str(home))
        metrics = {"evaluation.metrics": "iou", "training.precision": "fp32"}
        return made("lrgan", "flora", tmp_path_factory.mktemp("petals"), {**PETALS, **metrics})


def stored(folder: Path, kind: str) -> dict[str, np.ndarray]:
    (path,) = folder.glob(f"{kind}-*.npz")
    with np.load(path) as arrays:
        return dict(arrays)


# Loading.


def test_a_run_paints_again_what_was_scored(petals: Path):
    trained = load_run(petals, "cpu")
    painter, train, runtime = trained.painter, trained.splits()["train"], trained.run.runtime
    seed = trained.run.recipe.seed + 2  # an evaluation's
    with as_sampled(painter, False, seed):
        (layers,) = painted(painter, 4, 128, train, seed, runtime)
    assert np.array_equal(uint8((layers.image + 1) / 2), stored(petals, "samples")["images"])
    assert not painter.training
    assert not any(weight.requires_grad for weight in painter.parameters())


def test_its_segmenter_predicts_again_what_was_scored(petals: Path):
    trained = load_run(petals, "cpu")
    assert trained.segmenter is not None
    assert trained.segmenter.predict is not None
    test = trained.splits()["test"]
    with torch.no_grad():
        probability = trained.segmenter.predict(real_batch(test, np.arange(len(test)), (), trained.run.runtime).images)
    kept = stored(petals, "predictions")
    bits = np.unpackbits(kept["bits"], axis=-1, count=int(kept["side"])).astype(bool)
    assert np.array_equal(probability[:, 0].numpy() >= 0.5, bits)


def test_a_generator_of_given_class_maps_paints_from_those_of_test_images(faces: Path):
    trained = load_run(faces, "cpu")
    given = trained.given(3)
    assert given is not None
    assert given.segments is not None
    assert np.array_equal(given.segments.numpy(), trained.splits()["test"].segments[:3])
    with torch.no_grad():
        assert trained.painter(trained.painter.codes(3, given)).image.shape == (3, 3, 32, 32)


def test_a_generator_that_reads_nothing_is_given_nothing(petals: Path):
    assert load_run(petals, "cpu").given(3) is None


@pytest.mark.parametrize(
    ("harm", "advice"),
    [
        (lambda run: shutil.rmtree(run / "train"), "run its command again to finish it"),
        (lambda run: (run / "request.json").unlink(), "made by an earlier lgbench"),
        (lambda run: (run / "identity.json").write_text("{"), "run the run's command again"),
        (lambda run: (run / "identity.json").write_text('{"images": {"resolution": "big"}}'), "images.resolution"),
        (lambda run: (run / "request.json").write_text("{}"), "request.json is damaged .method: Field required"),
        (lambda run: (run / "arithmetic.json").write_text('{"precision": 1}'), "arithmetic.json is damaged"),
        (
            lambda run: (run / "train" / "generator.safetensors").write_bytes(b""),
            "not hold this network's weights",
        ),
    ],
    ids=["unfinished", "older", "damaged", "no side", "no method", "no precision", "empty weights"],
)
def test_what_cannot_be_loaded_says_what_to_do(petals: Path, tmp_path: Path, harm, advice: str):
    harmed = tmp_path / "run"
    shutil.copytree(petals, harmed)
    harm(harmed)
    with pytest.raises(RunFailed, match=advice):
        load_run(harmed, "cpu")


# One code varied.


def test_a_latent_varies_from_column_to_column_and_the_class_map_stays(faces: Path):
    trained = load_run(faces, "cpu")
    varied = vary(trained, "z", 3, 4)
    grid = varied.images
    assert (grid.shape, grid.dtype) == ((3, 5, 3, 32, 32), np.uint8)
    assert varied.columns == ("class map", "z 1", "z 2", "z 3", "z 4")
    assert len({column.tobytes() for column in grid[0]}) == 5
    assert np.array_equal(grid, vary(trained, "z", 3, 4).images)
    assert not np.array_equal(grid, vary(trained, "z", 3, 4, seed=1).images)
    maps = trained.splits()["test"].segments
    assert maps is not None
    assert varied.walk is not None
    assert np.array_equal(varied.walk.images, grid[:, varied.fixed :])
    assert np.array_equal(varied.walk.segments, np.repeat(np.asarray(maps[:3])[:, None], 4, axis=1))
    for row, segments in zip(grid, maps, strict=False):  # one colour a class
        colours = {tuple(row[0][:, segments == value].T[0]) for value in np.unique(segments)}
        assert len(colours) == len(np.unique(segments))
        assert {tuple(pixel) for pixel in row[0].reshape(3, -1).T} == colours


def test_attributes_are_turned_one_by_one_after_what_was_given(faces: Path):
    trained = load_run(faces, "cpu")
    varied = vary(trained, "c", 2, 4)
    names = trained.splits()["test"].attribute_names
    assert varied.columns == ("class map", "as given", *(f"{name} turned" for name in names))
    grid = varied.images[:, 1:]
    assert grid.shape[:2] == (2, 6)
    with as_sampled(trained.painter, False, 0), torch.no_grad():
        given = real_batch(trained.splits()["test"], np.arange(2), ("segments", "attributes"), trained.run.runtime)
        codes = trained.painter.codes(2, given)
        codes["c"][:, 1] = 1 - codes["c"][:, 1]
        turned = trained.painter(codes).image
    assert_close(torch.from_numpy(grid[:, 2] / 127.5 - 1).float(), turned, atol=1.1 / 127.5, rtol=0)


def test_of_attributes_that_exclude_each_other_each_is_shown_alone(faces: Path, monkeypatch: pytest.MonkeyPatch):
    trained = load_run(faces, "cpu")
    splits = trained.splits()
    colours = np.eye(5, dtype=np.uint8)[np.arange(len(splits["test"])) % 5]
    splits = {**splits, "test": replace(splits["test"], attributes=colours)}
    monkeypatch.setattr(Trained, "splits", lambda self: splits)
    varied = vary(trained, "c", 2, 4)
    assert varied.columns == ("class map", "as given", *splits["test"].attribute_names)
    with as_sampled(trained.painter, False, 0), torch.no_grad():
        given = real_batch(splits["test"], np.arange(2), ("segments", "attributes"), trained.run.runtime)
        codes = trained.painter.codes(2, given)
        alone = [trained.painter({**codes, "c": side.expand(2, 5)}).image for side in torch.eye(5)]
    for column, images in enumerate([trained.painter(codes).image, *alone], start=1):
        assert_close(torch.from_numpy(varied.images[:, column] / 127.5 - 1).float(), images, atol=1.1 / 127.5, rtol=0)


def test_a_generator_that_reads_no_class_map_shows_none(petals: Path):
    varied = vary(load_run(petals, "cpu"), "z", 2, 3)
    assert (varied.images.shape[:2], varied.columns) == ((2, 3), ("z 1", "z 2", "z 3"))


def test_one_layers_latent_varies_alone(petals: Path):
    trained = load_run(petals, "cpu")
    both, behind, front = (vary(trained, name, 2, 3) for name in ("z", "z:0", "z:1"))
    assert behind.columns == ("z:0 1", "z:0 2", "z:0 3")
    for one in (behind, front):
        assert not np.array_equal(one.images, both.images)
        assert not np.array_equal(one.images[:, 0], one.images[:, 1])
    assert not np.array_equal(behind.images, front.images)


def test_two_codes_vary_as_a_page_of_one_image(petals: Path):
    page = vary(load_run(petals, "cpu"), "z:0,z:1", 2, 3)
    assert page.images.shape == (2, 3, 3, 32, 32)
    assert page.columns == ("z:1 1", "z:1 2", "z:1 3")
    cells = page.images.reshape(6, -1)
    assert len(np.unique(cells, axis=0)) == 6
    assert np.array_equal(page.images, vary(load_run(petals, "cpu"), "z:0,z:1", 2, 3).images)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("z:2", r"no layer '2' of the code 'z'. It has z:0 to z:1"),
        ("z:", r"no layer '' of the code 'z'"),
        ("z,q", r"no code 'q' to vary"),
        ("z,z", r"names one code twice"),
        ("phi:0", r"ties lrgan's latents to motions: train it --with equivariance"),
    ],
)
def test_what_cannot_be_varied_is_told_with_what_can(petals: Path, name: str, told: str):
    with pytest.raises(BadRecipe, match=told):
        vary(load_run(petals, "cpu"), name, 2, 3)


def test_latents_follow_motions_beyond_what_was_learnt(tmp_path: Path):
    small = {"generator.g": 8, "generator.g_b": 8, "method.d": 4, "segmenter.width": 4, "evaluation.metrics": "iou"}
    trained = load_run(made("elgan", "flora", tmp_path, small), "cpu")
    walk = vary(trained, "phi:0", 2, 5)
    assert walk.columns == ("-1.50", "-0.75", "+0.00", "+0.75", "+1.50")
    assert walk.images.shape == (2, 5, 3, 32, 32)
    assert not np.array_equal(walk.images[:, 0], walk.images[:, -1])
    assert not np.array_equal(walk.images, vary(trained, "phi:1", 2, 5).images)
    with pytest.raises(BadRecipe, match=r"names no number of a motion. It has phi:0 to phi:\d"):
        vary(trained, "phi:9", 2, 5)


def test_class_maps_vary_below_a_row_that_shows_them(faces: Path):
    trained = load_run(faces, "cpu")
    varied = vary(trained, "s", 2, 3)
    grid = varied.images
    assert (grid.shape[:2], varied.columns) == ((3, 3), ("s 1", "s 2", "s 3"))
    assert len({column.tobytes() for column in grid[1]}) == 3
    assert varied.walk is not None
    assert np.array_equal(varied.walk.images, grid[1:])
    asked = np.asarray(trained.splits()["test"].known(np.arange(2, 5), ["segments"])["segments"])
    assert np.array_equal(varied.walk.segments, np.stack([asked, asked]))


def test_a_code_that_a_generator_lacks_is_refused_with_those_that_it_has(faces: Path):
    with pytest.raises(BadRecipe, match=r"no code 'q' to vary.*c, s, z"):
        vary(load_run(faces, "cpu"), "q", 2, 3)


# A factor moved.


@pytest.mark.parametrize("name", ["pose", "smile", "landmarks"])
def test_a_walk_moves_class_maps_from_end_to_end_under_one_latent(faces: Path, name: str):
    trained = load_run(faces, "cpu")
    walk = interpolate(trained, name, 2, 5)
    assert walk.segments.shape == (2, 5, 32, 32)
    assert walk.images.shape == (2, 5, 3, 32, 32)
    assert len({frame.tobytes() for frame in walk.segments[0]}) > 1
    if name == "landmarks":
        maps = trained.splits()["test"].segments
        assert maps is not None
        assert np.array_equal(walk.segments[:, 0], maps[:2])
        assert np.array_equal(walk.segments[:, -1], maps[1:3])


def test_more_rows_than_test_images_begin_anew(faces: Path):
    trained = load_run(faces, "cpu")
    walk = interpolate(trained, "landmarks", 13, 2)  # of 12
    assert np.array_equal(walk.segments[12], walk.segments[0])
    assert not np.array_equal(walk.segments[11], walk.segments[0])


def test_a_walk_that_nobody_knows_is_refused_with_those_that_there_are(faces: Path):
    with pytest.raises(BadRecipe, match=r"no walk 'smle'. Did you mean 'smile'"):
        interpolate(load_run(faces, "cpu"), "smle", 1, 3)


def test_a_generator_that_reads_no_class_map_cannot_be_walked(petals: Path):
    with pytest.raises(BadRecipe, match=r"lrgan paints from no class map.* change one code: --vary z"):
        interpolate(load_run(petals, "cpu"), "pose", 1, 3)


def still(step: int) -> Walk:
    """Two frames whose left halves are class 0; there the second is brighter by `step`, elsewhere black after white."""
    segments = np.zeros((1, 2, 4, 4), np.uint8)
    segments[..., 2:] = 1
    images = np.zeros((1, 2, 3, 4, 4), np.uint8)
    images[0, 0, :, :, 2:] = 255
    images[0, 1, :, :, :2] = step
    return Walk(segments, images)


@pytest.mark.parametrize("step", [0, 51, 255])
def test_change_is_measured_outside_of_what_moves(step: int):
    assert still(step).change() == pytest.approx(step / 255)


def test_consistency_is_the_share_of_pixels_that_a_judge_reads_as_asked(faces: Path):
    runtime = load_run(faces, "cpu").run.runtime

    def judge(images: torch.Tensor) -> torch.Tensor:  # bright is class 1
        bright = images.mean(dim=1, keepdim=True)
        return torch.cat([-bright, bright], dim=1)

    assert still(0).consistency(judge, runtime).tolist() == [[1.0, 0.5]]
    unsure = still(0)
    unsure.segments[unsure.segments == 1] = 255  # ignored
    assert unsure.consistency(judge, runtime).tolist() == [[1.0, 1.0]]


def test_a_sheet_keeps_pictures_apart_by_white_lines():
    grid = np.zeros((2, 3, 3, 4, 4), np.uint8)
    grid[1, 2] = 7
    pixels = sheet(grid, scale=2)
    assert pixels.shape == (2 * 6 * 2, 3 * 6 * 2, 3)
    assert (pixels[:2] == 255).all()
    assert (pixels[14:22, 26:34] == 7).all()


def test_what_columns_show_stands_above_them():
    grid = np.zeros((2, 3, 3, 30, 30), np.uint8)
    plain, titled = sheet(grid), sheet(grid, titles=["as given", "eyeglasses turned", ""])
    above = titled[: len(titled) - len(plain)]
    assert np.array_equal(titled[len(above) :], plain)
    dark = [int((above[:, column * 32 : column * 32 + 32] < 128).sum()) for column in range(3)]
    assert dark[0] > 0
    assert dark[1] > dark[0]
    assert dark[2] == 0


# The command.


def test_sample_writes_sheets_and_moving_pictures_and_tells_consistency_frame_by_frame(faces: Path):
    arguments = ["--vary", "z", "--vary", "c", "--interpolate", "smile", "--rows", "2", "--columns", "3"]
    result = CliRunner().invoke(group, ["sample", str(faces), *arguments, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    pictures = faces / "pictures"
    names = {path.name for path in pictures.iterdir()}
    assert names == {f"{name}.{kind}" for name in ("vary-z", "vary-c", "smile") for kind in ("png", "gif")}
    for name, frames in (("smile", 3), ("vary-z", 3), ("vary-c", 6)):  # as given, and each of five attributes turned
        with Image.open(pictures / f"{name}.gif") as moving:
            assert moving.n_frames == frames
    with Image.open(pictures / "vary-z.gif") as moving:  # one column, two rows
        assert moving.size == (34 * 2, 2 * 34 * 2)
    with Image.open(pictures / "smile.png") as strip:  # maps above pictures, two pixels of line each, twice the size
        assert strip.size == (3 * 34 * 2, 4 * 34 * 2)
    assert "columns: class map, as given," in result.output
    assert "share of pixels in which a judge reads" in result.output
    rows = [line.replace("│", " ").split() for line in result.output.splitlines()]
    rows = [row for row in rows if row and row[0].isdigit()]
    assert [int(row[0]) for row in rows] == [1, 2, 3, *range(1, 7), 1, 2, 3]  # of z, of c, of the smile
    assert all(0 <= float(row[1]) <= 1 for row in rows)


def test_other_pictures_stand_beside_those_that_are_there(petals: Path):
    def painted(*arguments: str) -> set[str]:
        result = CliRunner().invoke(group, ["sample", str(petals), "--vary", "z", *arguments, "--device", "cpu"])
        assert result.exit_code == 0, result.output
        assert "judge" not in result.output  # it paints from no class map
        names = {path.name for path in (petals / "pictures").iterdir()}
        assert {name for name in names if name.endswith(".gif")} == {name.replace("png", "gif") for name in names}
        return {name for name in names if name.endswith(".png")}

    assert painted("--rows", "2") == {"vary-z.png"}
    first = (petals / "pictures" / "vary-z.png").read_bytes()
    assert painted("--rows", "2") == {"vary-z.png"}
    assert painted("--rows", "2", "--seed", "1") == {"vary-z.png", "vary-z-2.png"}
    assert painted("--rows", "2", "--seed", "1") == {"vary-z.png", "vary-z-2.png"}
    (petals / "pictures" / "vary-z-2.png").write_bytes(b"")
    assert painted("--rows", "3") == {"vary-z.png", "vary-z-2.png", "vary-z-3.png"}
    assert (petals / "pictures" / "vary-z.png").read_bytes() == first


VARIANTS = [
    ("comgan", {"n_codes": 20}),
    ("pi2", {"shared_z": False}),
    ("lrgan", {"conditional": True}),
]


@pytest.mark.parametrize(
    ("name", "settings"), [*((name, {}) for name in sorted(registry().generators)), *VARIANTS], ids=str
)
def test_a_generator_says_all_codes_that_can_be_varied(name: str, settings: dict):
    generator = registry().generators[name]
    painter = generator.build(generator.config(**settings), ImageSpec(32, 3, 10, 4, 5)).eval()
    batch = Batch(torch.zeros(2, 3, 32, 32), segments=torch.zeros(2, 32, 32).byte(), attributes=torch.zeros(2, 5))
    assert {*painter.codes(2, batch)} <= {*generator.varies}


@pytest.mark.parametrize(("kind", "columns"), [("petals", 5), ("faces", 1)])  # image, layers, what they compose; image
@pytest.mark.parametrize("rows", [1, 3])
def test_without_options_a_grid_is_painted(request: pytest.FixtureRequest, kind: str, columns: int, rows: int):
    run = request.getfixturevalue(kind)
    (run / "pictures" / "grid.png").unlink(missing_ok=True)
    result = CliRunner().invoke(group, ["sample", str(run), "--rows", str(rows), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == ["grid:", str(run / "pictures" / "grid.png")]
    with Image.open(run / "pictures" / "grid.png") as grid:
        assert grid.height % rows == 0
        assert grid.width * rows == grid.height * columns


# What is predicted.


def test_the_page_of_predictions_goes_from_the_best_mask_to_the_worst(petals: Path):
    trained = load_run(petals, "cpu")
    page = predictions(trained, 3)
    assert (page.grid.shape, page.grid.dtype) == ((3, 9, 3, 32, 32), np.uint8)
    assert page.titles[::3] == ("best", "median", "worst")
    each = page.iou.T.ravel()  # best, then median, then worst
    assert (np.diff(each) <= 0).all()
    test, record = trained.splits()["test"], read_record(petals / "record.json")
    value = record.values["iou"]
    assert isinstance(value, Measured)
    assert page.iou[-1, 2] <= value.details["per_image"] <= page.iou[0, 0]
    for row in page.grid:
        shown = [np.array_equal(row[0], image) for image in test.rgb(slice(None))]
        assert test.masks is not None
        (index,) = np.flatnonzero(shown)
        assert np.array_equal(row[1][0] > 0, test.masks[index] > 127)
        bits = np.unpackbits(stored(petals, "predictions")["bits"], axis=-1, count=32).astype(bool)
        assert np.array_equal(row[2][0] > 0, bits[index])


def test_more_rows_than_pictures_are_all_the_pictures(petals: Path):
    assert predictions(load_run(petals, "cpu"), 99).grid.shape[0] == 12


def test_the_command_draws_predictions_and_a_grid_and_replaces_them(petals: Path):
    for _ in range(2):
        result = CliRunner().invoke(group, ["sample", str(petals), "--predictions", "--rows", "2", "--device", "cpu"])
        assert result.exit_code == 0, result.output
        assert "IoU of the best" in result.output
    drawn = sorted(path.name for path in (petals / "pictures").glob("[gp]*.png"))
    assert drawn == ["grid.png", "predictions.png"]


def test_a_run_that_predicts_no_masks_says_so(faces: Path):
    with pytest.raises(NotAvailable, match="paints no masks"):
        predictions(load_run(faces, "cpu"), 2)
    error = CliRunner().invoke(group, ["sample", str(faces), "--predictions", "--device", "cpu"]).exception
    assert isinstance(error, NotAvailable)
    assert f"`lgbench sample {faces}` paints a grid" in str(error)


# Neighbours.


def test_samples_stand_beside_the_training_pictures_that_are_nearest_by_cosine(petals: Path):
    trained = load_run(petals, "cpu")
    page = neighbours(trained, 2)
    assert page.titles == ("nearest", "training", "median", "training", "farthest", "training")
    reals = trained.splits()["train"].rgb(slice(None))
    x, y = (images.reshape(len(images), -1).astype(float) for images in (stored(petals, "samples")["images"], reals))
    cosines = x @ y.T / np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1))
    best = np.sort(cosines.max(axis=1))[::-1]
    assert page.similarity[:, 0] == pytest.approx(best[:2])
    assert page.similarity[:, 2] == pytest.approx(best[-2:])
    first = cosines.max(axis=1).argmax()
    assert np.array_equal(page.grid[0, 0], stored(petals, "samples")["images"][first])
    assert np.array_equal(page.grid[0, 1], reals[cosines[first].argmax()])


def test_the_command_draws_neighbours_and_leaves_the_record_valid(petals: Path):
    result = CliRunner().invoke(group, ["sample", str(petals), "--neighbours", "--rows", "2", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "of the nearest" in result.output
    with Image.open(petals / "pictures" / "neighbours.png") as picture:
        assert picture.width > 6 * 64
    assert read_record(petals / "record.json").method == "lrgan"
