"""Where this machine's Chromium is."""

import os
import shutil

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str:
    """Its path; without one the test is left out, but for CI, where it fails."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        message = "Chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found
