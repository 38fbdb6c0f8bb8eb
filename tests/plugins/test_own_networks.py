"""What the built-in methods' own networks are scored with: every critic shows its scores and what it sees."""

import pytest
import torch
from lrgan_worlds import METHOD, SPEC, images, small
from milgan_worlds import SHORT, TINY
from toy import SQUARES

from lgbench.data import DataHome
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Request, resolve
from lgbench.record import Measured, read_record
from lgbench.run import Place, chosen_metrics, run
from lgbench_lrgan.config import DCGANConfig, DCGANMethod
from lgbench_lrgan.game import game
from lgbench_lrgan.model import DCGAN

METRICS = "leakage,leakage-code,mi-bound,equivariance-error,pose-ends,1nn"
COMGAN = {"generator.g": 4, "method.d": 4}
SETTINGS = {
    **TINY,
    "lrgan": {"generator.ngf": 4, "generator.floor": 4, "generator.bg_floor": 4, "method.ndf": 4},
    "dcgan": {"generator.ngf": 4, "generator.floor": 4, "method.ndf": 4},
    "comgan": COMGAN,
    "dscomgan": {**COMGAN, "generator.n_codes": 5, "regularizers.mi-recovery.width": 4},
}
HAVE = {
    "milgan": {"leakage", "leakage-code", "mi-bound", "1nn"},
    "elgan": {"leakage", "leakage-code", "mi-bound", "equivariance-error", "1nn"},
    "perturbgan": {"leakage", "1nn"},
    "perturbgan-full": {"leakage", "1nn"},
    "lrgan": {"leakage", "pose-ends", "1nn"},
    "dcgan": {"1nn"},
    "comgan": {"leakage", "1nn"},
    "dscomgan": {"leakage", "leakage-code", "mi-bound", "1nn"},
}


@pytest.mark.parametrize("method", HAVE)
def test_every_method_has_the_numbers_that_its_networks_can_give(tmp_path, method: str):
    known = registry()
    chosen = known.methods[method]
    settings = {**SHORT, **SETTINGS[method], "training.steps": 8, "evaluation.metrics": METRICS}
    request = Request(method, "squares", "smoke", settings=settings | {"segmentation.name": "none"})
    generator = known.get("generators", chosen.generator)
    recipe = resolve(chosen, generator, SQUARES, known.regularizers, known.segmenters, request)
    place = Place(tmp_path / "runs", DataHome(tmp_path / "home"), torch.device("cpu"))
    paths = [run(recipe, place, chosen_metrics(METRICS, known.metrics), known.plugins, Quiet())]
    values = read_record(paths[0]).values
    assert {name for name, value in values.items() if isinstance(value, Measured)} == HAVE[method]
    # scored once more from the stored weights alone, every number is the same: all that is read is kept
    for kept in paths[0].parent.glob("*.npz"):
        kept.unlink()
    paths[0].unlink()
    again = read_record(run(recipe, place, chosen_metrics(METRICS, known.metrics), known.plugins, Quiet())).values
    assert again == values


@pytest.mark.parametrize("kind", ["lrgan", "dcgan"])
def test_the_critics_last_features_are_its_last_block_after_the_activation(kind: str):
    lrgan = kind == "lrgan"
    painter, config = (small(), METHOD) if lrgan else (DCGAN(DCGANConfig(ngf=4, floor=4), SPEC), DCGANMethod(ndf=4))
    made = game(config, painter, SPEC)
    critic, x = made.networks["critic"].eval(), images()
    assert made.features is not None
    seen = made.features(x)
    assert [h.shape[1:] for h in seen] == [(4, 16, 16), (8, 8, 8), (16, 4, 4)]
    assert torch.equal(critic.head(seen[-1]).flatten(), critic(x))
    assert (seen[-1] < 0).any()  # leaky: not a rectifier's
    assert "critic" in made.stored
