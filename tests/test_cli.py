"""The commands as a user types them, on real methods cut very short."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from lgbench import ImageSpec
from lgbench.cli import cost, dry_run, group
from lgbench.cli.meanings import meanings
from lgbench.cli.run import carry_out
from lgbench.data import DataHome
from lgbench.data.masks import MaskConfig
from lgbench.game import Phase
from lgbench.lookup import look_up
from lgbench.plugins import registry
from lgbench.recipe import Request, parse_setting, parse_with
from lgbench.runtime import Runtime
from lgbench.settings import names_of
from lgbench.stage_configs import EvaluationConfig, SegmentationConfig, TrainingConfig
from lgbench.stages import build_game
from lgbench.training import Schedule

ROOT = Path(__file__).parent.parent

SHORT = [
    "training.steps=4",
    "training.batch=4",
    "training.log_every=2",
    "training.grid_every=2",
    "segmentation.steps=2",
    "segmentation.batch=4",
    "evaluation.samples=12",
    "evaluation.metrics=iou,coverage,ari",
    "data.images=40",
    "data.test_images=12",
]
TINY = {
    "lrgan": ["generator.ngf=4", "generator.floor=8", "generator.bg_floor=8", "method.ndf=4", "segmenter.width=4"],
    "dcgan": ["generator.ngf=4", "generator.floor=8", "method.ndf=4"],
    "comgan": ["generator.g=8", "method.d=4", "segmenter.width=4"],
    "pi1": ["generator.g=8", "method.d=4", "segmenter.width=4"],
    "pi2": ["generator.g=8", "method.d=4", "segmenter.width=4"],
    "simplegan": ["generator.g=8", "method.d=4"],
    "dscomgan": ["generator.g=8", "method.d=4", "segmenter.width=4", "regularizers.mi-recovery.width=4"],
    "milgan": ["generator.g=4", "method.d=4", "segmenter.width=4"],
    "elgan": ["generator.g=4", "method.d=4", "segmenter.width=4"],
    "perturbgan": ["generator.g=8", "method.d=4", "segmenter.width=4"],
    "perturbgan-full": [
        "generator.width=8",
        "generator.nz=8",
        "method.d=8",
        "segmenter.width=4",
        "method.phase_steps=1",
        "training.steps=6",  # two steps each at 8, 16 and 32 pixels
    ],
}


def lgbench(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from lgbench.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


def lgbench_here(*arguments: str) -> Result:
    """The command in this process, which has torch already: for what depends on no process of its own."""
    return CliRunner().invoke(group, arguments, catch_exceptions=False)


def short_run(method: str, runs: Path, *more: str, segmenter: str = "auto") -> list[str]:
    chosen = [*SHORT, *TINY[method], f"segmentation.name={segmenter}"]
    if segmenter == "generator":
        chosen.remove("segmenter.width=4")  # it has nothing to set
    settings = [part for setting in chosen for part in ("--set", setting)]
    return ["run", "--method", method, "--dataset", "flora", "--preset", "smoke", "--runs", str(runs), *settings, *more]


def record_of(runs: Path) -> dict:
    (path,) = runs.glob("*/record.json")
    return json.loads(path.read_text())


@pytest.mark.usefixtures("curves")
@pytest.mark.parametrize("method", TINY)
def test_every_method_runs_from_the_command_line_to_its_record(tmp_path: Path, method: str):
    done = lgbench_here(*short_run(method, tmp_path))
    assert done.exit_code == 0, done.stderr
    assert "record:" in done.stdout
    record = record_of(tmp_path)
    assert record["status"] == "done"
    if method in ("dcgan", "simplegan"):
        assert record["values"]["iou"] == {"not_available": "the method paints no masks"}
    else:
        assert 0 <= record["values"]["iou"]["value"] <= 1
    assert list(tmp_path.glob("*/train/grids/*.png"))
    assert list(tmp_path.glob("*/train/curves.png"))


@pytest.mark.parametrize(("before", "after"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_threads_sleep_while_they_wait_unless_they_were_told_otherwise(before: dict, after: str):
    code = (
        "import atexit, os, sys; from lgbench.cli import main;"
        "atexit.register(lambda: print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)); main()"
    )
    unsaid = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", code], env=unsaid | before, capture_output=True, text=True)
    assert done.stdout.endswith(f"{after} False\n"), done.stderr


UNTAUGHT = {
    "learnt_from": {},
    "selected": None,
    "border": None,
    "flipped": None,
}


def test_a_conditional_generator_segments_by_itself(tmp_path: Path):
    done = lgbench_here(*short_run("lrgan", tmp_path, "--set", "generator.conditional=true", segmenter="generator"))
    assert done.exit_code == 0, done.stderr
    record = record_of(tmp_path)
    assert record["segmentation"] == {"name": "generator", "steps": 0, "parameters": {}, "wall_s": 0.0, **UNTAUGHT}
    assert "value" in record["values"]["iou"]


def test_an_unconditional_generator_is_told_how_to_become_conditional(tmp_path: Path):
    done = lgbench(*short_run("lrgan", tmp_path, segmenter="generator"))
    assert done.returncode == 1
    assert "generator.conditional=true" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_shows_recipe_networks_and_cost_and_leaves_nothing(tmp_path: Path):
    done = lgbench_here(*short_run("dscomgan", tmp_path, "--dry-run"))
    assert done.exit_code == 0, done.stderr
    assert '"two-alignment"' in done.stdout
    assert "code-critic-f" in done.stdout
    assert "In all about" in done.stdout
    said = " ".join(done.stdout.split())
    assert re.search(r"train: painting \d\.\d{3} s, critic \d\.\d{3} s, generator \d\.\d{3} s\. It takes", said)
    assert re.search(r"It takes about \d+ MB of memory: weights [\d.]+ MB, gradients and Adam's averages", said)
    assert re.search(
        r"\d GFLOP a step, [\d,]+ GFLOP/s: \d+% of the [\d,]+ GFLOP/s that this device reaches in fp32", said
    )
    assert re.search(r"The slowest parts: \d+% \w+ \[", said)
    assert not list(tmp_path.iterdir())


def dry(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    """A dry run of two steps per stage, in this process."""
    monkeypatch.setattr(cost, "MEASURED", 1)
    monkeypatch.setenv("COLUMNS", "400")
    settings = dict(parse_setting(text) for text in (*SHORT, *TINY[method], *more))
    home = DataHome(tmp_path)
    dry_run.show(look_up(Request(method, "flora", "smoke", settings=settings), home), home, "cpu")


def test_a_dry_run_of_a_growing_generator_is_timed_full_grown(tmp_path: Path, monkeypatch, capsys):
    sides = []
    play = cost.Player.play

    def played(player, *arguments, **options):
        play(player, *arguments, **options)
        sides.append(player.game.painter(player.game.painter.codes(2)).image.shape[-1])

    monkeypatch.setattr(cost.Player, "play", played)
    dry("perturbgan-full", tmp_path, monkeypatch)
    assert sides == [32] * 6  # two stages: the first step, one that is timed, one whose parts are
    assert "the estimate is an upper bound" in capsys.readouterr().out


def test_the_cost_of_a_step_counts_every_product_and_all_of_its_time(tmp_path: Path):
    settings = dict(parse_setting(text) for text in (*SHORT, *TINY["comgan"]))
    recipe = look_up(Request("comgan", "flora", "smoke", settings=settings), DataHome(tmp_path))
    runtime, spec = Runtime(torch.device("cpu"), channels_last=False), ImageSpec(32)
    alone = cost.cost_of(build_game(recipe, spec), Schedule(1, 4), spec, runtime)
    assert alone.seconds == pytest.approx(sum(alone.phases.values()))
    assert list(alone.phases) == ["painting", "critic", "generator"]
    assert 0 < sum(share for _, share in alone.slowest) <= 1
    double = cost.cost_of(build_game(recipe, spec), Schedule(1, 8), spec, runtime)
    assert double.flops == pytest.approx(2 * alone.flops, rel=0.1)
    critic = build_game(recipe, spec).networks["critic"]
    with FlopCounterMode(display=False) as once:
        critic(torch.zeros(4, 3, 32, 32))
    assert alone.flops > 6 * once.get_total_flops()  # real and painted, forward and backward, then for the generator


def test_no_garbage_is_collected_while_the_parts_of_a_step_are_timed(tmp_path: Path, monkeypatch):
    collects, play = [], cost.Player.play

    def played(player, *arguments, **options):
        collects.append(gc.isenabled())
        play(player, *arguments, **options)

    monkeypatch.setattr(cost.Player, "play", played)
    dry("dcgan", tmp_path, monkeypatch)
    assert collects[:3] == [True, True, False]
    assert gc.isenabled()


def test_a_term_that_is_played_now_and_then_costs_as_often(tmp_path: Path):
    """R1 in every fourth of the critic's moves takes a quarter of what it takes in each, and the memory of one."""
    runtime, spec = Runtime(torch.device("cpu"), channels_last=False), ImageSpec(32)
    found = []
    for said in ([], ["r1:every=4"], ["r1:every=1"]):
        settings = dict(parse_setting(text) for text in (*SHORT, *TINY["dcgan"])) | parse_with(*said)
        recipe = look_up(Request("dcgan", "flora", "smoke", settings=settings), DataHome(tmp_path))
        found.append(cost.cost_of(build_game(recipe, spec), Schedule(1, 4), spec, runtime))
    never, lazily, always = found
    assert always.flops > 1.2 * never.flops
    assert lazily.flops - never.flops == pytest.approx((always.flops - never.flops) / 4, abs=2)
    assert lazily.memory == always.memory
    assert lazily.memory.kept > never.memory.kept


