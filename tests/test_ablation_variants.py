"""Variants: which records are theirs, which definitions are refused, and what a sweep runs for them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from ablation_records import ABLATION, as_record, change, make_ablation, page, runs
from board_records import commit, seeds
from click.testing import CliRunner

from lgbench.benchmark import BadBenchmark, read_benchmark
from lgbench.cli import sweep as commands
from lgbench.cli.leaderboard import leaderboard
from lgbench.data import DataHome
from lgbench.leaderboard import build, check, committed, read_boards
from lgbench.leaderboard.standing import stand
from lgbench.lookup import look_up
from lgbench.plugins import registry
from lgbench.recipe import Request
from lgbench.record import write_record
from lgbench.variant import Variant

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_ablation(tmp_path)


@pytest.mark.parametrize(
    ("said", "recipe", "fits"),
    [
        ({"set": {"method.gamma": 1}}, {"method": {"gamma": 1.0}}, True),
        ({"set": {"method.gamma": 1}}, {"method": {"gamma": 2.0}}, False),
        ({"set": {"method.gamma": 1}}, {"method": {}}, False),
        ({"set": {"method.kind": "1"}}, {"method": {"kind": "1"}}, True),
        ({"set": {"generator.use": False}}, {"generator": {"use": True}}, False),
        ({"set": {"regularizers.size.form": "min"}}, {"regularizers": {"size": {"form": "min"}}}, True),
        ({"set": {"regularizers.size.weight": 0}}, {"regularizers": {}}, True),
        ({"set": {"regularizers.size.weight": 0}}, {"regularizers": {"size": {"weight": 1.0}}}, False),
        ({"set": {"generator.lstm": "False"}}, {"generator": {"name": "lrgan", "lstm": False}}, True),
        ({"set": {"generator.lstm": "no"}}, {"generator": {"name": "lrgan", "lstm": True}}, False),
        ({"set": {"training.ema": "0e0"}}, {"training": {"ema": 0.0}}, True),
        ({"set": {"segmentation.polarity": "painted"}}, {"segmentation": {}}, True),  # at a later setting's default
        ({"set": {"segmentation.polarity": "border"}}, {"segmentation": {}}, False),
        ({"set": {"segmentation.polarity": "painted"}}, {"segmentation": {"polarity": "border"}}, False),
        ({"set": {"training.steps": 60_000}}, {"training": {}}, False),  # at the default, but older than recipes
        ({"with": ["size"]}, {"regularizers": {"size": {"weight": 1.0}}}, True),
        ({"with": ["size:weight=5"]}, {"regularizers": {"size": {"weight": 5.0}}}, True),
        ({"with": ["size:weight=5"]}, {"regularizers": {"size": {"weight": 4.0}}}, False),
        ({"with": ["size"]}, {"regularizers": {}}, False),
        ({"without": ["size"]}, {"regularizers": {"other": {"weight": 1.0}}}, True),
        ({"without": ["size"]}, {"regularizers": {"size": {"weight": 1.0}}}, False),
    ],
)
def test_a_record_is_a_variants_run_where_its_recipe_has_the_settings(tmp_path: Path, said, recipe, fits):
    variant = Variant.model_validate({"name": "v", "method": "lrgan", **said})
    assert variant.matches(as_record(tmp_path, recipe=recipe)) is fits
    assert not variant.matches(as_record(tmp_path / "other", recipe=recipe, method="dcgan"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('presets = ["smoke", "paper"]', 'presets = ["smoke", "paper"]\nmethods = ["lrgan"]', "the one or the other"),
        ('presets = ["smoke", "paper"]', "", "needs the benchmark's presets"),
        ('name = "strong"', 'name = "weak"', "two variants are named 'weak'"),
        ('"method.gamma" = 1 ', '"method.gamma" = 0.1 ', "both 'weak' and 'strong'"),
        ('set = { "method.gamma" = 1 }', "", "both 'weak' and 'strong'"),
        ('"method.gamma" = 1 ', '"gamma" = 1 ', "'gamma' is not a setting"),
        ('set = { "method.gamma" = 1 }', 'with = ["size:weight"]', "is not a setting"),
        ('set = { "method.gamma" = 1 }', 'with = ["size:weight=2", "size:eta=0"]', "says again what was said of size"),
        ('set = { "method.gamma" = 1 }', '"benchmark.set" = { "method.gamma" = 1 }', "no key 'benchmark.set'"),
        ('worse = "weak"', 'worse = "feeble"', "'feeble', which is no variant"),
        ('worse = "weak"', 'worse = "strong"', "with itself"),
        ('metric = "iou"', 'metric = "dice"', "needs a metric of the board"),
        ('extractor = "inception"', 'extractors = "inception"', "a protocol has no"),
        ('paper = "gamma=1"', 'paper = "gamma=2"', "0 reported rows are called 'gamma=2'"),
    ],
)
def test_a_definition_that_cannot_be_right_is_refused(root: Path, old: str, new: str, told: str):
    change(root, old, new)
    with pytest.raises(BadBenchmark, match=told):
        build(root)


def test_settings_that_all_variants_share_are_said_once_and_give_way_to_each_variants_own(root: Path):
    before, shared = page(root), '[set]\n"method.gamma" = 1\n"training.batch" = 8\n"regularizers.size.weight" = 2\n\n'
    change(root, '"method.gamma" = 1 ', '"method.gamma" = 1, "training.batch" = 8 ')
    spelt = {v.name: v.settings for v in read_benchmark(root / "benchmarks/weights.toml").variants}["strong"]
    change(root, 'set = { "method.gamma" = 1, "training.batch" = 8 }', 'with = ["size"]')
    change(root, '[[variant]]\nname = "weak"', shared + '[[variant]]\nname = "weak"')
    found = {v.name: v.settings for v in read_benchmark(root / "benchmarks/weights.toml").variants}
    assert found["strong"] == spelt | {"regularizers.size.weight": 1.0}
    assert found["weak"] == {"method.gamma": 0.1, "training.batch": 8, "regularizers.size.weight": 2}
    build(root)
    assert page(root) == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[set]\n"gamma" = 1\n', r"benchmark: set: 'gamma' is not a setting: write [^;]*$"),
        ('[set]\n"method.gamma" = 2024-01-01\n', r"benchmark: set\.method\.gamma=datetime[^;]* does not fit"),
        ("set = 3\n", "set=3 does not fit"),
        ('[set]\n"method.gamma" = 1\n', "both 'weak' and 'strong'"),
    ],
)
def test_shared_settings_that_cannot_be_right_are_refused(root: Path, text: str, told: str):
    change(root, 'set = { "method.gamma" = 0.1 }\n', "")
    change(root, "[[reported]]", text + "\n[[reported]]")
    with pytest.raises(BadBenchmark, match=told):
        read_benchmark(root / "benchmarks/weights.toml")


def test_shared_settings_are_of_variants(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text('dataset = "flora"\nmethods = ["lrgan"]\npresets = ["smoke"]\n[set]\n"training.steps" = 3\n')
    with pytest.raises(BadBenchmark, match="for variants, and it has none"):
        read_benchmark(path)


def test_variants_may_differ_by_a_regularizer_that_one_has_and_the_other_has_not(root: Path):
    change(root, 'set = { "method.gamma" = 1 }', 'with = ["size"]')
    change(root, 'set = { "method.gamma" = 0.1 }', 'without = ["size"]')
    assert check(root)  # stale, but understood
    assert "strong" in page(root)


def test_only_runs_of_a_variant_belong_to_an_ablation(root: Path):
    assert commit(root, *runs(0.1, 0.5)) != []
    assert commit(root, *runs(0.3, 0.5)) == []
    assert commit(root, *runs(0.1, 0.5, preset="small")) == []
    assert commit(root, *seeds("dcgan", 0.5)) == []
    foreign = write_record(root / "foreign", runs(0.3, 0.5)[0])
    target = root / "leaderboards/weights/records/foreign.json"
    shutil.copy(foreign, target)
    assert any("its settings are those of none of the board's variants" in fault for fault in check(root))


SWEEP = """
title = "Ladder"
dataset = "flora"
resolution = 32
split = "test"
metrics = [{ name = "iou", better = "up" }]
presets = ["smoke"]
seeds = [0, 1]

