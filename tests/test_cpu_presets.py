"""`cpu` is `smoke` made wider and longer, for hours of two cores, and nothing else."""

from __future__ import annotations

import pytest

from lgbench.lookup import look_up
from lgbench.plugins import registry
from lgbench.recipe import Recipe, Request
from lgbench.settings import dotted

DATA = {"scgan": "celeba", "acwgan": "celeba", "wgan-gp": "celeba"}
COMGANS = ["comgan", "dscomgan", "pi1", "pi2", "simplegan"]
METHODS = [*COMGANS, "dcgan", "elgan", "lrgan", "milgan", "perturbgan", *DATA]
WIDTHS = {"generator.g", "generator.g_b", "generator.ngf", "method.d", "method.ndf", "segmenter.width"}
WIDTHS |= {"generator.n_codes", "training.batch", "regularizers.segmentor.width"}
WIDTHS |= {"regularizers.mi-recovery.width", "segmentation.batch"}
LENGTHS = {"training.steps", "training.ema", "segmentation.steps", "regularizers.equivariance.ramp"}
MACHINE = {"training.precision", "training.channels_last", "training.grid_every"}


def recipe(method: str, preset: str, dataset: str) -> Recipe:
    return look_up(Request(method, dataset, preset, resolution=64), None)


@pytest.mark.parametrize("method", METHODS)
def test_it_is_wider_and_longer_on_photographs_and_nothing_else(method: str):
    dataset = DATA.get(method, "flowers")
    smoke, cpu = (dict(dotted(recipe(method, preset, dataset).as_dict())) for preset in ("smoke", "cpu"))
    changed = {name for name in smoke.keys() | cpu.keys() if smoke.get(name) != cpu.get(name)}
    assert changed - {"preset"} <= WIDTHS | LENGTHS | MACHINE
    assert all(cpu[name] > smoke[name] for name in changed & (WIDTHS | LENGTHS))
    assert (cpu["training.precision"], cpu["training.channels_last"]) == ("auto", "auto")


@pytest.mark.parametrize("method", METHODS)
def test_what_small_knows_of_a_world_it_knows_too(method: str):
    known = registry().methods[method].presets
    for key in (key for key in known if key.startswith("small@")):
        assert key.replace("small", "cpu") in known


@pytest.mark.parametrize("method", [*COMGANS, "milgan"])
def test_photographs_are_segmented_alike_at_every_size_that_is_no_papers(method: str):
    """What `val` chose at `smoke` is taught by `small`, too: DS-ComGAN's layers are symmetric at any size."""
    smoke, small = (recipe(method, preset, "flowers").as_dict() for preset in ("smoke", "small"))
    assert small["segmentation"] == smoke["segmentation"]
    assert small["segmenter"] == smoke["segmenter"]
    ruled = method not in ("milgan", "simplegan")  # the one breaks the symmetry, the other has no layers
    assert smoke["segmentation"].get("polarity", "painted") == ("border" if ruled else "painted")
