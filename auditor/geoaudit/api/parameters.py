"""Parameters of plugins."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """Base of every plugin's parameters: a frozen pydantic model that refuses unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
