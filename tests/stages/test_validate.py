import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

from hpcflow.base.errors import InputError, MiscalibratedError
from hpcflow.base.partitions import Partition
from hpcflow.calibration.findings import gap
from hpcflow.calibration.verdicts import judge
from hpcflow.calibration.words import describe
from hpcflow.compute.where import InProcess
from hpcflow.config.load import Config, dump_yaml, load_config, with_values
from hpcflow.config.sections import Require
from hpcflow.flow.base import Flow
from hpcflow.flow.estimator import Estimator
from hpcflow.model.observe import Photometry
from hpcflow.posterior.exact import ExactModel, ExactPosterior
from hpcflow.stages import validate as stage
from hpcflow.stages.build import build_likelihood
from hpcflow.stages.init import shipped_configs
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import simulate
from hpcflow.stages.train import train_flow
from hpcflow.stages.trained import trained_flow
from hpcflow.stages.validate import validate

VALIDATE = {"n": 200, "samples": 30, "partition": 64, "exact": 30, "require": None}


def validated(config: Config, run: Run) -> xr.Dataset:
    """Return the record of a run's flow, which is trained where there is none."""
    if not run.flow.exists():
        simulate(config, run, InProcess())
        train_flow(config, run, 1)
    validate(config, run, InProcess())
    return xr.open_zarr(run.validation).load()


def settled(run: Run, **settings: object) -> Config:
    """Return a run's config with other settings of `validate`."""
    return with_values(run.config(), {"validate": {**VALIDATE, **settings}})


