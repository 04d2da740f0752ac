"""`hpcflow init`: copy a shipped config, and a site file, to start from."""

from pathlib import Path

from hpcflow.base.atomic import write_whole
from hpcflow.base.errors import InputError
from hpcflow.config.sites import shipped_sites

__all__ = ["init", "shipped_configs"]

PACKAGE = Path(__file__).parent.parent


def shipped_configs() -> dict[str, Path]:
    """Return the shipped configs by name."""
    for folder in (PACKAGE / "configs", PACKAGE.parent / "configs"):  # in a wheel, in a checkout
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def init(name: str, folder: Path, site: str | None = None) -> list[Path]:
    """Copy a shipped config, and optionally a site file, into a folder; return the paths of the copies.

    Raises:
        InputError: if there is no such config or site, or a file already exists; nothing is written.
    """
    shipped = [("config", name, shipped_configs())] + ([("site", site, shipped_sites())] if site else [])
    copies = []
    for kind, wanted, there in shipped:
        if wanted not in there:
            raise InputError(f"there is no shipped {kind} {wanted}; use one of {', '.join(there)}")
        copies.append((there[wanted], folder / f"{wanted}.yaml"))
        beside = there[wanted].with_suffix(".py")  # a simulator of one's own
        if kind == "config" and beside.is_file():
            copies.append((beside, folder / beside.name))
    for _, target in copies:
        if target.exists():
            raise InputError(f"{target} exists already; remove it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in copies:
        write_whole(target, source.read_text(encoding="utf-8"))
    return [target for _, target in copies]
