"""The examples of docs/python.md run, one after the other, with a small flow in place of the one that ships."""

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from hpcflow.flow import shipped
from hpcflow.stages.run import Run

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text()


def test_examples(inferred: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("arviz_base")
    mpl.use("agg")
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "phangs").symlink_to(inferred.flow)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "flows")
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, Any] = {}
    exec(compile("\n".join(blocks).replace("runs/demo", str(inferred.path)), "docs/python.md", "exec"), names)
    for several in ("many", "same"):
        assert names[several].dataset["cluster_id"].values.tolist() == ["7", "12"]
        assert np.isfinite(names[several].dataset["map"].values).all()
    assert names["post"].samples.shape == (1000, 3)
    assert (tmp_path / "corner.png").is_file()
    again, row = names["again"].dataset, names["row"]
    np.testing.assert_allclose(again["sigma"].values, row["sigma"].values, rtol=1e-12)
    np.testing.assert_allclose(again["quantile"].values, row["quantile"].values, atol=1e-3)
