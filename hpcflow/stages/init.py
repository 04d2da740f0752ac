"""`hpcflow init`: a shipped config to start from."""

from pathlib import Path

from hpcflow.errors import InputError

__all__ = ["init", "shipped_configs"]

PACKAGE = Path(__file__).parent.parent


def shipped_configs() -> dict[str, Path]:
    """Return the configs that travel with the package, by name."""
    for folder in (PACKAGE / "configs", PACKAGE.parent / "configs"):  # in a wheel, in a checkout
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def init(name: str, folder: Path) -> Path:
    """Copy a shipped config into a folder, and return where it is.

    Raises:
        InputError: if there is no such config, or the file exists already.
    """
    shipped = shipped_configs()
    if name not in shipped:
        raise InputError(f"there is no shipped config {name}; there are {', '.join(shipped)}")
    target = folder / f"{name}.yaml"
    if target.exists():
        raise InputError(f"{target} exists already; remove it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(shipped[name].read_text())
    return target
