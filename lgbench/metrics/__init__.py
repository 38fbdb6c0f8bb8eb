"""Numbers from masks, partitions, features and layers: pure functions of arrays.

`masks`, `partitions` and `clusters` compare predictions with annotations, `frechet` compares two sets of features,
`layers` describes what a generator paints, `matching` pairs two sets of images, `intervals` says how sure a mean is.
Only `features` imports torch. The plugin `lgbench_metrics` gives them their names.
"""

__all__: list[str] = []