[[variant]]
name = "one"
method = "lrgan"
set = { "generator.n_layers" = 2, "training.steps" = 30 }

[[variant]]
name = "two"
method = "lrgan"
preset = "small"
set = { "generator.n_layers" = 3 }
with = ["binarization:weight=0.5"]
"""


def swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str, text: str = SWEEP):
    """The recipes that a sweep would carry out, and what it said."""
    recipes = []
    monkeypatch.setattr(commands, "carry_out", lambda recipe, *rest: recipes.append(recipe))
    path = tmp_path / "ladder.toml"
    path.write_text(text)
    return recipes, CliRunner().invoke(commands.sweep, [str(path), *arguments])


def test_a_sweep_runs_variants_as_run_would_with_their_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    recipes, told = swept(tmp_path, monkeypatch)
    assert told.exception is None
    kinds = [(r.preset, r.seed, r.generator_config.n_layers, [c.weight for c in r.regularizers]) for r in recipes]
    assert kinds == [("smoke", 0, 2, []), ("smoke", 1, 2, []), ("small", 0, 3, [0.5]), ("small", 1, 3, [0.5])]
    assert recipes[0].training.steps == 30
    board = read_benchmark(tmp_path / "ladder.toml")
    for recipe, name in zip(recipes, ("one", "one", "two", "two"), strict=True):
        fixed = {"recipe": recipe.as_dict(), "preset": recipe.preset, "method": recipe.method.name}
        variant = board.variant_of(as_record(tmp_path / recipe.label, seed=recipe.seed, **fixed))
        assert variant is not None
        assert variant.name == name


@pytest.mark.parametrize(
    ("arguments", "count", "said"),
    [
        (["--variant", "two", "--seed", "1"], 1, ""),
        (["--preset", "small"], 2, ""),
        (["--variant", "tow"], 0, "'two'"),
        (["--variant", "one", "--preset", "small"], 0, "no such run"),
        (["--method", "dcgan"], 0, "no such run"),
    ],
)
def test_a_sweep_can_be_narrowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments, count, said):
    recipes, told = swept(tmp_path, monkeypatch, *arguments)
    assert len(recipes) == count
    assert said in str(told.exception)


def test_a_sweep_of_methods_is_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = 'dataset = "flora"\nresolution = 32\nmethods = ["lrgan", "dcgan"]\npresets = ["smoke"]\nseeds = [0, 1]\n'
    recipes, told = swept(tmp_path, monkeypatch, text=text)
    assert told.exception is None
    assert [(r.method.name, r.seed) for r in recipes] == [("lrgan", 0), ("lrgan", 1), ("dcgan", 0), ("dcgan", 1)]
    _, told = swept(tmp_path, monkeypatch, "--variant", "one", text=text)
    assert "use --method" in str(told.exception)
    _, told = swept(tmp_path, monkeypatch, text='dataset = "flora"\n')
    assert "which methods and presets to run" in str(told.exception)


def test_a_record_can_be_added_to_one_board_of_those_that_take_it(root: Path):
    (root / "benchmarks/all.toml").write_text(ABLATION.split("presets =")[0])
    write_record(root / "run", runs(1, 0.6)[0])
    told = CliRunner().invoke(leaderboard, ["add", str(root / "run"), "--board", "weights", "--root", str(root)])
    assert (told.exit_code, len(told.output.splitlines())) == (0, 1)
    assert not (root / "leaderboards/all").exists()


# The committed definitions


ABLATIONS = [board for board in read_boards(REPOSITORY) if board.variants]


@pytest.mark.parametrize(
    ("classes", "joined"), [(["[0, 1]"], [[0, 1]]), (["0", "1"], []), (["[1, 0]", "-1"], [[1, 0]])]
)
def test_only_classes_that_a_variant_lists_are_joined(tmp_path: Path, monkeypatch, classes: list[str], joined: list):
    """Two variants of one class each are two rows, and nobody asked for an aggregate of them."""
    rows = [
        f'[[variant]]\nname = "{i}"\nmethod = "lrgan"\nset = {{ "training.category" = {said} }}\n'
        for i, said in enumerate(classes)
    ]
    (tmp_path / "mine.toml").write_text('dataset = "flora"\npresets = ["smoke"]\nseeds = [0]\n' + "".join(rows))
    found = []
    monkeypatch.setattr(
        commands, "carry_out", lambda recipe, *_: tmp_path / str(recipe.training.category) / "record.json"
    )
    monkeypatch.setattr(commands, "join", lambda folders, device: found.append([int(each.name) for each in folders]))
    result = CliRunner().invoke(commands.sweep, [str(tmp_path / "mine.toml")])
    assert result.exception is None, result.output
    assert found == joined


@pytest.mark.parametrize("board", ABLATIONS, ids=lambda board: board.name)
def test_a_papers_table_is_rerun_whole_on_its_own_data_set(board):
    found = committed(REPOSITORY, board)
    assert board.claims
    if board.name.partition("-")[2].startswith("table"):
        assert board.presets == ["smoke", "small", "paper"]
        assert all(entry.same_as == board.dataset for entry in board.reported)
        left = {row.method for row in found.reported} - {variant.paper for variant in board.variants}
        assert left <= {"Improvement (last row vs baseline)", "Real images"}  # a difference and a ceiling, no rows


@pytest.mark.parametrize("board", ABLATIONS, ids=lambda board: board.name)
def test_the_papers_own_numbers_bear_out_the_claims_made_of_them(board):
    """A claim here is one that the paper's table supports: a slip of ours would otherwise read as a refutation."""
    found = committed(REPOSITORY, board)
    (section, *_) = stand(board, replace(found, records={})).sections
    for outcome in section.outcomes:
        if outcome.paper:
            better, worse = outcome.paper
            if outcome.claim.margin:
                assert abs(better - worse) < outcome.claim.margin, outcome.claim.text
                continue
            assert better > worse if outcome.metric.better == "up" else better < worse, outcome.claim.text


