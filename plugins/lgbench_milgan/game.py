"""How milgan trains: a hinge critic whose trunk also recovers the private code, and a critic of masks that does."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.game import Game, Phase, Step
from lgbench.layers import Layers
from lgbench.losses import gaussian_code, hinge_fake, hinge_real
from lgbench.nn import SNCodeCritic, SNCritic, add_noise, jitter_colours, sn_code_head

from .config import MilganMethod
from .model import Milgan

__all__ = ["milgan"]


def milgan(config: MilganMethod, painter: Milgan, spec: ImageSpec) -> Game:
    """Generator, then critic with code recovery (Algorithm 1); signs of Eq. 5, 7 and 8 mended."""
    critic = SNCritic(spec.resolution, config.d)
    recovery: dict[str, nn.Module] = {}
    if config.gamma_mi and config.mi_x:
        recovery["recovery-image"] = sn_code_head(config.d, painter.size)
    if config.gamma_mi and config.mi_mask:
        recovery["recovery-mask"] = SNCodeCritic(spec.resolution, painter.size, config.d)

    def view(x: Tensor) -> Tensor:
        return add_noise(jitter_colours(x) if config.colour_aug else x, config.instance_noise)

    def code_loss(predicted: Tensor, c: Tensor) -> Tensor:
        return F.cross_entropy(predicted.float(), c) if painter.categorical else gaussian_code(predicted, c)

    def judge(painted: Layers, layers: Layers) -> tuple[Tensor, dict[str, Tensor]]:
        """Scores of the composites, and L_mi from them and their masks (Eq. 5)."""
        c, losses = painted.codes["c"], {}
        h = critic.trunk(view(layers.image))
        scores = critic.head(h).flatten()
        if "recovery-image" in recovery:
            e = h if config.mi_on_perturbed else critic.trunk(view(painted.image))
            losses["mi/image"] = config.gamma_mi * code_loss(recovery["recovery-image"](e).flatten(1), c)
        if "recovery-mask" in recovery:
            pi = add_noise(painted.alphas[:, -1], config.mask_noise)
            losses["mi/mask"] = config.gamma_mi * code_loss(recovery["recovery-mask"](pi), c)
        return scores, losses

    def generator_loss(step: Step) -> dict[str, Tensor]:  # Eq. 6
        scores, mi = judge(step.painted, step.layers)
        return {"generator": -scores.mean(), **mi}

    def critic_loss(step: Step) -> dict[str, Tensor]:
        painted, layers = step.paint() if config.fresh else (step.painted, step.layers)
        scores, mi = judge(painted.detach(), layers.detach())
        real = hinge_real(critic(view(step.images)))
        learned = {name.replace("mi/", "recovery/"): loss for name, loss in mi.items() if config.e_step == "d"}
        return {"critic": real + hinge_fake(scores), **learned}

    learners = list(recovery)
    return Game(
        painter=painter,
        networks={"generator": painter, "critic": critic, **recovery},
        phases=[
            Phase(
                "generator",
                ["generator", *(learners if config.e_step == "g" else [])],
                generator_loss,
                lr=config.lr,
                regularized=True,
            ),
            Phase("critic", ["critic", *(learners if config.e_step == "d" else [])], critic_loss, lr=config.lr),
        ],
        cluster=_clusters(critic, recovery) if painter.categorical and "recovery-image" in recovery else None,
        features=critic.features,
        kept=["critic", *(["recovery-image"] if "recovery-image" in recovery else [])],
    )


def _clusters(critic: SNCritic, recovery: dict[str, nn.Module]):
    """E_x on real images: which class of c they show (Sec. 4, NMI)."""
    return lambda images: recovery["recovery-image"](critic.trunk(images)).flatten(1)
