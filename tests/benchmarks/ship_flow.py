"""Let the flow of a run ship: copy it into the package, with the record of how good its calibration is.

    python tests/benchmarks/ship_flow.py RUN NAME --command "hpcflow run configs/phangs.yaml --workers 1" --hours 0.4

RUN is a run folder with a flow and its validation. A flow whose gap or coverage is poor is refused.
"""

import argparse
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr

from hpcflow.calibration.findings import coverage, ecdf, ecdf_outside, gap, gap_parts
from hpcflow.calibration.uniformity import share_inside
from hpcflow.flow import checkpoint, shipped
from hpcflow.stages.run import Run, provenance

LARGEST_GAP, LARGEST_ECDF = 0.35, 0.02  # of a flow that may ship


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--command", required=True, help="what trained it")
    parser.add_argument("--hours", required=True, type=float, help="processor time of its training")
    parser.add_argument("--commit", help="of the code that trained it; the present one by default")
    asked = parser.parse_args()
    run = Run(asked.run)
    with xr.open_zarr(run.validation) as ds:
        found = record(ds.load())
    if found["gap"] > LARGEST_GAP or found["ecdf"] > LARGEST_ECDF:
        raise SystemExit(f"the flow is not good enough to ship: {found}")
    found |= {"command": asked.command, "processor_hours": asked.hours}
    found |= {"date": datetime.now(UTC).date().isoformat(), "commit": asked.commit or provenance()["git"][:12]}
    target = shipped.FOLDER / asked.name
    target.mkdir(parents=True, exist_ok=True)
    for name in (checkpoint.WEIGHTS, checkpoint.DESCRIPTION):
        shutil.copy(run.flow / name, target / name)
    (target / shipped.RECORD).write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def record(ds: xr.Dataset) -> dict[str, object]:
    """Return how good a flow is, from its validation."""
    samples = int(ds.attrs["samples"])
    nats = gap(ds)
    assert nats is not None
    ranks = ds["rank"].transpose("parameter", ...).values
    shares = {level: np.mean([share_inside(rank, level, samples) for rank in ranks]) for level in (0.68, 0.95)}
    return {
        "gap": round(nats.value, 4),
        "gap_error": round(nats.error, 4),
        "gap_by_parameter": {found.of: round(found.value, 4) for found in gap_parts(ds)},
        "ecdf": round(max(found.value for found in ecdf(ds)), 5),
        "ecdf_outside_its_band": round(max(found.value for found in ecdf_outside(ds)), 3),
        "coverage_68": round(float(shares[0.68]), 4),
        "coverage_68_by_parameter": {found.of: round(found.value, 4) for found in coverage(ds)},
        "coverage_95": round(float(shares[0.95]), 4),
        "pairs": int(ds.sizes["simulation"]),
    }


if __name__ == "__main__":
    main()
