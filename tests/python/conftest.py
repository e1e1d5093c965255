from __future__ import annotations

import os
import sys
from pathlib import Path

# The helper modules beside the tests; pytest imports the tests themselves without a package.
sys.path.insert(0, str(Path(__file__).parent))

from bundle_testing import application, models_dir  # noqa: F401
from services_testing import (  # noqa: F401
    ferretdb_server,
    ferretdb_service,
    mongodb_url,
    postgres_server,
    postgres_service,
    postgres_url,
    redis_server,
    redis_service,
    redis_url,
)

collect_ignore = []
# Only where there are documents to take the clients from, and results to compare with.
if not os.environ.get("CLIENT_DOCUMENTS"):
    collect_ignore.append("test_printed_clients.py")
if not (Path(os.environ.get("FRESHET_DATA", "")) / "reference_results").is_dir():
    collect_ignore.append("test_evaluate_reference.py")
