"""Masks of a supervised network where a data set has no others: torchvision's Mask R-CNN, taught on COCO.

Papers score on Stanford Cars, Stanford Dogs and LSUN Car by such masks. A score against them measures agreement with
that network, so they are marked wherever they are read (`RawDataset.pseudo`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lgbench.errors import BadData, BadRecipe, did_you_mean
from lgbench.files import read_json, sha256_of_file, write_bytes, write_json

from .download import Progress
from .samples import Sample

__all__ = ["MODELS", "Detector", "PseudoMaker", "draw_masks", "load_detector", "pseudo_masks_in"]

MANIFEST = "pseudo.json"
SCORE = 0.5  # from which an instance counts
PIXEL = 0.5  # from which a pixel is the instance's
FEWEST = 8  # digits of a hash by which a file is known

MODELS: Mapping[str, str] = {"maskrcnn_resnet50_fpn": "bf2d0c1e", "maskrcnn_resnet50_fpn_v2": "73cbd019"}
"""torchvision's networks -> how the SHA-256 of its COCO weights begins, as the names of its files say."""

Detector = Callable[[np.ndarray], "np.ndarray | None"]
"""A picture (H, W, 3) uint8 -> the mask of the largest instance (H, W) bool; None where there is none."""


@dataclass(frozen=True, slots=True)
class PseudoMaker:
    """What makes pseudo masks: all that they depend on besides the pictures.

    Attributes:
        model: one of `MODELS`.
        weights: SHA-256 of its weights' file.
        thing: COCO's word for what is masked, "car".
    """

    model: str
    weights: str
    thing: str

    def __str__(self) -> str:
        return f"{self.thing} by {self.model}, weights {self.weights[:12]}"


def load_detector(
    model: str, weights: Path, thing: str, sha256: str = "", device: Any = "cpu"
) -> tuple[Detector, PseudoMaker]:
    """Mask R-CNN with weights from a file.

    Args:
        sha256: of the file, or its beginning of 8 digits or more; "" for torchvision's own.

    Raises:
        BadData: the file has another hash, or is not this network's.
        BadRecipe: there is no such model, COCO has no such thing, or a shorter beginning is stated.
    """
    from torchvision.models.detection import mask_rcnn

    if model not in MODELS:
        raise BadRecipe(f"There is no model {model!r}: {' or '.join(MODELS)}.")
    things = mask_rcnn.MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    if thing not in things or thing in ("__background__", "N/A"):
        raise BadRecipe(f"COCO has no {thing!r} to mask. {did_you_mean(thing, things, 'Say car, dog, person, ...')}")
    found, stated = sha256_of_file(weights), (sha256 or MODELS[model]).lower()
    if len(stated) < FEWEST:
        raise BadRecipe(f"--sha256 {stated} has {len(stated)} digits: at least {FEWEST} of the SHA-256 are needed.")
    if not found.startswith(stated):
        raise BadData(
            f"{weights} has the SHA-256 {found}, not {stated}{'' if len(stated) == 64 else '...'}. Take torchvision's "
            f"{model} weights (download.pytorch.org/models/{model}_coco-{MODELS[model]}.pth), or state the hash of "
            "yours with --sha256."
        )
    network = _loaded(getattr(mask_rcnn, model)(weights=None, weights_backbone=None), weights).to(device)
    return largest_instance(network, things.index(thing)), PseudoMaker(model, found, thing)


def _loaded(network: Any, weights: Path) -> Any:
    import torch

    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # zip, pickle, tensors and modules fail in many ways; all mean the same to a user
        raise BadData(f"{weights} does not hold this network's weights ({type(error).__name__}).") from error
    return network.eval().requires_grad_(False)


def largest_instance(network: Any, category: int) -> Detector:
    """Of the instances of one category with a score of `SCORE` or more, the one of the largest mask.

    Args:
        network: images [(3, H, W) in [0, 1]] -> [{"labels" (n,), "scores" (n,), "masks" (n, 1, H, W) in [0, 1]}], as
            torchvision's detectors.
        category: COCO's number.
    """
    import torch

    def detect(image: np.ndarray) -> np.ndarray | None:
        place = next(iter(network.parameters())).device
        with torch.inference_mode():
            found = network([torch.from_numpy(image.transpose(2, 0, 1).copy()).to(place) / 255])[0]
        chosen = (found["labels"] == category) & (found["scores"] >= SCORE)
        masks = (found["masks"][chosen, 0] >= PIXEL).cpu().numpy()
        sizes = masks.sum(axis=(1, 2))
        return masks[sizes.argmax()] if sizes.any() else None

    return detect


def draw_masks(
    samples: Iterable[Sample], detect: Detector, maker: PseudoMaker, folder: Path, progress: Progress | None = None
) -> tuple[int, int]:
    """Write the mask of each picture as NAME.png below `folder`, 255 where the thing is; pictures without one get none.

    What is there already is kept, so that the same command goes on where it was cut short.

    Returns:
        How many pictures there are, and how many have a mask.

    Raises:
        BadRecipe: the folder has masks of another maker.
        RunFailed: the disk is full.
    """
    from PIL import Image

    path, made = folder / MANIFEST, {"maker": asdict(maker), "score": SCORE, "pixel": PIXEL}
    if folder.is_dir() and any(folder.iterdir()):
        before = _manifest(folder)
        if before is None or {key: before.get(key) for key in made} != made:
            raise BadRecipe(f"{folder} has masks that something else made. Choose another folder with --into.")
    write_json(path, {**made, "whole": False})
    pictures = masked = 0
    for sample in samples:
        target = folder / PurePosixPath(sample.name).with_suffix(".png")
        if not target.is_file():
            image = sample.image if sample.image.ndim == 3 else np.repeat(sample.image[..., None], 3, axis=2)
            mask = detect(image)
            if mask is not None:
                file = io.BytesIO()
                Image.fromarray(mask).convert("L").save(file, "PNG")
                write_bytes(target, file.getbuffer())
        pictures, masked = pictures + 1, masked + target.is_file()
        if progress:
            progress("pseudo masks", pictures, 0)
    write_json(path, {**made, "whole": True, "pictures": pictures, "masked": masked})
    return pictures, masked


def pseudo_masks_in(folder: Path) -> str:
    """What made the masks of a folder, in words; "" where it does not say that a network did.

    Raises:
        BadData: it was cut short.
    """
    found = _manifest(folder)
    if found is None:
        return ""
    if not found.get("whole"):
        raise BadData(f"The masks in {folder} are not all made; run `lgbench data pseudo-masks` again, which goes on.")
    return str(PseudoMaker(**found["maker"]))


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        return read_json(folder / MANIFEST)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadData(f"{folder / MANIFEST} cannot be read ({error}); delete the folder and make it again.") from error
