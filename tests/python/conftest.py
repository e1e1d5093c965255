from __future__ import annotations

import sys
from pathlib import Path

# The helper modules beside the tests; pytest imports the tests themselves without a package.
sys.path.insert(0, str(Path(__file__).parent))
