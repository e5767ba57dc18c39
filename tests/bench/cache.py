"""Where the benches keep simulated data and likelihood tables: outside the repository."""

import os
from pathlib import Path


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cytosol" / "bench"
