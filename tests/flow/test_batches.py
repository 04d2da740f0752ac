import pytest
import torch

from clusters import cluster_observer, distance, scale
from hpcflow.flow.batches import Batch, Library, generator_for
from hpcflow.model.prior import Parameter, Prior

torch.set_num_threads(1)

PRIOR = Prior((Parameter("ebv", 0, 1.5), Parameter("log_mass", 2, 8), Parameter("log_age", 6, 10.1383)))
N = 300


def library(frozen: int | None = None, prior: Prior = PRIOR, n: int = N) -> Library:
    """Return simulations that can be identified from their fluxes."""
    number = torch.arange(n, dtype=torch.float32)
    theta = torch.stack([6 + number / 1000, number / 500], dim=1)
    flux = 1000 * (1 + number[:, None]) * torch.tensor([1.0, 2.0, 3.0])
    return Library(
        theta, flux, ["log_age", "ebv"], prior, cluster_observer(relative_error=(0.0, 0.3), missing=0.2), frozen
    )


def same(one: Batch, two: Batch) -> bool:
    return torch.equal(one.theta, two.theta) and all(
        torch.equal(a, b) for a, b in zip(one.photometry, two.photometry, strict=True)
    )


def which(batch: Batch) -> torch.Tensor:
    return torch.round((batch.theta[:, 2] - 6) * 1000).long()


@pytest.mark.parametrize("frozen", [None, 5])
def test_the_same_generator_gives_the_same_batch(frozen: int | None) -> None:
    one, two, other = (library(frozen).draw(64, generator_for(seed, "step", 1)) for seed in (1, 1, 2))
    assert same(one, two)
    assert not same(one, other)


@pytest.mark.parametrize("frozen", [None, 5])
def test_columns_come_in_the_order_of_the_prior_and_fluxes_belong_to_them(frozen: int | None) -> None:
    batch = library(frozen).draw(500, generator_for(1))
    assert batch.theta.shape == (500, 3)
    rows = which(batch)
    torch.testing.assert_close(batch.theta[:, 0], rows / 500)
    log_mass = batch.theta[:, 1]
    assert ((log_mass >= 2) & (log_mass <= 8)).all()
    assert log_mass.std() > 1.5
    unit = 1000 * (1 + rows[:, None]) * torch.tensor([1.0, 2.0, 3.0])
    true = unit * scale(log_mass, distance(batch.photometry))[:, None]
    relative = batch.photometry.sigma / true
    assert ((relative >= 0) & (relative <= 0.3001)).all()
    assert ((batch.photometry.flux / true).log().abs() < 6 * relative + 0.1).all()


def test_the_prior_decides_the_order() -> None:
    names = ["log_mass", "log_age", "ebv"]
    turned = library(prior=PRIOR.select(names)).draw(20, generator_for(3))
    straight = library().draw(20, generator_for(3))
    assert torch.equal(turned.theta, straight.theta[:, PRIOR.index(names)])


def test_frozen_observations_of_a_simulation_are_equal_and_fresh_ones_differ() -> None:
    for frozen, expected in ((7, 1), (None, 2)):
        drawn = library(frozen, n=20)
        seen: dict[int, set[float]] = {}
        for step in range(10):
            batch = drawn.draw(40, generator_for(1, step))
            for row, flux, mass in zip(which(batch), batch.photometry.flux[:, 0], batch.theta[:, 1], strict=True):
                seen.setdefault(int(row), set()).add((float(flux), float(mass)))
        assert len(seen) == 20
        assert (max(map(len, seen.values())) == 1) == (expected == 1)
        assert (min(map(len, seen.values())) > 1) == (expected == 2)


def test_frozen_observations_depend_on_their_seed() -> None:
    one, two, other = (library(seed).draw(30, generator_for(1)) for seed in (7, 7, 8))
    assert same(one, two)
    assert not same(one, other)
    assert torch.equal(which(one), which(other))


def test_first_has_each_of_the_first_simulations_once() -> None:
    batch = library().first(50, generator_for(1))
    assert which(batch).tolist() == list(range(50))
    assert which(library(n=20).first(50, generator_for(1))).tolist() == list(range(20))


def test_draws_reach_the_whole_library() -> None:
    rows = which(library().draw(6000, generator_for(1)))
    assert len(set(rows.tolist())) == N


def test_a_generator_depends_on_its_seed_and_key() -> None:
    def first(*key: object) -> float:
        return float(torch.rand((), generator=generator_for(*key), dtype=torch.float64))  # type: ignore[arg-type]

    assert first(1, "step", 3) == first(1, "step", 3)
    keys = [(1, "step", 3), (1, "step", 4), (2, "step", 3), (1, "pilot"), (1, "step", 3, "x"), (1, "step3"), (1,)]
    assert len({first(*key) for key in keys}) == len(keys)


@pytest.mark.parametrize("frozen", [None, 5])
def test_a_mass_that_the_simulator_takes_is_not_drawn_again(frozen: int | None) -> None:
    number = torch.arange(N, dtype=torch.float32)
    theta = torch.stack([2 + number / 100, 6 + number / 1000, number / 500], dim=1)
    flux = torch.full((N, 3), 1000.0)
    observer = cluster_observer(relative_error=(0.0, 1e-4))
    batch = Library(theta, flux, ["log_mass", "log_age", "ebv"], PRIOR, observer, frozen).draw(500, generator_for(1))
    rows = which(batch)
    torch.testing.assert_close(batch.theta[:, 1], 2 + rows / 100)
    true = 1000.0 * scale(batch.theta[:, 1], distance(batch.photometry))[:, None]
    torch.testing.assert_close(batch.photometry.flux, true.expand(-1, 3), rtol=2e-3, atol=0)
