"""What several tests share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data and golden outputs beside the checkout; tests that need them skip without."""
    if not SHARED.is_dir():
        pytest.skip("the shared reference data are not on this machine")
    return SHARED
