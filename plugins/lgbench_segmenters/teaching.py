"""How unet-s is taught, as settings for methods' presets: what was sought once serves every generator."""

__all__ = ["AS_PAINTED", "ON_PHOTOGRAPHS"]

ON_PHOTOGRAPHS = {  # longer, or without blur, it learns what only painted pictures have (milgan's README)
    "segmentation.steps": 200,
    "segmentation.batch": 32,
    "segmentation.ema": 0.98,
    "segmenter.width": 32,
    "segmenter.colours": True,
    "segmenter.blur": 3.0,
    "segmenter.noise": 0.3,
}
"""Sought on the `val` split of Flowers-102, for milgan and DS-ComGAN."""

AS_PAINTED = {"segmentation.ema": 0.0, "segmenter.colours": False, "segmenter.blur": 0.0, "segmenter.noise": 0.0}
"""For worlds, whose pictures are like those that are painted."""
