from dataclasses import dataclass, replace

import pytest
from toy import GENERATOR, METHOD, SQUARES

from lgbench.errors import BadRecipe, LgbenchError, UnknownName
from lgbench.lookup import check_conditions
from lgbench.plugins import registry
from lgbench.recipe import LARGEST_SEED, Recipe, Request, parse_setting, parse_with, resolve


def recipe(method="dscomgan", dataset="flora", preset="smoke", without=(), resolution=None, **overrides):
    found = registry()
    chosen = found.get("methods", method)
    return resolve(
        chosen,
        found.generator_of(chosen),
        found.get("datasets", dataset),
        found.regularizers,
        registry().segmenters,
        Request(
            method,
            dataset,
            preset,
            resolution=resolution,
            settings={key.replace("__", "."): value for key, value in overrides.items()},
            without=tuple(without),
        ),
    )


def names(resolved) -> set[str]:
    return {chosen.record.name for chosen in resolved.regularizers}


def test_every_method_resolves_with_every_preset_on_every_data_set():
    for method in registry().methods:
        for dataset in registry().datasets:
            for preset in ("smoke", "small", "paper"):
                assert recipe(method, dataset, preset).hash


@pytest.mark.parametrize("letter", ["n", "é", "花"])
def test_a_run_of_data_with_a_long_name_has_a_folder(tmp_path, letter: str):
    dataset = replace(registry().get("datasets", "flora"), name=f"folder:{letter * 80}")
    (tmp_path / f"{replace(recipe(), dataset=dataset).label}-01234567").mkdir()
    long = replace(dataset, name=f"folder:{letter * 240}")
    (tmp_path / f"{replace(recipe(), dataset=long).label}-01234567").mkdir(exist_ok=True)


def test_a_data_set_without_what_is_read_is_refused_with_those_that_have_it():
    plain = recipe("lrgan", "flora")
    check_conditions(plain, registry().datasets)
    picky = replace(plain, generator=replace(plain.generator, needs=frozenset({"segments", "labels"})))
    known = {"maps": replace(plain.dataset, name="maps", provides=frozenset({"segments", "labels", "masks"}))}
    with pytest.raises(BadRecipe, match=r"lrgan reads labels and segments, and flora has no segments\. .*: maps\."):
        check_conditions(picky, {"flora": plain.dataset, **known})
    with pytest.raises(BadRecipe, match="none installed"):
        check_conditions(picky, {"flora": plain.dataset})
    check_conditions(replace(picky, dataset=known["maps"]), known)


def test_settings_lie_over_each_other_in_order():
    assert recipe("lrgan", "flora", "paper").resolution == 32  # @dataset
    assert recipe("lrgan", "mnist-one", "paper").training.steps == 46_850  # preset@dataset over preset
    assert recipe("lrgan", "mnist-one", "paper", training__steps="7").training.steps == 7  # the user's over all


def test_a_setting_is_read_as_its_type():
    resolved = recipe("lrgan", training__ema="0.5", training__compile="true", generator__rot_clamp=None)
    assert resolved.training.ema == 0.5
    assert resolved.training.compile is True
    assert resolved.generator_config.rot_clamp is None


@pytest.mark.parametrize(
    "spellings",
    [
        [{"training.ema": value} for value in (0, 0.0, "0", "0e0", -0.0, "-0", False)],
        [{"training.flip": value} for value in (True, "true", "True", "1", 1, "yes")],
        [{"training.steps": value} for value in (7, "7", "7.0", 7.0, "007")],
        [{"evaluation.metrics": value} for value in ("iou,ari", "ari, iou", "ari,iou,ari", " ari,iou,")],
        [{"evaluation.metrics": value} for value in ("", "default", " default ")],
        [{"evaluation.split": value} for value in ("train,test", "train, test", " train ,test ")],
    ],
)
def test_values_that_mean_the_same_are_the_same_recipe(spellings):
    assert len({recipe(**settings).hash for settings in spellings}) == 1


@pytest.mark.parametrize(
    "texts",
    [
        ("binarization:weight=10", "binarization:form=min"),  # the second alone would be weight 1
        ("binarization", "perturbation", "binarization"),
        ("binarization:weight=1,weight=2",),
        ("binarization:form=min,form=min",),
    ],
)
def test_a_regularizer_that_is_said_twice_is_refused(texts):
    with pytest.raises(BadRecipe, match="says again what was said of binarization"):
        parse_with(*texts)


