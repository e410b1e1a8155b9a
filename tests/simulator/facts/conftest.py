"""Tables with a few rows that are like no other, the same without them, and scenarios over both."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
