"""What every test session needs before the first test is collected."""

import os

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")  # no test opens a window

# The first call of a torch operator may take longer than any deadline that would catch a slow example.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", parent=settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
