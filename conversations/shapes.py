"""What every shape of a JSON column is built on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """A name that it does not know is an error: a setting misspelt is never silently ignored."""

    model_config = ConfigDict(extra="forbid")
