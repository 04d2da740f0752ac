"""What the documentation says of the code: every file that it names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hpcflow"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
NAMED = re.compile(r"`((?:[\w-]+/)*[\w-]+\.py)`")
FILES = {str(path.relative_to(root)) for root in (ROOT, PACKAGE) for path in PACKAGE.rglob("*.py")} | {
    str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")
}
THEIRS = {"m2005.py"}  # of CIGALE
NAMES = {path.rsplit("/", 1)[-1] for path in FILES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    """A path must be one of the checkout or the package; a bare name stands for a file of the room just spoken of."""
    gone = [name for name in NAMED.findall(page.read_text()) if name not in FILES | NAMES | THEIRS]
    assert not gone


def test_the_walk_names_files() -> None:
    assert len(NAMED.findall((ROOT / "docs" / "architecture.md").read_text())) > 40


def test_rooms_are_drawn_in_the_order_of_imports() -> None:
    drawn = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"data"}
    assert {room for room in rooms if re.search(rf"^    (\w+ +)*{room}\b", drawn, re.MULTILINE)} == rooms
