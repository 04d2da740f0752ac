import pytest

from hpcflow.catalogues.column_names import parse_name
from hpcflow.catalogues.pairing import pairs_of


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        ("F555W F555W_err", ["[F555W, F555W_err]"]),
        ("F555W_mag F555W_err F555W_snr", ["[F555W_mag, F555W_err]"]),
        ("F555W F555W_flux F555W_flux_err", ["[F555W_flux, F555W_flux_err]"]),
        (
            "F555W_mag F555W_magerr F555W_flux F555W_fluxerr",
            ["[F555W_mag, F555W_magerr]", "[F555W_flux, F555W_fluxerr]"],
        ),
        ("F555W_mag F555W_flux F555W_err", ["[F555W_mag, F555W_err]", "[F555W_flux, F555W_err]"]),
        ("F555W e_F555W F555W_err", ["[F555W, e_F555W]", "[F555W, F555W_err]"]),
        ("F555W_ap4_mag F555W_ap4_err F555W_ap6_err", ["[F555W_ap4_mag, F555W_ap4_err]"]),
        ("F555W_mag F555W_fluxerr F814W_err", []),
        ("ACS_F555W UVIS_F555W ACS_F555W_err", ["[ACS_F555W, ACS_F555W_err]"]),
    ],
)
def test_values_find_their_errors(names: str, pairs: list[str]) -> None:
    said = [name for word in names.split() if (name := parse_name(word))]
    assert [str(pair) for pair in pairs_of(said)] == pairs
