"""Make a script's process repeatable: same environment, same bytes."""

import os
import sys

SETTINGS = {
    "PYTHONHASHSEED": "0",  # converters iterate over sets of names
    "OMP_NUM_THREADS": "1",  # sums in one order
    "OPENBLAS_NUM_THREADS": "1",
}


def start_repeatably():
    """Run the script again from its start under SETTINGS, unless they hold already."""
    if any(os.environ.get(name) != value for name, value in SETTINGS.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **SETTINGS})
