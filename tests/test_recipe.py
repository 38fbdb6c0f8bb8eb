import pytest

from lgbench.errors import BadRecipe, UnknownName
from lgbench.plugins import registry
from lgbench.recipe import parse_setting, parse_with, resolve
from lgbench.segmenters import SEGMENTERS


def recipe(method="dscomgan", dataset="flora", preset="smoke", without=(), resolution=None, **overrides):
    found = registry()
    chosen = found.get("methods", method)
    return resolve(
        chosen,
        found.get("generators", chosen.generator),
        found.get("datasets", dataset),
        found.regularizers,
        SEGMENTERS,
        preset=preset,
        resolution=resolution,
        overrides={key.replace("__", "."): value for key, value in overrides.items()},
        without=without,
    )


def names(resolved) -> set[str]:
    return {chosen.record.name for chosen in resolved.regularizers}


def test_every_method_resolves_with_every_preset_on_every_data_set():
    for method in registry().methods:
        for dataset in registry().datasets:
            for preset in ("smoke", "small", "paper"):
                assert recipe(method, dataset, preset).hash


def test_settings_lie_over_each_other_in_order():
    assert recipe("lrgan", "flora", "paper").resolution == 32  # @dataset
    assert recipe("lrgan", "mnist-one", "paper").training.steps == 46_850  # preset@dataset over preset
    assert recipe("lrgan", "mnist-one", "paper", training__steps="7").training.steps == 7  # the user's over all


def test_a_setting_is_read_as_its_type():
    resolved = recipe("lrgan", training__ema="0.5", training__compile="true", generator__rot_clamp=None)
    assert resolved.training.ema == 0.5
    assert resolved.training.compile is True
    assert resolved.generator_config.rot_clamp is None


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
        ({"training": 5}, "no setting 'training'"),
        ({"training__a__b": 1}, r"no setting 'training\.a\.b'"),
        ({"regularizers__binarisation__form": "min"}, "binarisation is not switched on"),
        ({"regularizers__binarization__form": "min"}, "add --with binarization"),
        ({"segmentation__name": "none", "segmenter__width": 8}, "this run has no segmenter"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_to_do(settings, message):
    with pytest.raises(BadRecipe, match=message):
        recipe("lrgan", **settings)


def test_nonsense_is_refused_with_the_reason():
    with pytest.raises(BadRecipe, match="needs a code that a layer shows, and comgan has none"):
        recipe("comgan", **{"regularizers__mi-recovery__weight": 1})
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
    assert base.hash[:8] in base.run_name