SMALL = [board for board in ABLATIONS if board.name.endswith("-32")]


@pytest.mark.parametrize("board", SMALL, ids=lambda board: board.name)
def test_no_row_of_a_small_world_is_not_run_without_a_reason(board):
    found = committed(REPOSITORY, board)
    for section in stand(board, found).sections:
        for line in section.tables[0].lines:
            if line.variant:
                assert (line.kind == "not run") == bool(line.variant.waits), f"{board.name}: {line.variant.name}"


def test_the_reason_why_a_row_waits_stands_on_the_page_until_it_is_run(root: Path):
    change(root, 'paper = "gamma=0.1"', 'paper = "gamma=0.1"\nwaits = "it takes a week"')
    build(root)
    text = (root / "leaderboards/weights/README.md").read_text()
    assert "| weak | milgan |  | not run[^1] | not run[^1] | 0 |" in text
    assert "[^1]: weak is not run yet: it takes a week." in text
    assert "not run,,1,weak,,milgan" in (root / "leaderboards/weights/board.csv").read_text()
    commit(root, *runs(0.1, 0.5))
    build(root)
    assert "it takes a week" not in (root / "leaderboards/weights/README.md").read_text()


def test_the_small_board_of_priors_has_the_papers_rows():
    small, whole = (next(b for b in ABLATIONS if b.name == name) for name in ("milgan-priors-32", "milgan-table2"))
    assert [variant.paper for variant in small.variants] == [variant.paper for variant in whole.variants]
    for one, other in zip(small.variants, whole.variants, strict=True):
        said = {key: value for key, value in other.settings.items() if key != "training.as_rounds"}
        assert one.settings == said