@pytest.mark.parametrize(
    ("phases", "kinds", "cycle"),
    [
        ([(1, 1), (1, 1)], {0: 1}, 1),
        ([(1, 1), (5, 1)], {0: 0.8, 4: 0.2}, 5),
        ([(1, 4), (1, 1)], {0: 0.25, 1: 0.75}, 4),
        ([(1, 4), (2, 1)], {0: 0.25, 1: 0.5, 2: 0.25}, 4),
        ([(2, 3)], {0: 0.5, 1: 1 / 6, 3: 1 / 3}, 6),
    ],
)
def test_steps_are_of_as_many_kinds_as_differ_in_what_is_played(phases: list, kinds: dict, cycle: int):
    made = [Phase(str(every), [], lambda _: {}, every=every, cycle=cycle) for every, cycle in phases]
    assert cost._kinds(made) == (pytest.approx(kinds), cycle)


@pytest.mark.parametrize(
    ("limit", "advice", "tried"),
    [
        (1e9, "", []),
        (0.03, "--preset cpu takes about", ["cpu"]),
        (0.01, "--preset smoke takes about", ["cpu", "smoke"]),
        (0.0, "it wants a GPU", ["cpu", "smoke"]),
    ],
)
def test_a_dry_run_of_a_preset_that_is_too_long_says_which_fits(
    tmp_path: Path, monkeypatch, capsys, limit: float, advice: str, tried: list[str]
):
    home, settings = DataHome(tmp_path), dict(parse_setting(text) for text in (*SHORT, *TINY["lrgan"]))
    taken = {"small": 1.0, "cpu": 0.02, "smoke": 0.005}
    asked = []

    def estimate(recipe, home, runtime):
        asked.append(recipe.preset)
        return dry_run.Estimate((), {}, taken[recipe.preset], False)

    monkeypatch.setattr(dry_run, "LONG", limit)
    monkeypatch.setattr(dry_run, "_estimate", estimate)
    dry_run.show(look_up(Request("lrgan", "flora", "small", settings=settings), home), home, "cpu")
    assert advice in (said := capsys.readouterr().out)
    assert ("Too long for this machine?" in said) == bool(advice)
    assert asked == ["small", *tried]


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("precision", "native", "told"), [("bf16", False, True), ("bf16", True, False), ("fp32", False, False)]
)
def test_a_precision_that_the_processor_has_no_instructions_for_is_told_at_once(
    tmp_path: Path, monkeypatch, capsys, precision: str, native: bool, told: bool
):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    asked = [f"training.precision={precision}", *SHORT, *TINY["lrgan"]]
    monkeypatch.setattr(dry_run, "_estimate", lambda *_: dry_run.Estimate((), {}, 1.0, False))
    dry("lrgan", tmp_path, monkeypatch, *asked)
    assert ("--set training.precision=fp32" in capsys.readouterr().out) == told
    recipe = look_up(Request("lrgan", "flora", "smoke", settings=dict(map(parse_setting, asked))), DataHome(tmp_path))
    monkeypatch.setattr("lgbench.run.learn", stopped)  # told before anything is learnt
    with pytest.raises(KeyboardInterrupt):
        carry_out(recipe, DataHome(tmp_path), "cpu", tmp_path / "runs")
    assert ("--set training.precision=fp32" in capsys.readouterr().err) == told


