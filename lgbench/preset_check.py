"""What a method's record says of settings must be read by somebody: a slip there is silently another experiment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .errors import BadPlugin, did_you_mean
from .offers import Method, Regularizer, Segmenter
from .settings import names_of

__all__ = ["check_presets"]

TABLES = ("method", "generator", "data", "training", "segmentation", "segmenter", "evaluation")
"""Tables of a recipe besides the regularizers'."""


def check_presets(
    method: Method,
    settings: Mapping[str, object],
    regularizers: Mapping[str, Regularizer],
    segmenters: Mapping[str, Segmenter],
    known: Iterable[str],
) -> None:
    """Refuse what no part of a recipe would read.

    Fields of other tables are checked where they are filled in. What is said of a segmenter or a regularizer that is
    not switched on is read as soon as a user switches it on.

    Args:
        settings: those that the record gives for a run.
        known: the method's presets.

    Raises:
        BadPlugin: names the method and the key.
    """
    fields = {f"regularizers.{name}": {"weight", *names_of(each.config_class)} for name, each in regularizers.items()}
    fields["segmenter"] = {
        name for each in (*segmenters.values(), *method.segmenters) for name in names_of(each.config_class)
    }
    for name in settings:
        table, _, field = name.rpartition(".")
        if name == "resolution" or field in fields.get(table, {field} if table in TABLES else ()):
            continue
        if table in fields:
            why = did_you_mean(field, fields[table], f"it has {sorted(fields[table])}.")
        else:
            tables = f"tables are {', '.join(TABLES)}, regularizers.NAME."
            why = did_you_mean(table or name, [*TABLES, *fields], tables)
        raise BadPlugin(f"The method {method.name} sets {name!r}, which nobody reads: {why}")
    weighed = {name for preset in method.presets.values() for name in preset}
    for name, table in method.regularizers.items():
        if "weight" not in table and f"regularizers.{name}.weight" not in weighed:
            raise BadPlugin(f"The method {method.name} names the regularizer {name!r} and gives it no weight.")
    for key in method.presets:
        preset, at, _ = key.partition("@")
        if at and preset and preset not in known:
            hint = did_you_mean(preset, known, f"It has {sorted(known)}.")
            raise BadPlugin(
                f"The method {method.name} has {key!r}, which nobody reads: no preset is {preset!r}. {hint}"
            )
