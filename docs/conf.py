"""The documentation site; `./dev docs` builds it.

Its source directory is the root of the clone, so that a link between two Markdown pages leads to
the same place on the site and where the files themselves are read.
"""

import re
from pathlib import Path
from xml.etree import ElementTree

import freshet
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[1]
INCLUDE = ROOT / "include" / "freshet"
XML = ROOT / "build" / "doxygen" / "xml"
logger = logging.getLogger(__name__)

project = "freshet"
author = "the freshet developers"
version = release = freshet.__version__

extensions = [
    "breathe",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "examples/**",
    "benchmarks/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
]
# So that they are not even walked through.
exclude_patterns = [".*", "bindings", "build", "cmake", "include", "requirements", "tests"]

# ---- pages ----

myst_heading_anchors = 4
# Notebooks come with their outputs; tests/python/test_notebooks.py runs them.
nb_execution_mode = "off"

# ---- C++ ----

breathe_projects = {"freshet": str(XML)}
breathe_default_project = "freshet"
# All but what is private, in this order.
SECTIONS = (
    "briefdescription detaileddescription define enum typedef var func public-type public-attrib "
    "public-static-attrib public-func public-static-func innerclass innernamespace"
)
# Breathe declares the namespace for each header.
suppress_warnings = ["duplicate_declaration.cpp"]

# ---- Python ----

default_role = "py:obj"  # `name` in a docstring
autodoc_member_order = "groupwise"
autodoc_typehints = "none"  # the docstrings have them
napoleon_google_docstring = False
napoleon_use_rtype = False

# ---- looks ----

html_theme = "furo"
html_title = f"freshet {version}"
html_additional_pages = {"index": "to_docs.html"}
templates_path = ["_templates"]
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False


def compounds(*kinds):
    """Yield the entries of some kinds in Doxygen's index, with the header each is in."""
    index = ElementTree.parse(XML / "index.xml")
    for compound in index.iter("compound"):
        if compound.get("kind") in kinds:
            file = ElementTree.parse(XML / f"{compound.get('refid')}.xml")
            yield compound, file.find("compounddef/location").get("file")


def name_files_by_path():
    """Let Doxygen's index call files by their paths: names alone are not unique."""
    paths = {compound.get("refid"): path for compound, path in compounds("file")}
    index = ElementTree.parse(XML / "index.xml")
    for compound in index.iterfind("compound[@kind='file']"):
        compound.find("name").text = paths[compound.get("refid")]
    index.write(XML / "index.xml")


def join_lines():
    """Join the lines of quotations, which Doxygen keeps: each would become a paragraph."""
    for path in XML.glob("*freshet*.xml"):
        page = ElementTree.parse(path)
        for paragraph in page.iter("para"):
            paragraph.text = (paragraph.text or "").replace("\n", " ")
            for part in paragraph:
                part.tail = (part.tail or "").replace("\n", " ")
        page.write(path, encoding="utf-8")


def list_headers(page):
    """Put the headers of a folder where a page says ``<!-- headers: FOLDER -->``."""

    def headers(found):
        names = sorted(header.name for header in (INCLUDE / found[1]).glob("*.hpp"))
        return "\n".join(describe(f"freshet/{found[1]}/{name}", name) for name in names)

    return re.sub(r"^<!-- headers: (\w+) -->$", headers, page, flags=re.MULTILINE)


def describe(path, name):
    """Return a section with all of a header."""
    lines = [f"## `{name}`", "", f"```{{doxygenfile}} {path}", f":sections: {SECTIONS}", "```", ""]
    # Breathe's files lack their concepts.
    for concept, header in compounds("concept"):
        if header == path:
            lines += [f"```{{doxygenconcept}} {concept.findtext('name')}", "```", ""]
    return "\n".join(lines)


def fitted(estimator):
    """Return the properties that are among the attributes of the class's docstring already."""
    return [name for name in dir(estimator) if name.endswith("_") and not name.startswith("_")]


def list_estimators(page):
    """Put all estimators where a page says ``<!-- estimators -->``."""
    names = [
        name
        for name in freshet.__all__
        if isinstance(getattr(freshet, name), type)
        and hasattr(getattr(freshet, name), "fit_predict")
    ]
    directives = "\n".join(
        f".. autoclass:: freshet.{name}\n   :members:\n   :inherited-members:\n"
        f"   :exclude-members: {', '.join(fitted(getattr(freshet, name)))}\n"
        for name in names
    )
    return page.replace("<!-- estimators -->", f"```{{eval-rst}}\n{directives}```")


def link_folders(page, folder):
    """Let links to a folder lead to its README, as they do where repositories are shown."""

    def readme(found):
        has_readme = (folder / found[2] / "README.md").exists()
        return f"[{found[1]}]({found[2]}README.md)" if has_readme else found[1]

    return re.sub(r"\[([^\[\]]+)\]\(((?!https?:)[^()\s]+/)\)", readme, page)


def prepare(app, docname, source):
    """Change a page before it is read."""
    page = Path(app.env.doc2path(docname))
    if page.suffix == ".md":
        source[0] = link_folders(list_estimators(list_headers(source[0])), page.parent)


def check_cpp_reference(_, env):
    """Warn of classes that Doxygen knows and no page has."""
    documented = {entry[0] for entry in env.get_domain("cpp").get_objects()}
    for compound, header in compounds("class", "struct", "concept"):
        if compound.findtext("name") not in documented:
            logger.warning("%s of %s is on no page", compound.findtext("name"), header)


def setup(app):
    """Sphinx calls this."""
    name_files_by_path()
    join_lines()
    app.connect("source-read", prepare)
    app.connect("env-check-consistency", check_cpp_reference)