def test_with_and_without_compose_regularizers():
    added = parse_with("binarization:weight=5,form=min")
    resolved = recipe("lrgan", **{k.replace(".", "__"): v for k, v in added.items()})
    (chosen,) = resolved.regularizers
    assert (chosen.record.name, chosen.weight, chosen.config.form) == ("binarization", 5.0, "min")
    assert names(recipe("comgan")) == {"binarization"}
    assert names(recipe("comgan", without=["binarization"])) == set()
    assert names(recipe("dscomgan", without=["mi-recovery"])) == {
        "binarization"
    }  # its presets' settings are dropped too


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training__stepz": 1}, r"\[training\] has no setting 'stepz'\. Did you mean 'steps'"),
        ({"trainign__steps": 1}, r"no setting 'trainign\.steps'\. Did you mean 'training'"),
        ({"training__steps": "many"}, r"training\.steps='many' does not fit"),
        ({"training__precision": "fp8"}, r"training\.precision='fp8' does not fit"),
        ({"segmentation__name": "unet-x"}, "no segmenter named 'unet-x'"),
        ({"resolution": 33}, "power of two"),
        ({"training__steps": -3}, r"training\.steps=-3 does not fit"),
        ({"training__ema": 2}, r"training\.ema=2 does not fit"),
        ({"training__log_every": 0}, r"training\.log_every=0 does not fit"),
        ({"evaluation__split": "vall"}, r"evaluation\.split='vall' does not fit"),
        *(
            ({setting: value}, r"does not fit: it must be a finite number|does not fit: Input should be")
            for value in ("nan", "inf", "-inf", float("nan"))
            for setting in (
                "regularizers__binarization__weight",
                "training__crop_ratio",
                "training__checkpoint_seconds",
                "segmenter__drop_at",
                "segmenter__lr",
                "method__lr",
                "generator__min_scale",
                "evaluation__threshold",
            )
        ),
        *(
            ({setting: value}, rf"{setting.replace('__', '.')}='?{value}'? does not fit")
            for setting, value in (
                ("segmenter__lr", "-1"),
                ("segmenter__lr", 0),
                ("segmenter__width", "0"),
                ("segmenter__cut", 1),
                ("segmenter__drop", -1),
                ("segmenter__drop_at", 0),
                ("resolution", 0),
                ("resolution", "-16"),
                ("segmentation__round_steps", -1),
                ("training__category", -2),
                ("training__batch", 1),
            )
        ),
        ({"regularizers__binarization__x__weight": 3}, r"no setting 'regularizers\.binarization\.x\.weight'"),
        ({"training": 5}, "no setting 'training'"),
        ({"training__a__b": 1}, r"no setting 'training\.a\.b'"),
        ({"regularizers__binarisation__form": "min"}, "binarisation is not switched on"),
        ({"regularizers__binarization__form": "min"}, "add --with binarization"),
        ({"segmentation__name": "none", "segmenter__width": 8}, "this run has no segmenter"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_to_do(settings, message):
    with pytest.raises((BadRecipe, UnknownName), match=message):
        recipe("lrgan", **settings)


@pytest.mark.parametrize("seed", [-1, 2**31, 1717171717171717171, True, 0.5, "0", None])
def test_a_seed_beyond_the_range_or_of_another_type_is_refused_at_once(seed):
    found = registry()
    chosen = found.get("methods", "lrgan"), found.get("generators", "lrgan"), found.get("datasets", "flora")
    with pytest.raises(BadRecipe, match="seed=.*whole number from 0 to 2,147,483,647"):
        resolve(*chosen, found.regularizers, registry().segmenters, Request("lrgan", "flora", seed=seed))


def test_the_ends_of_the_range_of_seeds_are_seeds():
    assert [composed(seed=seed).seed for seed in (0, LARGEST_SEED)] == [0, LARGEST_SEED]


def test_two_resolutions_that_differ_are_refused_and_equal_ones_are_one():
    def both(other: str) -> Recipe:
        request = Request("", "", "smoke", resolution=16, settings={"resolution": other})
        return resolve(METHOD, GENERATOR, SQUARES, registry().regularizers, registry().segmenters, request)

    for other in ("64", "0"):
        with pytest.raises(BadRecipe, match=rf"resolution={other} and --resolution 16 differ"):
            both(other)
    assert both("16").resolution == 16
    with pytest.raises(BadRecipe, match="resolution=0 does not fit"):
        composed(resolution=0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"presets": {"smoke": {"trainign.steps": 5}}}, r"sets 'trainign\.steps', which nobody reads: Did you mean"),
        ({"presets": {"smoke": {"training.stepps": 5}}}, r"sets 'training\.stepps', which nobody reads: Did you mean"),
        ({"presets": {"smoke": {"evaluation.sample": 5}}}, r"sets 'evaluation\.sample', which nobody reads: Did you"),
        ({"presets": {"smoke": {"steps": 5}}}, "sets 'steps', which nobody reads: tables are"),
        ({"presets": {"smoke": {"training.a.steps": 5}}}, r"sets 'training\.a\.steps', which nobody reads"),
        (
            {"presets": {"smoke": {"segmenter.widht": 5}}},
            r"'segmenter\.widht', which nobody reads: Did you mean 'width'",
        ),
        ({"presets": {"smoke": {"regularizers.binarization.from": "min"}}}, "nobody reads: Did you mean 'form'"),
        (
            {"presets": {"smoke": {"regularizers.binarisation.form": "min"}}},
            "nobody reads: Did you mean 'regularizers.binarization'",
        ),
        ({"presets": {"@squares": {"x": 5}, "smoke": {}}}, "sets 'x', which nobody reads"),
        (
            {"presets": {"smok@squares": {"training.steps": 5}}},
            "'smok@squares', which nobody reads: no preset is 'smok'. Did you",
        ),
        ({"regularizers": {"binarization": {"form": "min"}}}, "regularizer 'binarization' and gives it no weight"),
        ({"regularizers": {"binarization": {"weight": 1, "frm": "min"}}}, "frm"),
    ],
)
def test_what_a_method_says_and_nobody_reads_is_refused_by_name(changes, told):
    with pytest.raises(LgbenchError, match=told):
        composed(method=replace(METHOD, generator="coded", **changes))


