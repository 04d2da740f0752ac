import numpy as np

from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.store.flags import Reason


def test_bands_with_large_errors_are_left_out_under_log_normal_noise() -> None:
    whole = Catalogue(
        galaxy=np.full(3, "a"),
        cluster_id=np.arange(3).astype(str),
        ra=np.zeros(3),
        dec=np.zeros(3),
        distance=np.ones(3),
        cluster_class=np.ones(3, np.int64),
        bands=("U", "V"),
        flux=np.ones((3, 2)),
        sigma=np.array([[0.1, 0.34], [0.36, 0.1], [0.349, np.nan]]),
        reason=np.zeros((3, 2), np.uint8),
    )
    found = whole.masked().bright(0.05, 0.35)
    assert found.reason.tolist() == [[0, 0], [Reason.FAINT, 0], [Reason.FAINT, Reason.BAD_ERROR]]
    assert np.isnan(found.flux[1, 0])
    assert found.flux[0].tolist() == [1.0, 1.0]
    uneven = whole.masked().bright({"U": 0.05, "V": 0.2}, 0.35)
    assert uneven.reason[0].tolist() == [0, Reason.FAINT]