@pytest.mark.parametrize(("rounds", "round_steps", "steps"), [(1, 7, 30), (3, 0, 50), (2, 7, 37)])
def test_a_dry_run_counts_the_segmenters_of_all_rounds(
    tmp_path: Path, monkeypatch, capsys, rounds: int, round_steps: int, steps: int
):
    taught = ["segmentation.steps=30", f"segmentation.round_steps={round_steps}"]
    dry("milgan", tmp_path, monkeypatch, f"training.rounds={rounds}", *taught)
    said = capsys.readouterr().out
    assert re.search(rf"segment [^\n]* {steps} ", said)
    assert "upper bound" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--method", "lrgam", "--dataset", "flora"], "Did you mean 'lrgan'"),
        (["run", "--method", "lrgan", "--dataset", "flowerz"], "Did you mean 'flowers'"),
        (["run", "--method", "lrgan", "--dataset", "flora", "--device", "cuda:9"], "--device cpu"),
        (["info", "dscomgn"], "Did you mean 'dscomgan'"),
        (["info", "my-photographs"], "lgbench data list"),
        (["rnu"], "Did you mean 'run'"),
        (["info", "folder:nowhere"], "no such folder"),
        (["compare", ".", "."], "holds no record"),
    ],
)
def test_a_slip_is_answered_with_what_to_do_and_without_a_traceback(arguments, message, tmp_path):
    done = lgbench(*arguments, cwd=tmp_path)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_flowers_without_network_says_in_one_screen_what_to_fetch_and_what_runs(tmp_path: Path):
    blocked = {**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = lgbench("run", "--method", "dscomgan", "--dataset", "flowers", "--runs", str(tmp_path), env=blocked)
    assert done.returncode == 1
    for part in ("102flowers.tgz", "imagelabels.mat", "setid.mat", "sha256:", "--dataset flora", "lgbench data add"):
        assert part in done.stderr
    assert len(done.stderr.splitlines()) <= 30


def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(tmp_path: Path):
    arguments = short_run("lrgan", tmp_path, "--set", "training.steps=100000")
    command = [sys.executable, "-c", "from lgbench.cli import main; main()", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("*/train/grids/*.png")) and process.poll() is None:  # it trains
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "run the same command again to resume" in said
    assert list(tmp_path.glob("*/train/checkpoint.pt"))
    assert not list(tmp_path.glob("*/record.json"))


def test_a_stale_board_fails_the_process(tmp_path: Path):
    for folder in ("benchmarks", "leaderboards"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    assert lgbench("leaderboard", "check", cwd=tmp_path).returncode == 0
    (tmp_path / "leaderboards" / "README.md").write_text("edited by hand")
    stale = lgbench("leaderboard", "check", cwd=tmp_path)
    assert stale.returncode == 1
    assert "leaderboard build" in stale.stdout + stale.stderr


def test_doctor_and_completion_answer():
    report = lgbench("doctor")
    assert report.returncode == 0, report.stderr
    assert "plugin lrgan" in report.stdout
    script = lgbench("completion", "bash")
    assert "_LGBENCH_COMPLETE" in script.stdout
    words = {
        **os.environ,
        "_LGBENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": "lgbench run --method ds",
        "COMP_CWORD": "3",
    }
    assert "dscomgan" in lgbench(env=words).stdout


def test_info_tells_choices_bounds_and_what_can_be_varied_with_the_citation_indented():
    said = lgbench("info", "lrgan").stdout
    assert "transform = 'affine'  (affine | none)" in said
    assert "min_scale = 1.2  (above 0)" in said
    assert "  sample --vary: z, image" in said
    bibtex = said[said.index("citation:") :].splitlines()[1:6]
    assert all(line.startswith("    ") for line in bibtex)
    assert bibtex[-1] == "    }"
    assert "sample --vary: z, f, b" in lgbench("info", "dscomgan").stdout


def test_doctor_lists_methods_own_segmenters():
    said = lgbench("doctor").stdout
    for name in ("two-alignment", "encoder", "unet-s"):
        assert f"segmenter {name}" in said


@pytest.mark.parametrize(
    "asked",
    [
        ["--method", "starry"],
        ["--method", "lrgan", "--with", "starry"],
        ["--method", "lrgan", "--set", "segmentation.name=starry"],
        ["--method", "lrgan", "--set", "evaluation.metrics=starry", "--dry-run"],
        ["--method", "lrgan", "--dataset", "starry"],
    ],
    ids=lambda asked: asked[-1] if asked[-1] != "--dry-run" else asked[-2],
)
def test_a_name_that_a_plugin_set_aside_may_offer_is_answered_with_that_plugin(tmp_path: Path, asked: list[str]):
    (tmp_path / "starry.py").write_text("raise ImportError('needs telescopes')")
    told = tmp_path / "starry-1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: starry\nVersion: 1\n")
    (told / "entry_points.txt").write_text("[lgbench]\nsky = starry\n")
    done = lgbench("run", "--dataset", "flora", *asked, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert "starry" in done.stderr
    assert "may offer it were set aside (starry:sky): `lgbench doctor` says why" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("dataset", ["flora", "digits-one"])
def test_the_readmes_smoke_run_decomposes(tmp_path: Path, dataset: str):
    command = [sys.executable, "-c", "from lgbench.cli import main; main()", "run", "--method", "lrgan"]
    subprocess.run([*command, "--dataset", dataset, "--preset", "smoke", "--runs", str(tmp_path)], check=True)
    record = record_of(tmp_path)
    assert record["values"]["iou"]["value"] >= 0.75
    assert record["training"]["flags"] == []


def test_info_tells_what_each_setting_means_and_that_of_every_methods_stages():
    assert "decay per step of the averaged generator" in lgbench("info", "training").stdout
    assert "probability from which a pixel is foreground" in lgbench("info", "evaluation").stdout
    flora = lgbench("info", "flora").stdout
    assert "another seed is another world of the same kind." in flora
    assert "compile = False  (True | False | auto)" in lgbench("info", "training").stdout


def test_info_tells_of_a_folder_and_of_an_archive_that_was_added(tmp_path: Path):
    pictures = tmp_path / "mine"
    pictures.mkdir()
    for i in range(4):
        Image.new("RGB", (8, 8), (40 * i, 0, 0)).save(pictures / f"{i}.png")
    assert "how pictures and masks become square" in lgbench("info", f"folder:{pictures}").stdout
    packed = shutil.make_archive(str(tmp_path / "mine"), "zip", pictures)
    home = {**os.environ, "LGBENCH_HOME": str(tmp_path / "home")}
    assert lgbench("data", "add", "mine", packed, env=home).returncode == 0
    assert "archive mine.zip" in lgbench("info", "mine", env=home).stdout


def settable() -> list[type]:
    """Every configuration that `lgbench info` tells."""
    known = registry()
    groups = (known.generators, known.methods, known.regularizers, known.segmenters, known.datasets)
    offers = [offer for group in groups for offer in group.values()]
    offers += [segmenter for method in known.methods.values() for segmenter in method.segmenters]
    return sorted(
        {TrainingConfig, SegmentationConfig, EvaluationConfig, MaskConfig, *(offer.config_class for offer in offers)},
        key=lambda config: (config.__module__, config.__name__),
    )


@pytest.mark.parametrize("config", settable(), ids=lambda config: f"{config.__module__}.{config.__name__}")
def test_every_setting_says_what_it_means_and_no_docstring_tells_of_another(config: type):
    told = meanings(config)
    assert set(told) == names_of(config)
    assert all(text and "\n" not in text for text in told.values())
