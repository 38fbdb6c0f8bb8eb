"""What fixed networks see in images: extractors, moments of what they see, distances between moments."""

from .distances import frechet_distance
from .extractors import EXTRACTORS, Extractor, ExtractorKind, extractor_available, extractor_of, load_extractor
from .moments import MomentStream, moments_of, stream_features

__all__ = [
    "EXTRACTORS",
    "Extractor",
    "ExtractorKind",
    "MomentStream",
    "extractor_available",
    "extractor_of",
    "frechet_distance",
    "load_extractor",
    "moments_of",
    "stream_features",
]
