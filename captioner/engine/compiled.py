"""Compiled modules where Python keeps none.

Images of rented machines often tell Python to write none, or do not let it, and are installed by what compiles none
either. Then whoever loads torch and what stands on it compiles 5,000 modules first, 10 s of one core each time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

FOLDER = "modules"
"""Of captioner's cache: up to 150 MB."""


@cache
def kept(package: str = "torch") -> Mapping[str, str]:
    """What a process that loads `package` must find in its environment, so that its modules are compiled once: nothing
    where they are, or where Python keeps them by itself."""
    spec = find_spec(package)
    if spec is None or spec.cached is None or sys.pycache_prefix is not None:
        return {}
    place = Path(spec.cached)
    folder = place.parent if place.parent.exists() else place.parent.parent
    if place.exists() or (not sys.dont_write_bytecode and os.access(folder, os.W_OK)):
        return {}
    from platformdirs import user_cache_path

    # An empty one counts as none.
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(user_cache_path("captioner") / FOLDER)}