def test_nonsense_is_refused_with_the_reason():
    with pytest.raises(BadRecipe, match="needs a code that a layer shows, and lrgan has none"):
        recipe("lrgan", **{"regularizers__mi-recovery__weight": 1})
    with pytest.raises(BadRecipe, match="needs layers, and dcgan paints whole images"):
        recipe("dcgan", regularizers__binarization__weight=1)
    with pytest.raises(BadRecipe, match="has no binarization to leave out"):
        recipe("lrgan", without=["binarization"])
    with pytest.raises(UnknownName, match="Did you mean 'binarization'"):
        recipe("lrgan", regularizers__binarisation__weight=1)
    with pytest.raises(BadRecipe, match="has no preset 'smok'. Did you mean 'smoke'"):
        recipe("lrgan", preset="smok")


def test_a_setting_needs_an_equals_sign():
    assert parse_setting("a.b=c=d") == ("a.b", "c=d")
    with pytest.raises(BadRecipe, match="TABLE.FIELD=VALUE"):
        parse_setting("training.steps")


def test_another_segmenter_takes_of_the_presets_what_it_knows():
    resolved = recipe("dscomgan", segmentation__name="unet-s")
    assert resolved.segmenter is not None
    assert resolved.segmenter.name == "unet-s"
    assert resolved.segmenter_config.width == 16  # the smoke preset's; its dm_width is not for a plain U-Net


def test_the_hash_names_everything_that_determines_a_run():
    base = recipe("lrgan")
    assert base.hash == recipe("lrgan").hash
    assert base.hash != recipe("lrgan", training__steps=9).hash
    assert base.hash != recipe("lrgan", dataset="digits-one").hash
    assert base.label == "lrgan-flora-smoke-32px-s0"


def test_what_only_scores_or_shows_does_not_name_what_is_learnt():
    base = recipe("lrgan").learning
    for name in ("evaluation.samples", "training.log_every", "training.grid_every", "training.checkpoint_seconds"):
        assert recipe("lrgan", **{name.replace(".", "__"): 7}).learning == base
    for name in ("training.steps", "method.ndf", "generator.nz", "segmentation.steps", "segmenter.width"):
        assert recipe("lrgan", **{name.replace(".", "__"): 7}).learning != base
    assert recipe("lrgan", data__images=9).learning == base  # the pictures themselves are what counts


