import sys
from pathlib import Path

import pytest

from clients.data import load

sys.path.append(str(Path(__file__).parent))  # so that the tests share case_files


@pytest.fixture(autouse=True)
def _fresh() -> None:
    """Files change within a test, but what was read is kept by spec."""
    load.cache_clear()
