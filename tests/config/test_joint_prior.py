from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.config.joint_prior import Chosen, law_of
from hpcflow.config.load import load_config
from hpcflow.model.prior import Parameter, Prior
from hpcflow.sources.cluster.priors import PRIORS
from hpcflow.stages.build import build_likelihood, build_prior, build_simulated, simulated_names
from hpcflow.stages.trained import untrained_flow

CONFIG = Path(__file__).parents[2] / "configs/legus-ngc1566-metals.yaml"
PARAMETERS = (
    Parameter("log_age", 6, 10.1383),
    Parameter("log_mass", 2, 8),
    Parameter("ebv", 0, 1.5),
    Parameter("metallicity", 4e-4, 0.05, scale="log"),
)


def prior(given: str) -> Any:
    """Return the loaded config with a prior."""
    return load_config(CONFIG, [f"model.prior={given}"])


@pytest.mark.parametrize("name", PRIORS)
def test_shipped_priors_are_densities_inside_the_bounds(name: str) -> None:
    whole = Prior(PARAMETERS, law_of(Chosen(prior=PRIORS[name]).prior, PARAMETERS))
    theta = whole.sample(20_000, np.random.default_rng(1))
    assert ((theta >= whole.low) & (theta <= whole.high)).all()
    assert np.isfinite(whole.log_prob(theta)).all()
    # Importance sampling from the box: the density integrates to one.
    box = Prior(PARAMETERS)
    points = box.sample(200_000, np.random.default_rng(2))
    ratio = np.exp(whole.log_prob(points) - box.log_prob(points))
    assert ratio.mean() == pytest.approx(1, abs=5 * ratio.std() / np.sqrt(len(ratio)))


def test_phangs_has_old_metal_poor_clusters_without_dust() -> None:
    theta = Prior(PARAMETERS, law_of(Chosen(prior=PRIORS["phangs"]).prior, PARAMETERS)).sample(
        20_000, np.random.default_rng(1)
    )
    poor = theta[:, 3] < 0.008
    assert poor.mean() == pytest.approx(0.15, abs=0.01)
    assert theta[poor, 0].min() >= 9.7
    assert theta[poor, 2].max() <= 0.1


def test_a_box_has_no_law() -> None:
    assert law_of({}, PARAMETERS) is None
    assert prior("box").model.prior == {}


def test_edges_stay_inside_the_bounds() -> None:
    config = prior("{one: {weight: 1, parameters: {ebv: {high: {log_age: [[6, 9], [8, 0.5]]}}}}}")
    theta = build_prior(config).sample(2000, np.random.default_rng(1))
    assert theta[:, 2].max() <= 1.5


def test_the_mass_is_drawn_with_the_rest_only_if_it_hangs_together_with_it() -> None:
    free, tied = prior("phangs"), prior("{one: {weight: 1, parameters: {log_mass: {slope: -1}}}}")
    assert "log_mass" not in build_simulated(free).names
    assert "log_mass" in build_simulated(tied).names
    assert "log_mass" not in simulated_names(tied)
    assert "scale_errors" in untrained_flow(free).settings["flow"]
    assert "scale_errors" not in untrained_flow(tied).settings["flow"]
    drawn = build_simulated(tied).sample(20_000, np.random.default_rng(1))
    log_mass = drawn[:, build_simulated(tied).names.index("log_mass")]
    assert (log_mass < 3).mean() == pytest.approx(0.9, abs=0.01)
    assert build_likelihood(tied).prior.law is not None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("globulars", "model.prior: globulars is unknown; choose one of box, phangs"),
        ("{one: {weight: -1}}", "model.prior.one.weight"),
        ("{one: {weight: 1, parameters: {ebv: {lo: 0.5}}}}", "model.prior.one.parameters.ebv.lo is not a known key"),
        ("{one: {weight: 1, parameters: {ebv: {high: {log_age: 3}}}}}", "an edge is a number, or"),
        (
            "{one: {weight: 1, parameters: {ebv: {high: {log_age: [[6, x], [7, 1]]}}}}}",
            "model.prior.one.parameters.ebv",
        ),
        ("{one: {weight: 1, parameters: {ebv: {high: {log_age: [[6, 1]]}}}}}", "at least two points"),
        ("{one: {weight: 1, parameters: {covering_factor: {low: 0.5}}}}", "covering_factor, which is not among"),
        ("{one: {weight: 0}}", "weight"),
        ("{one: {weight: 1, parameters: {ebv: {low: 1, high: 0.5}}}}", "ebv in one has no width"),
        ("{one: {weight: 1, parameters: {ebv: {low: 2}}}}", "ebv in one has no width"),
        ("{one: {weight: 1, parameters: {log_age: {low: {ebv: [[0, 6], [1, 8]]}}}}}", "put ebv first"),
        ("{one: {weight: 1, parameters: {ebv: {slope: .inf}}}}", "slope"),
    ],
)
def test_what_is_no_prior_is_said(given: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        prior(given)


def test_a_nuisance_cannot_be_tied() -> None:
    sets = ["model.parameters.r_v.nuisance=true", "model.prior={one: {weight: 1, parameters: {r_v: {low: 3}}}}"]
    with pytest.raises(InputError, match="ties r_v, which cannot be a nuisance"):
        load_config(CONFIG, sets)


def test_exact_mass_is_refused_where_the_mass_is_tied() -> None:
    tied = load_config(
        CONFIG, ["train.scale=exact", "model.prior={one: {weight: 1, parameters: {log_mass: {slope: -1}}}}"]
    )
    with pytest.raises(InputError, match="needs a uniform log_mass"):
        untrained_flow(tied)


def test_a_run_keeps_the_components_of_a_prior_that_ships() -> None:
    plain = prior("phangs").plain()["model"]["prior"]
    assert plain["globular"]["parameters"]["log_age"]["low"] == 9.7
