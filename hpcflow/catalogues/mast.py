"""The addresses of PHANGS-HST and LEGUS catalogues at MAST."""

from typing import NamedTuple
from urllib.parse import quote

from hpcflow.catalogues.galaxies import galaxies

__all__ = ["LEGUS_PAGE", "PHANGS_PAGE", "SAMPLE", "Address", "addresses"]

PHANGS_PAGE = "https://archive.stsci.edu/hlsp/phangs/phangs-cat"  # doi:10.17909/jray-9798
LEGUS_PAGE = "https://archive.stsci.edu/prepds/legus/"
FOLDER = "https://archive.stsci.edu/hlsps/phangs-cat"
SAMPLE = "hlsp_phangs-cat_hst_acs-uvis_dr5-targets_v1_{}-{}-primary.fits"
BUNDLE = "hlsp_phangs-cat_hst_acs-uvis_{}_multi_v1_cats.tar.gz"


class Address(NamedTuple):
    """A file's address and what it holds."""

    name: str
    holds: str
    url: str


def addresses(at: str = FOLDER) -> list[Address]:
    """Return the tables of the whole sample (DR5), and for each galaxy the bundle of its `obs` and `sed` tables (DR4).

    Args:
        at: address of the folder that holds them.

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
    return found
