from urllib.parse import unquote, urlsplit

from hpcflow.catalogues.galaxies import galaxies
from hpcflow.catalogues.mast import addresses


def test_every_address_ends_in_its_file_and_every_galaxy_has_one() -> None:
    found = addresses()
    assert len({a.url for a in found}) == len(found) == 4 + len(galaxies()) + 2
    for address in found:
        assert urlsplit(address.url).hostname == "archive.stsci.edu"
        assert unquote(address.url).endswith(f"/{address.name}")
    assert all(any(name in a.holds for a in found) for name in galaxies()["galaxy"])
