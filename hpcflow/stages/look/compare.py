"""`hpcflow compare`: tables that compare posteriors with published fits, and with the truth if it is known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from astropy.table import Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.calibration.agreement import clusters_against_published, published_table, truth_table
from hpcflow.calibration.recovery import find_truth, join_truth
from hpcflow.catalogues.write import write_rows
from hpcflow.stages.run import Run
from hpcflow.store.reading import open_archive
from hpcflow.store.summary import has_posterior, summarise

__all__ = ["compare", "write_tables"]


def compare(run: Run, truth: Sequence[Path] = ()) -> list[Path]:
    """Write all possible comparisons into the run's folder `report/tables`, and return the files.

    Args:
        run: a run with an archive.
        truth: tables with galaxy, cluster_id and columns named as the parameters; if empty, those beside the
            catalogues.

    Raises:
        InputError: if there is no archive, or it has neither a published fit nor a known truth.
    """
    archive = summarise(open_archive(run.posteriors))
    files = list(truth) or find_truth(run.config().infer.catalogues, run.path)
    known = join_truth(archive, files) if files else None
    written = write_tables(archive, known, run.tables)
    if not written:
        raise InputError(
            f"{run.posteriors} has no cluster with a posterior and a published fit or a known truth; add --truth FILE"
        )
    return written


def write_tables(archive: xr.Dataset, truth: NDArray[np.floating] | None, folder: Path) -> list[Path]:
    """Write the tables for which there is something to compare.

    Args:
        archive: the archive as returned by `summarise`.
        truth: (N, D) true parameters, NaN where unknown; None if there are none.
        folder: the folder to write into.
    """
    have = has_posterior(archive)
    tables: dict[str, Table] = {}
    if np.isfinite(archive["published"].values[have]).any():
        tables["published.ecsv"] = published_table(archive)
        tables["published-clusters.fits"] = clusters_against_published(archive)
    if truth is not None and np.isfinite(truth[have]).all(axis=1).any():
        tables["recovery.ecsv"] = truth_table(archive, truth)
    for name, table in tables.items():
        write_rows(table, folder / name)
    return [folder / name for name in tables]
