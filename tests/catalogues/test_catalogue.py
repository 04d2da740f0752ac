

def test_bands_with_large_errors_are_left_out_under_log_normal_noise() -> None:
    whole = replace(made(3), flux=np.full((3, 2), 1.0), sigma=np.array([[0.1, 0.34], [0.36, 0.1], [0.349, np.nan]]))
    found = whole.masked().bright(0.05, 0.35)
    assert found.reason.tolist() == [[0, 0], [Reason.FAINT, 0], [Reason.FAINT, Reason.BAD_ERROR]]
    assert np.isnan(found.flux[1, 0])
    assert found.flux[0].tolist() == [1.0, 1.0]
