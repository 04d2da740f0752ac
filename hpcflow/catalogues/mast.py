"""The addresses of PHANGS-HST and LEGUS catalogues at MAST."""

from typing import NamedTuple
from urllib.parse import quote

from hpcflow.catalogues.galaxies import galaxies, normalise_galaxy

__all__ = ["LEGUS_PAGE", "PHANGS_PAGE", "SAMPLE", "Address", "addresses"]

PHANGS_PAGE = "https://archive.stsci.edu/hlsp/phangs/phangs-cat"  # doi:10.17909/jray-9798
LEGUS_PAGE = "https://archive.stsci.edu/prepds/legus/"
FOLDER = "https://archive.stsci.edu/hlsps/phangs-cat"
SAMPLE = "hlsp_phangs-cat_hst_acs-uvis_dr5-targets_v1_{}-{}-primary.fits"
LEGUS_FOLDER = "https://archive.stsci.edu/hlsps/legus"
LEGUS = {"ngc628-c": "acs-wfc3", "ngc1566": "wfc3"}  # instruments, of the galaxies with a config of their own
BUNDLE = "hlsp_phangs-cat_hst_acs-uvis_{}_multi_v1_cats.tar.gz"


class Address(NamedTuple):
    """A file's address and what it holds."""

    name: str
    holds: str
    url: str


def addresses(at: str = FOLDER) -> list[Address]:
    """Return the tables of PHANGS-HST, of the whole sample (DR5) and by galaxy (DR4), and two catalogues of LEGUS.

    Args:
        at: address of the folder that holds those of PHANGS-HST.

    >>> addresses()[0].url.endswith("/dr5/hlsp_phangs-cat_hst_acs-uvis_dr5-targets_v1_human-class1%2B2-primary.fits")
    True
    """
    found = []
    for who in ("human", "machine"):
        for kind, holds in (("class1+2", "clusters"), ("class3", "compact associations")):
            name = SAMPLE.format(who, kind)
            found.append(Address(name, f"all galaxies, {who}-classified {holds}", f"{at}/dr5/{quote(name)}"))
    for galaxy in galaxies()["galaxy"].tolist():
        name = BUNDLE.format(galaxy.lower())
        found.append(Address(name, f"{galaxy}, obs and sed tables", f"{at}/dr4/bundles/{name}"))
    for galaxy, instruments in LEGUS.items():
        name = f"hlsp_legus_hst_{instruments}_{galaxy}_multiband_v1_padagb-mwext-avgapcor.tab"
        url = f"{LEGUS_FOLDER}/{galaxy}/cluster_catalogs/deterministic/{name}"
        found.append(Address(name, f"{normalise_galaxy(galaxy)}, LEGUS", url))
    return found
