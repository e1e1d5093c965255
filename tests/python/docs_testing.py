"""The pages of the documentation and what is in them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
DOCUMENTS += sorted((ROOT / "examples").glob("*/README.md"))
#: The first two by test_docs.py, directives by the site's build, the others by
#: test_docs_commands.py.
LANGUAGES = {"python", "cpp", "{toctree}", "{eval-rst}", "cmake", "json", "sh", "toml", "yaml"}


def blocks(document, language):
    """Yield the line and the text of every block in a language."""
    text = document.read_text(encoding="utf-8")
    for found in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield text.count("\n", 0, found.start()) + 2, found.group(1)


def name(document):
    return str(document.relative_to(ROOT))
