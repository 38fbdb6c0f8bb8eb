"""How many codes the paper presets have where a data set does not say it."""

import pytest
from milgan_worlds import recipe_of


@pytest.mark.parametrize(("dataset", "n"), [("apc", 20), ("lsun-car", 200)])
@pytest.mark.parametrize("method", ["dscomgan", "milgan", "elgan"])
def test_all_methods_with_codes_have_as_many(method, dataset, n):
    assert recipe_of(method, preset="paper", dataset=dataset).generator_config.n_codes == n