def test_reading_the_segmenter_of_a_round_before_needs_a_round_before():
    reading = {"regularizers__background__weight": 1}
    with pytest.raises(BadRecipe, match=r"one round only\. Set training\.rounds=2 or more, or leave it out"):
        recipe("lrgan", training__rounds=1, **reading)
    assert names(recipe("lrgan", training__rounds=2, **reading)) == {"background"}
    assert names(recipe("lrgan", training__rounds=1, regularizers__background__weight=0)) == set()
    with pytest.raises(
        BadRecipe, match=r"generator asks the generator that is in training\. Set segmentation\.name=unet-s"
    ):
        recipe("lrgan", training__rounds=2, segmentation__name="generator", **reading)
    with pytest.raises(BadRecipe, match="encoder asks the generator that is in training"):
        recipe("perturbgan", training__rounds=2, segmentation__name="encoder", **reading)


@dataclass(frozen=True)
class Coded:
    width: int = 8
    n_codes: int = 0


CODED = replace(GENERATOR, name="coded", config=Coded, with_codes={"generator.n_codes": 5})
TOY = replace(METHOD, generator="coded", regularizers={"binarization": {"weight": 2.0}})


def composed(*with_, generator=CODED, method=TOY, without=(), seed=0, resolution=None, **settings):
    """What `--with A --with B --without C --set ...` make of the toy method."""
    overrides = {key.replace("__", "."): value for key, value in settings.items()}
    overrides |= parse_with(*with_)
    request = Request("", "", "smoke", seed, resolution, overrides, tuple(without))
    return resolve(method, generator, SQUARES, registry().regularizers, registry().segmenters, request)


def test_any_method_can_be_given_anothers_regularizers_and_be_rid_of_its_own():
    resolved = composed("perturbation", "mi-recovery:weight=5,source=image", without=["binarization"])
    weights = {chosen.record.name: chosen.weight for chosen in resolved.regularizers}
    assert weights == {"perturbation": 1.0, "mi-recovery": 5.0}
    assert resolved.regularizers[0].config.source == "image"
    assert resolved.generator_config.n_codes == 5  # the code that mi-recovery needs


def test_a_generator_has_its_optional_code_only_where_a_regularizer_needs_it():
    assert composed().generator_config.n_codes == 0
    assert composed("perturbation").generator_config.n_codes == 0
    assert composed("mi-recovery:weight=0").generator_config.n_codes == 0
    assert composed("mi-recovery").generator_config.n_codes == 5


def test_how_many_codes_an_optional_code_has_is_the_users_to_say():
    assert composed("mi-recovery", generator__n_codes="7").generator_config.n_codes == 7


def test_without_settings_that_give_it_a_code_a_generator_cannot_show_one():
    with pytest.raises(BadRecipe, match="needs a code that a layer shows, and coded has none"):
        composed("mi-recovery", generator=replace(CODED, with_codes={}))
    shows = replace(CODED, codes={"c": "foreground"}, with_codes={})
    assert composed("mi-recovery", generator=shows).generator_config.n_codes == 0


def test_a_regularizer_that_was_put_on_and_left_out_is_left_out():
    assert names(composed("mi-recovery", without=["mi-recovery"])) == {"binarization"}


def test_every_smoke_preset_names_its_arithmetic_so_that_its_records_do_not_depend_on_the_processor():
    for method in registry().methods.values():
        for key, settings in method.presets.items():
            preset, _, dataset = key.partition("@")
            if not (preset == "smoke" or preset.startswith("smoke-")):
                continue
            if not dataset:
                assert {"training.precision", "training.channels_last"} <= set(settings), f"{method.name}: {key}"
            for name in ("precision", "channels_last", "compile"):
                assert settings.get(f"training.{name}") != "auto", f"{method.name}: {key}"


def test_every_larger_preset_leaves_precision_and_layout_to_the_machine():
    found = registry()
    for method in found.methods.values():
        generator = found.generator_of(method)
        dataset = next(each for each in found.datasets.values() if generator.needs <= each.provides)
        for preset in ("small", "paper"):
            request = Request(method.name, dataset.name, preset)
            made = resolve(method, generator, dataset, found.regularizers, found.segmenters, request)
            assert (made.training.precision, made.training.channels_last) == ("auto", "auto"), (method.name, preset)
