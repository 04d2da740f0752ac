import numpy as np
import pytest
import torch

from clusters import cluster_estimator, cluster_observer
from hpcflow.flow.estimator import as_tensors
from hpcflow.flow.families import FAMILIES
from hpcflow.flow.features import FEATURES
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Parameter, Prior

torch.set_num_threads(1)

PRIOR = Prior((Parameter("log_age", 6, 10.1383), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
BANDS = ("U", "B", "V", "I")


def photometry(n: int = 6) -> Photometry:
    rng = np.random.default_rng(1)
    return cluster_observer(missing=0.2)(rng.lognormal(8, 1, (n, 4)), rng.uniform(3, 6, n), rng)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("features", FEATURES)
def test_every_family_goes_with_every_kind_of_features(family: str, features: str) -> None:
    estimator = cluster_estimator(PRIOR, BANDS, features, {"family": family, "hidden": 8})
    x = estimator.condition(photometry())
    assert x.shape == (6, estimator.features.size)
    assert estimator.flow.sample(x, 3).shape == (6, 3, 3)
    assert estimator.settings == {"features": features, "flow": {"family": family, "hidden": 8}}
    assert estimator.weights >= sum(p.numel() for p in estimator.parameters() if p.requires_grad) > 0


def test_settings_reach_the_family() -> None:
    small, large = (
        cluster_estimator(PRIOR, BANDS, "paper", {"family": "autoregressive", "hidden": h}).weights for h in (8, 64)
    )
    assert small < large
    with pytest.raises(TypeError, match="colour"):
        cluster_estimator(PRIOR, BANDS, "paper", {"family": "autoregressive", "colour": 1})


def test_numpy_and_torch_give_the_same_features() -> None:
    estimator = cluster_estimator(PRIOR, BANDS, "absolute", {"family": "cinn", "hidden": 8})
    seen = photometry()
    torched = Photometry(*(torch.from_numpy(a) for a in seen))
    assert torch.equal(estimator.condition(seen), estimator.condition(torched))
    assert not torch.isnan(estimator.condition(seen)).any()


def test_tensors_are_float32_and_bool() -> None:
    seen = photometry()
    tensors = as_tensors(seen._replace(observed=seen.observed.astype(np.uint8)))
    assert [t.dtype for t in tensors] == [torch.float32, torch.float32, torch.bool, torch.float32]
    np.testing.assert_allclose(tensors.flux.numpy(), seen.flux, rtol=1e-6)
    np.testing.assert_array_equal(tensors.observed.numpy(), seen.observed)
