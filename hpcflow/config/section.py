"""What every section of a config is."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """A part of the config: every key is declared, none can be changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
