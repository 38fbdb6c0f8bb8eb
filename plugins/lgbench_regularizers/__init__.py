"""Loss terms that any method can switch on with `--with`."""

from dataclasses import dataclass
from typing import Literal

from lgbench import Regularizer, hookimpl

LGBENCH_API = 1


@dataclass(frozen=True, slots=True)
class BinarizationConfig:
    """form: "entropy" in bits (ComGAN), or "min", mean min(alpha, 1 - alpha) (PerturbGAN, milgan, ELGAN)."""

    form: Literal["entropy", "min"] = "entropy"


@dataclass(frozen=True, slots=True)
class MIRecoveryConfig:
    """width: base width of each code critic. codes: which codes to recover, comma-separated; empty for all."""

    width: int = 64
    codes: str = ""


def _binarization(config, painter, world):
    from .terms import binarization

    return binarization(config.form)


def _mi_recovery(config, painter, world):
    from .terms import mi_recovery

    return mi_recovery(config.width, tuple(filter(None, config.codes.split(","))), painter, world)


@hookimpl
def regularizers() -> list[Regularizer]:
    return [
        Regularizer(
            name="binarization",
            summary="pushes masks towards 0 and 1",
            paper="Ding et al., NeurIPS 2022 (entropy); Bielski and Favaro, NeurIPS 2019 (min)",
            config=BinarizationConfig,
            build=_binarization,
        ),
        Regularizer(
            name="mi-recovery",
            summary="each code must be readable from its own layer (a bound on their mutual information)",
            paper="Ding et al., NeurIPS 2022, Eq. 8",
            config=MIRecoveryConfig,
            build=_mi_recovery,
            needs=frozenset({"layers", "codes"}),
        ),
    ]
