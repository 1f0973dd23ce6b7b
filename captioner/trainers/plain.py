"""No trainer in mind: the defaults."""

from typing import Any

SETTINGS: dict[str, Any] = {}
