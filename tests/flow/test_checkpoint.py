import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clusters import cluster_estimator, cluster_observer
from hpcflow.base.errors import InputError
from hpcflow.flow.checkpoint import DESCRIPTION, WEIGHTS, load, read_description, save
from hpcflow.flow.estimator import Estimator, as_tensors
from hpcflow.flow.families import FAMILIES
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Parameter, Prior

torch.set_num_threads(1)

PRIOR = Prior(
    (Parameter("log_age", 6, 10.1383, "dex(yr)"), Parameter("log_mass", 2, 8), Parameter("ebv", 0.01, 1.5, scale="log"))
)
CHANGED = r"flow\.json is not what training wrote; restore it, or remove .* and train the flow again"
families = pytest.mark.parametrize("family", FAMILIES)


def photometry(n: int = 50) -> Photometry:
    rng = np.random.default_rng(1)
    return cluster_observer(missing=0.2)(rng.lognormal(8, 1, (n, 3)), rng.uniform(3, 6, n), rng)


def estimator(family: str = "autoregressive", seed: int = 0) -> Estimator:
    torch.manual_seed(seed)
    made = cluster_estimator(PRIOR, ("U", "V", "I"), "absolute", {"family": family, "hidden": 8, "embedding_hidden": 8})
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    made.features.fit(as_tensors(photometry()))
    return made


def samples(of: Estimator) -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.randn((50, 20, 3), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        return of.flow.transform(noise, of.condition(photometry()))


@families
def test_a_loaded_flow_gives_the_same_bits(family: str, tmp_path: Path) -> None:
    kept = estimator(family)
    save(kept, tmp_path / "flow", {"seed": 7})
    found = load(tmp_path / "flow")
    for one, two in zip(samples(kept), samples(found), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(samples(kept)[0], samples(estimator(family, seed=5))[0])
    assert found.prior == PRIOR
    assert found.bands == ("U", "V", "I")
    assert found.settings == kept.settings
    assert not found.training
    assert not any(p.requires_grad for p in found.parameters())


def test_the_description_holds_settings_and_further_entries(tmp_path: Path) -> None:
    kept = estimator()
    save(kept, tmp_path / "flow", {"seed": 7}, {"history.csv": "step\n1\n"})
    description = read_description(tmp_path / "flow")
    assert description["seed"] == 7
    assert description["bands"] == ["U", "V", "I"]
    assert description["weights"] == kept.weights
    assert (tmp_path / "flow" / "history.csv").read_text() == "step\n1\n"


@families
def test_nothing_is_pickled(family: str, tmp_path: Path) -> None:
    save(estimator(family), tmp_path / "flow", {})
    assert {p.name for p in (tmp_path / "flow").iterdir()} == {WEIGHTS, DESCRIPTION}
    raw = (tmp_path / "flow" / WEIGHTS).read_bytes()
    # safetensors: the length of a JSON header, then the header
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    assert all(entry["dtype"] in ("F32", "I64") for name, entry in header.items() if name != "__metadata__")
    assert len(raw) == 8 + length + max(e["data_offsets"][1] for n, e in header.items() if n != "__metadata__")


def test_saving_again_replaces_everything(tmp_path: Path) -> None:
    folder = tmp_path / "flow"
    save(estimator(seed=1), folder, {"seed": 1}, {"old.txt": "old"})
    newer = estimator(seed=2)
    save(newer, folder, {"seed": 2})
    assert not (folder / "old.txt").exists()
    assert torch.equal(samples(load(folder))[0], samples(newer)[0])
    assert [p.name for p in tmp_path.iterdir()] == ["flow"]


def test_a_failed_save_leaves_the_old_flow_and_the_next_save_works(tmp_path: Path) -> None:
    folder = tmp_path / "flow"
    older = estimator(seed=1)
    save(older, folder, {"seed": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        save(estimator(seed=2), folder, {"seed": object()})
    assert read_description(folder)["seed"] == 1
    assert torch.equal(samples(load(folder))[0], samples(older)[0])
    save(estimator(seed=3), folder, {"seed": 3})
    assert read_description(folder)["seed"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["flow"]


def test_a_save_that_fails_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        save(estimator(), tmp_path / "flow", {"seed": object()})
    assert not (tmp_path / "flow").exists()


def test_a_missing_flow_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="hpcflow train"):
        load(tmp_path / "flow")


def damage_schema(folder: Path) -> None:
    description = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps(description | {"schema": "hpcflow-flow/0"}))


def damage_json(folder: Path) -> None:
    (folder / DESCRIPTION).write_text((folder / DESCRIPTION).read_text()[:50])


def cut_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100])


def junk_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"\xff" * 1000)


def other_weights(folder: Path) -> None:
    save(estimator(seed=9), folder.parent / "other", {})
    (folder / WEIGHTS).write_bytes((folder.parent / "other" / WEIGHTS).read_bytes())


def edit(**entries: Any) -> Callable[[Path], None]:
    """Change entries of the description; None removes them."""

    def change(folder: Path) -> None:
        description = json.loads((folder / DESCRIPTION).read_text()) | entries
        kept = {key: value for key, value in description.items() if value is not None}
        (folder / DESCRIPTION).write_text(json.dumps(kept))

    return change


def no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (damage_schema, "hpcflow-flow/0"),
        (damage_json, r"flow\.json"),
        (cut_weights, "weights"),
        (junk_weights, "weights"),
        (other_weights, "weights.* is not what training wrote"),
        (edit(bands=["V", "U", "I"]), CHANGED),
        (edit(parameters=[{"name": n, "low": 0.0, "high": 9.0} for n in PRIOR.names]), CHANGED),
        (edit(support={}), CHANGED),
        (edit(seed=8), CHANGED),
        (edit(bands=None), CHANGED),
        (edit(weights_sha256=None), CHANGED),
        (edit(description_sha256=None), CHANGED),
        (no_weights, "weights"),
    ],
)
def test_a_damaged_flow_is_an_input_error(damage: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    folder = tmp_path / "flow"
    save(estimator(), folder, {"seed": 7})
    load(folder)
    damage(folder)
    with pytest.raises(InputError, match=says):
        load(folder)
