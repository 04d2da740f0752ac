"""Fetching from a server on this machine that may be wrong, slow to the point of silence, or gone."""

import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from hpcflow.base.errors import FetchError, InputError
from hpcflow.catalogues.fetch import CHECKSUMS, chosen, fetch
from hpcflow.catalogues.mast import Address, addresses

CONTENT = b"catalogue " * 1000


class Mast:
    """A stand-in for MAST: serves a folder, and remembers what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.sends_on_to = ""
        mast = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                mast.asked.append(self.path.rsplit("/", 1)[-1])
                if mast.sends_on_to:
                    self.send_response(302)
                    self.send_header("Location", mast.sends_on_to + self.path)
                    self.end_headers()
                elif self.path.endswith("cut.fits"):
                    self.send_response(200)
                    self.send_header("Content-Length", str(2 * len(CONTENT)))
                    self.end_headers()
                    self.wfile.write(CONTENT)
                else:
                    super().do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.port = self.server.server_address[1]
        self.at = f"http://127.0.0.1:{self.port}"

    def has(self, name: str, content: bytes = CONTENT) -> Address:
        (self.folder / name).write_bytes(content)
        return self.address(name)

    def address(self, name: str) -> Address:
        return Address(name, "a table", f"{self.at}/{name}")


@pytest.fixture
def mast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mast]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    folder = tmp_path / "mast"
    folder.mkdir()
    mast = Mast(folder)
    thread = Thread(target=mast.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield mast
    mast.server.shutdown()
    thread.join()
    mast.server.server_close()


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "here"


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_come_with_checksums_and_come_once(mast: Mast, to: Path) -> None:
    wanted = [mast.has("a.fits"), mast.has("b.fits", b"other")]
    assert list(fetch(wanted, to)) == [to / "a.fits", to / "b.fits"]
    assert (to / "a.fits").read_bytes() == CONTENT
    written = [
        f"{hashlib.sha256(content).hexdigest()}  {name}"
        for name, content in [("a.fits", CONTENT), ("b.fits", b"other")]
    ]
    assert (to / CHECKSUMS).read_text().splitlines() == written
    assert list(fetch(wanted, to)) == [to / "a.fits", to / "b.fits"]
    assert mast.asked == ["a.fits", "b.fits"]
    assert listed(to) == ["a.fits", "b.fits", CHECKSUMS]


def test_the_names_of_mast_survive_the_way(mast: Mast, to: Path) -> None:
    wanted = chosen(addresses(mast.at), ["human-class1+2"])
    (mast.folder / "dr5").mkdir()
    (mast.folder / "dr5" / wanted[0].name).write_bytes(CONTENT)
    assert [path.name for path in fetch(wanted, to)] == [wanted[0].name]
    assert list(fetch(wanted, to)) == [to / wanted[0].name]


def test_another_file_under_the_same_address_is_refused(mast: Mast, to: Path) -> None:
    wanted = [mast.has("a.fits")]
    list(fetch(wanted, to))
    (to / "a.fits").unlink()
    mast.has("a.fits", b"changed")
    with pytest.raises(InputError, match=r"is not the file that was fetched before; remove its line"):
        list(fetch(wanted, to))
    assert listed(to) == [CHECKSUMS]
    mast.has("a.fits")
    assert list(fetch(wanted, to)) == [to / "a.fits"]


def test_a_checksum_known_beforehand_counts_at_the_first_fetch(mast: Mast, to: Path) -> None:
    to.mkdir()
    (to / CHECKSUMS).write_text(f"{'0' * 64}  a.fits\n")
    with pytest.raises(InputError, match="is not the file"):
        list(fetch([mast.has("a.fits")], to))
    assert listed(to) == [CHECKSUMS]


def test_a_file_changed_here_is_refused_and_kept(mast: Mast, to: Path) -> None:
    wanted = [mast.has("a.fits")]
    list(fetch(wanted, to))
    (to / "a.fits").write_bytes(b"mine")
    with pytest.raises(InputError, match="has changed since it was fetched"):
        list(fetch(wanted, to))
    assert (to / "a.fits").read_bytes() == b"mine"


def test_a_file_already_there_is_trusted_as_if_it_had_been_fetched(mast: Mast, to: Path) -> None:
    to.mkdir()
    (to / "a.fits").write_bytes(CONTENT)
    list(fetch([mast.has("a.fits")], to))
    assert mast.asked == []
    assert "a.fits" in (to / CHECKSUMS).read_text()


def test_what_came_before_a_failure_is_kept_and_not_fetched_again(mast: Mast, to: Path) -> None:
    wanted = [mast.has("a.fits"), mast.address("lost.fits")]
    with pytest.raises(FetchError, match=r"lost.fits did not come: 404 .*; try later"):
        list(fetch(wanted, to))
    mast.has("lost.fits")
    assert len(list(fetch(wanted, to))) == 2
    assert mast.asked == ["a.fits", "lost.fits", "lost.fits"]


def test_half_a_file_is_none(mast: Mast, to: Path) -> None:
    with pytest.raises(FetchError, match=r"cut.fits did not come from 127.0.0.1"):
        list(fetch([mast.address("cut.fits")], to))
    assert listed(to) == []


def test_without_a_network_it_is_said_what_to_check(mast: Mast, to: Path) -> None:
    mast.server.shutdown()
    mast.server.server_close()
    with pytest.raises(FetchError, match="check that this machine reaches the internet") as refused:
        list(fetch([mast.address("a.fits")], to))
    assert refused.value.exit_code == 1
    assert listed(to) == []


def test_a_way_that_is_not_encrypted_is_refused(mast: Mast, to: Path) -> None:
    mast.sends_on_to = f"http://localhost:{mast.port}"
    with pytest.raises(FetchError, match="sends us on to http://localhost"):
        list(fetch([mast.has("a.fits")], to))
    with pytest.raises(InputError, match="use an https address"):
        list(fetch([Address("a.fits", "a table", f"{mast.sends_on_to}/a.fits")], to))
    assert listed(to) == []


@pytest.mark.parametrize("name", ["../a.fits", "/a.fits", "b/a.fits", ".."])
def test_a_name_cannot_lead_out_of_the_folder(mast: Mast, to: Path, name: str) -> None:
    with pytest.raises(InputError, match="no plain file name"):
        list(fetch([Address(name, "a table", f"{mast.at}/a.fits")], to))
    assert mast.asked == []


def test_a_broken_list_of_checksums_is_refused(mast: Mast, to: Path) -> None:
    to.mkdir()
    (to / CHECKSUMS).write_text("nonsense\n")
    with pytest.raises(InputError, match="not one checksum and file name a line"):
        list(fetch([mast.has("a.fits")], to))


def test_names_choose_and_none_choose_all() -> None:
    every = addresses()
    assert chosen(every, []) == every
    assert len(chosen(every, ["ngc 628"])) == 2  # two pointings
    assert [one.holds for one in chosen(every, ["NGC1566", "ngc1566"])] == [
        "NGC1566, obs and sed tables",
        "NGC1566, LEGUS",
    ]
    assert [one.holds for one in chosen(every, ["legus"])] == ["NGC0628C, LEGUS", "NGC1566, LEGUS"]
    assert len(chosen(every, ["dr5"])) == 4
    with pytest.raises(InputError, match="'M31' in its file name"):
        chosen(every, ["NGC1566", "M31"])
