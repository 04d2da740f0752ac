"""The same problem given to others: sbi with a flow of about the same size, and Synference around that."""

from collections.abc import Callable
from typing import Any

import pandas as pd
from torch import Tensor

from hpcflow.flow.base import perceptron
from hpcflow.model.prior import Prior

__all__ = ["FLOWS", "sbi_posterior", "synference_catalogue", "weights"]

# `nsf` has as many weights as the flow of configs/phangs.yaml, every one of them in what each sample passes; of
# `embedded` most are in an embedding as large as that flow's, and the rest per sample; `maf` is sbi's own default.
FLOWS: dict[str, dict[str, Any]] = {
    "nsf": {"model": "nsf", "hidden_features": 136, "num_transforms": 5, "num_bins": 16},
    "embedded": {"model": "nsf", "hidden_features": 48, "num_transforms": 3, "num_bins": 16},
    "maf": {"model": "maf"},
}
EMBEDDING = {"outputs": 64, "hidden": 384, "layers": 3}


def sbi_posterior(name: str, prior: Prior, theta: Tensor, x: Tensor, epochs: int = 4) -> Any:
    """Return sbi's posterior of a flow in `FLOWS`, trained on theta (n, D) and features x (n, F)."""
    import torch
    from sbi.inference import NPE
    from sbi.neural_nets import posterior_nn
    from sbi.utils import BoxUniform

    torch.manual_seed(1)
    embedding = {"embedding_net": perceptron(x.shape[1], **EMBEDDING)} if name == "embedded" else {}
    low, high = (torch.tensor(side, dtype=torch.float32) for side in (prior.low, prior.high))
    flow = posterior_nn(**FLOWS[name], **embedding)
    inference = NPE(BoxUniform(low, high), density_estimator=flow, show_progress_bars=False)
    estimator = inference.append_simulations(theta, x).train(training_batch_size=500, max_num_epochs=epochs)
    return inference.build_posterior(estimator)


def weights(posterior: Any) -> int:
    """Return the number of trained numbers."""
    return sum(p.numel() for p in posterior.posterior_estimator.parameters())


def synference_catalogue(
    posterior: Any, names: tuple[str, ...], x: Tensor, train: Tensor, n: int
) -> Callable[[], object]:
    """Return what makes Synference fit a catalogue of features x (N, F), with n samples, by an sbi posterior.

    Its own checks for outliers are left out; what remains is the loop over clusters and the quantiles.
    """
    from synference import SBI_Fitter

    columns = [f"f{i}" for i in range(x.shape[1])]
    fitter = SBI_Fitter("benchmark", list(names), columns, feature_array=train.numpy(), feature_names=columns)
    fitter.posteriors = posterior
    fitter.feature_array_flags = {
        "raw_observation_names": columns,
        "normed_flux_units": "AB",
        "norm_mag_limit": float("inf"),
        **{name: [] for name in ("error_names", "flag_names", "extra_features")},
        **{name: None for name in ("norm_name", "empirical_noise_models", "normalize_method")},
        **{f"include_{name}_in_feature_array": False for name in ("errors", "flags")},
        **{name: False for name in ("simulate_missing_fluxes", "remove_nan_inf")},
    }
    table = pd.DataFrame(x.numpy(), columns=columns)
    options = {"flux_units": "AB", "check_out_of_distribution": False, "timeout_seconds_per_row": 600}

    def fit() -> pd.DataFrame:
        found = fitter.fit_catalogue(table, num_samples=n, **options)
        if found.isna().any(axis=None):  # it goes on where sampling fails
            raise ValueError("Synference found no posterior for some cluster")
        return found

    return fit
