"""The benchmark scripts import each other by bare name, as `python tests/benchmarks/zoo.py` does; so do their tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