def paints_layers(board) -> bool:
    """Whether any of its rows has masks to score; conditional generators paint whole images."""
    methods = [*board.methods, *(variant.method for variant in board.variants)]
    known = [registry().methods[name].generator for name in methods if name in registry().methods]
    return not known or any(name is None or registry().generators[name].layered for name in known)


@pytest.mark.parametrize("board", read_boards(REPOSITORY), ids=lambda board: board.name)
def test_boards_with_masks_show_ari_and_msc_beside_iou_and_boards_with_labels_nmi(board):
    known, found = registry().datasets.get(board.dataset), committed(REPOSITORY, board).records.values()
    provides = {part for record in found for part in record.data.provides} | board.dataset_config.keys()
    provides |= known.provides if known else set()  # an archive is known by its records
    assert provides
    shown = {metric.name.partition("@")[0] for metric in board.metrics}
    assert not {"masks"} & provides or not paints_layers(board) or {"iou", "ari", "msc"} <= shown
    assert "labels" not in provides or "nmi" in shown


@pytest.mark.parametrize("board", ABLATIONS, ids=lambda board: board.name)
def test_every_installed_variant_can_be_run_and_its_runs_are_its_own(board, tmp_path: Path):
    """On data that are always there: what the variants set is the methods' business, not the data set's."""
    installed = registry().methods
    variants = [variant for variant in board.variants if variant.method in installed]
    if not variants:
        pytest.skip("no plugin offers these methods")
    for number, variant in enumerate(variants):
        generator = installed[variant.method].generator
        reads = generator is not None and registry().generators[generator].needs
        fixed = variant.method, "faces" if reads else "flora", board.presets_of(variant)[0], 0, board.resolution
        recipes = [
            look_up(Request(*fixed, settings, tuple(variant.without)), DataHome(tmp_path)) for settings in variant.cells
        ]
        settings = [recipe.as_dict() for recipe in recipes]
        classes = variant.settings.get("training.category")
        if isinstance(classes, list):  # its row is of aggregates; what they join is no row's
            training = settings[0]["training"] | {"category": classes}
            settings.append(settings[0] | {"training": training})
        names = [
            [other.name for other in board.variants if other.matches(record)]
            for index, said in enumerate(settings)
            for record in [as_record(tmp_path / f"{number}-{index}", recipe=said, method=variant.method)]
        ]
        assert names == [*([] for _ in names[1:]), [variant.name]]
