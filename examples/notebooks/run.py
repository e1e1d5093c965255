"""Run notebooks anew and keep what they print and draw; `./dev notebooks` does it for all.

python examples/notebooks/run.py [NOTEBOOK ...]
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent


def read(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs that are in the file."""
    return nbformat.read(path, as_version=4)


def executed(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of a new run, in a directory of its own."""
    notebook = read(path)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=120,
            kernel_name="python3",
            coalesce_streams=True,
            record_timing=False,
            resources={"metadata": {"path": folder}},
        )
        # Or what the caller draws with would keep pictures out of the notebook.
        client.execute(env={k: v for k, v in os.environ.items() if k != "MPLBACKEND"})
    # The versions of this machine are nobody's business.
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def main() -> None:
    for path in [Path(name) for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb")):
        print(path.name)
        nbformat.write(executed(path), path)


if __name__ == "__main__":
    main()