@pytest.fixture(scope="module")
def record(inferred: Run, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    run = Run(Path(shutil.copytree(inferred.path, tmp_path_factory.mktemp("validate") / "run")))
    return validated(settled(run), run)


def test_as_many_as_asked_for_are_compared_all_over(record: xr.Dataset) -> None:
    compared = np.isfinite(record["log_p"].values)
    assert compared.sum() == VALIDATE["exact"]
    assert all(compared[start : start + 50].any() for start in range(0, 200, 50))
    assert (np.isfinite(record["gap"].values).all(axis=1) == compared).all()


def test_the_gap_is_the_exact_densitys_excess(record: xr.Dataset) -> None:
    here = record.isel(simulation=np.flatnonzero(np.isfinite(record["log_p"].values)))
    np.testing.assert_allclose(here["gap"].sum("parameter"), here["log_p"] - here["log_q"], atol=1e-4)
    assert here["gap"].attrs["order"] == ["log_age", "ebv", "log_mass"]
    # twenty steps teach it little: the exact posterior knows more
    assert here["gap"].sum("parameter").mean() > 1
    bands = [bin(int(pattern)).count("1") for pattern in record["pattern"]]
    assert min(bands) >= 2 and max(bands) == 5
    assert ((record["distance"] >= 1) & (record["distance"] <= 30)).all()
    assert ((record["error"] > 0.01) & (record["error"] < 2)).all()


def test_the_exact_posterior_is_far_from_a_flow_that_learned_little(record: xr.Dataset) -> None:
    here = record.isel(simulation=np.flatnonzero(np.isfinite(record["log_p"].values)))
    assert (here["kl"] > 0).mean() > 0.9
    assert (here["c2st"] > 0.5).all() and here["c2st"].mean() > 0.8
    assert here["wasserstein"].mean() > 2 * here["wasserstein_exact"].mean()
    elsewhere = record.isel(simulation=np.flatnonzero(np.isnan(record["log_p"].values)))
    assert all(np.isnan(elsewhere[name]).all() for name in ("kl", "c2st", "wasserstein"))


def test_a_flow_that_learned_little_is_refused_and_what_was_found_is_kept(
    inferred: Run, copied: Callable[[Run], Run]
) -> None:
    run = copied(inferred)
    said = r"more than validate\.require\.\w+ = \S+ allows, and \d+ more requirements fail"
    with pytest.raises(MiscalibratedError, match=said) as refused:
        validated(settled(run, require={}), run)
    assert refused.value.exit_code == 1
    assert xr.open_zarr(run.validation)["status"].values.all()
    # what is good enough may change without another run
    loose = dict.fromkeys(("coverage", "regions", "tarp", "strata", "local"), 1) | {"ecdf": None, "regression": 100}
    validated(settled(run, require={**loose, "gap": 100}), run)
    with pytest.raises(MiscalibratedError, match=r"validate\.require\.gap = 0\.1 allows; train"):
        validated(settled(run, require={**loose, "gap": 0.1}), run)


class Spoiled(Flow):
    """A flow whose samples are wider, shifted in standard deviations, or of the simulation before."""

    def __init__(self, of: Estimator, width: float = 1.0, shift: float = 0.0, swap: bool = False) -> None:
        super().__init__(of.prior)
        self.flow, self.width, self.shift, self.swap = of.flow, width, shift, swap

    def embed(self, x: Tensor) -> Tensor:
        return self.flow.embed(x.roll(1, dims=0) if self.swap else x)

    def latent_log_prob(self, z: Tensor, context: Tensor) -> Tensor:
        mean, std = self._moments(context)
        inner = (z - mean - self.shift * std) / self.width + mean
        return self.flow.latent_log_prob(inner, context) - self.dim * math.log(self.width)

    def latent_transform(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = self._moments(context)
        z, log_q = self.flow.latent_transform(noise, context)
        return mean + self.shift * std + self.width * (z - mean), log_q - self.dim * math.log(self.width)

    def _moments(self, context: Tensor) -> tuple[Tensor, Tensor]:
        noise = torch.randn((len(context), 200, self.dim), generator=torch.Generator().manual_seed(1))
        z = self.flow.latent_transform(noise, context)[0]
        return z.mean(dim=1, keepdim=True), z.std(dim=1, keepdim=True)


SPOILT: list[dict[str, float]] = [{"width": 1.2}, {"shift": 0.1}, {"swap": True}]


@pytest.fixture(scope="module")
def ideal(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path]) -> tuple[Config, Run, Estimator]:
    """Give a trained flow, and the default requirements; exact posteriors are left out."""
    folder = tmp_path_factory.mktemp("ideal")
    settings = {"n": 5000, "samples": 50, "partition": 1000, "exact": 0}
    sets = {"validate": settings, "simulate": {"n": 21_000, "partition": 7000, "seed": 3}}
    config = load_config(write_config(folder, **sets), ["train.steps=150"])
    simulate(config, Run(folder / "run"), InProcess())
    train_flow(config, Run(folder / "run"), 1)
    return config, Run(folder / "run"), trained_flow(Run(folder / "run").flow)


def judged(ideal: tuple[Config, Run, Estimator], monkeypatch: pytest.MonkeyPatch, flow: Flow) -> None:
    """Validate a flow on truths that are drawn from the trained one, whose posteriors are therefore exact."""
    config, run, estimator = ideal
    shutil.rmtree(run.validation, ignore_errors=True)
    observe = stage.observed_partition

    def observed(folder: str, partition: Partition) -> tuple[Tensor, Photometry]:
        _, photometry = observe(folder, partition)
        generator = torch.Generator().manual_seed(partition.index)
        return estimator.flow.sample(estimator.condition(photometry), 1, generator)[:, 0].detach(), photometry

    known = {"prior": estimator.prior, "features": estimator.features}
    other = SimpleNamespace(**known, condition=estimator.condition, flow=flow)
    monkeypatch.setattr(stage, "observed_partition", observed)
    monkeypatch.setattr(stage, "estimator_of", lambda _: other)
    validate(config, run, InProcess())


def test_a_flow_that_is_right_passes_the_default_requirements(
    ideal: tuple[Config, Run, Estimator], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(ideal, monkeypatch, Spoiled(ideal[2]))  # by nothing
    verdicts = judge(xr.open_zarr(ideal[1].validation).load(), Require().model_dump())
    assert {verdict.finding.key for verdict in verdicts} == set(Require.model_fields) - {"gap", "c2st"}
    assert all(verdict.good for verdict in verdicts)


@pytest.mark.parametrize("spoil", SPOILT)
def test_spoiled_flows_fail_the_default_requirements(
    ideal: tuple[Config, Run, Estimator],
    monkeypatch: pytest.MonkeyPatch,
    spoil: dict[str, float],
) -> None:
    with pytest.raises(MiscalibratedError, match=r"more than validate\.require"):
        judged(ideal, monkeypatch, Spoiled(ideal[2], **spoil))


class Exact(Flow):
    """The exact posterior in the place of a flow: features are rows of the photometry last seen."""

    def __init__(self, model: ExactModel) -> None:
        super().__init__(model.likelihood.prior)
        self.model, self.posteriors = model, list[ExactPosterior]()

    def condition(self, photometry: Photometry) -> Tensor:
        ones = (Photometry(*(a[i : i + 1] for a in photometry)) for i in range(len(photometry.flux)))
        self.posteriors = [self.model.posterior(one) for one in ones]
        return torch.arange(len(self.posteriors))[:, None]

    def log_prob(self, theta: Tensor, x: Tensor) -> Tensor:
        pairs = zip(theta.double().numpy(), x[:, 0].tolist(), strict=True)
        return torch.from_numpy(np.stack([self.posteriors[row].log_prob(points) for points, row in pairs]))

    def transform(self, noise: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(noise[0, 0].abs().mul(1e6).int().tolist())
        rows = x[:, 0].tolist()
        drawn = np.stack([self.posteriors[row].sample(noise.shape[1], rng) for row in rows])
        theta = torch.from_numpy(drawn).float()
        return theta, self.log_prob(theta, x)

    def embed(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def latent_log_prob(self, z: Tensor, context: Tensor) -> Tensor:
        raise NotImplementedError

    def latent_transform(self, noise: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


def test_the_exact_posterior_passes_the_default_requirements_and_more(
    ideal: tuple[Config, Run, Estimator], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config, run, estimator = ideal
    wanted = {"n": 150, "exact": 100, "partition": 75, "require": {"gap": 0.05, "c2st": 0.52}}
    config = with_values(config, {f"validate.{key}": value for key, value in wanted.items()})
    copy = Run(tmp_path / "run")
    shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns("report"))
    (copy.path / "run.yaml").write_text(dump_yaml({"config": config.plain(), "frozen": []}))
    flow = Exact(ExactModel(build_likelihood(config)))
    known = {"prior": estimator.prior, "features": estimator.features}
    other = SimpleNamespace(**known, condition=flow.condition, flow=flow)
    monkeypatch.setattr(stage, "estimator_of", lambda _: other)
    validate(config, copy, InProcess())
    record = xr.open_zarr(copy.validation).load()
    assert abs(float(record["kl"].mean())) < 0.01
    apart, floor = (float(record[name].mean()) for name in ("wasserstein", "wasserstein_exact"))
    assert apart == pytest.approx(floor, rel=0.1)
    assert float(record["c2st"].mean()) == pytest.approx(0.5, abs=0.01)


def test_the_number_of_partitions_changes_what_is_observed_but_not_who_is_compared_or_what_is_found(
    record: xr.Dataset, inferred: Run, copied: Callable[[Run], Run]
) -> None:
    # observations are drawn by the partition, so only their statistics can agree
    run = copied(inferred)
    other = validated(settled(run, partition=100), run)
    compared = np.isfinite(record["log_p"].values)
    np.testing.assert_array_equal(np.isfinite(other["log_p"].values), compared)
    np.testing.assert_array_equal(other["truth"].sel(parameter="log_age"), record["truth"].sel(parameter="log_age"))
    assert (other["error"].values != record["error"].values).mean() > 0.5
    means, errors = zip(*((found.value, found.error) for ds in (record, other) if (found := gap(ds))), strict=True)
    assert abs(means[0] - means[1]) < 4 * math.hypot(*errors)


def test_models_that_are_not_tractable_are_validated_without_and_say_so(
    tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    free = ["model.parameters.r_v={low: 2, high: 5}", "model.fixed={metallicity: 0.02}"]
    record = validated(load_config(write_config(tmp_path, validate=VALIDATE), free), Run(tmp_path / "run"))
    assert np.isnan(record["log_p"].values).all()
    assert np.isfinite(record["log_q"].values).all()
    assert any("two parameters" in line for line in describe(Run(tmp_path / "run").validation))


def test_a_slow_simulator_is_not_asked_for_a_million_models() -> None:
    config = load_config(shipped_configs()["cigale"])
    with pytest.raises(InputError, match=r"need a faster simulator than model\.simulator: cigale"):
        build_likelihood(config)


def test_a_prior_that_the_table_does_not_reach_is_validated_without(
    tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    wide = ["model.parameters.log_age={low: 6, high: 10.5}"]
    record = validated(load_config(write_config(tmp_path, validate=VALIDATE), wide), Run(tmp_path / "run"))
    assert np.isnan(record["log_p"].values).all()
    assert any("narrow the bounds" in line for line in describe(Run(tmp_path / "run").validation))


def test_exact_may_be_zero(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    record = validated(settled(run, exact=0), run)
    assert np.isnan(record["log_p"].values).all()


def test_the_density_of_many_is_that_of_each(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    config = load_config(write_config(tmp_path))
    model = ExactModel(build_likelihood(config))
    rng = np.random.default_rng(1)
    theta = model.likelihood.prior.sample(3, rng)
    flux = model.likelihood.simulator(theta[:, model.likelihood.prior.index(model.likelihood.simulator.parameters)])
    sigma = 0.1 * flux * (10 ** theta[:, 1] * 1e-12)[:, None]
    photometry = Photometry(sigma / 0.1, sigma, np.ones_like(sigma, dtype=bool), np.full((3, 1), 10.0))
    found = model.log_prob(theta, photometry)
    assert np.isfinite(found).all()
    for i in range(3):
        one = Photometry(*(a[i : i + 1] for a in photometry))
        assert model.posterior(one).log_prob(theta[i : i + 1])[0] == found[i]
