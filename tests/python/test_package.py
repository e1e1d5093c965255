"""The package as a whole: names, types, documentation."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import freshet
import numpy as np
import pytest

FOLDER = Path(freshet.__file__).parent
MODULES = [
    "cblof",
    "autoencoder",
    "catalog",
    "errors",
    "estimators",
    "features",
    "isolation_forest",
    "lstm",
    "neighbors",
    "plotting.results",
    "pool",
    "results",
    "streaming",
    "suod",
]


def test_every_name_is_there() -> None:
    assert len(set(freshet.__all__)) == len(freshet.__all__)
    for name in freshet.__all__:
        assert hasattr(freshet, name)
    public = {name for name, value in vars(freshet).items() if not name.startswith("_")}
    modules = {name for name in public if isinstance(getattr(freshet, name), ModuleType)}
    assert public - modules - set(freshet.__all__) <= {
        "annotations",
        "import_module",
        "TYPE_CHECKING",
    }
    with pytest.raises(AttributeError, match="nonsense"):
        _ = freshet.nonsense  # type: ignore[attr-defined]


def test_the_version_is_that_of_the_library() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", freshet.__version__)
    assert freshet.__version__ == freshet._core.__version__


def test_types_come_with_the_package() -> None:
    assert (FOLDER / "py.typed").exists()
    stub = (FOLDER / "_core.pyi").read_text()
    for name, value in vars(freshet._core).items():
        if name.startswith("__") and name != "__version__":
            continue
        assert re.search(rf"^(class |def )?{name}\b", stub, re.MULTILINE), name
        if isinstance(value, type):
            _, body = re.split(rf"^class {name}\b", stub, flags=re.MULTILINE)
            body = body.split("\nclass ")[0]
            if body.startswith("(_Model)"):
                body += stub.split("class _Model:")[1].split("\nclass ")[0]
            for member in vars(value):
                if not member.startswith("_"):
                    assert f"def {member}(" in body, f"{name}.{member}"


def documented() -> Iterator[tuple[str, Any]]:
    for name in freshet.__all__:
        value = getattr(freshet, name)
        if isinstance(value, str):
            continue
        yield name, value
        if isinstance(value, type):
            for member, part in inspect.getmembers(value):
                if not member.startswith("_") and (callable(part) or isinstance(part, property)):
                    yield f"{name}.{member}", part


@pytest.mark.parametrize(("name", "value"), [pytest.param(n, v, id=n) for n, v in documented()])
def test_every_public_name_has_a_docstring(name: str, value: Any) -> None:
    assert inspect.getdoc(value), name


def test_parameters_are_documented() -> None:
    for cls in (
        freshet.StreamingDetector,
        freshet.ECOD,
        freshet.COPOD,
        freshet.HBOS,
        freshet.LODA,
        freshet.IForest,
        freshet.KNN,
        freshet.LOF,
        freshet.CBLOF,
        freshet.AutoEncoder,
        freshet.SUOD,
        freshet.MCD,
        freshet.OCSVM,
        freshet.RollingFeatures,
    ):
        for parameter in inspect.signature(cls).parameters:
            assert re.search(rf"^\s*{parameter}\b.* : ", cls.__doc__ or "", re.MULTILINE), (
                f"{cls.__name__}({parameter})"
            )


def test_algorithms_name_their_source() -> None:
    assert "2201.00382" in (freshet.ECOD.__doc__ or "")
    assert "2009.09463" in (freshet.COPOD.__doc__ or "")
    assert "Goldstein and A. Dengel" in (freshet.HBOS.__doc__ or "")
    assert "Machine Learning 102" in (freshet.LODA.__doc__ or "")
    assert "ICDM 2008" in (freshet.IForest.__doc__ or "")
    assert "MLSys 2021" in (freshet.SUOD.__doc__ or "")
    assert "Aggarwal" in (freshet.AutoEncoder.__doc__ or "")
    assert "SIGMOD 2000" in (freshet.KNN.__doc__ or "")
    assert "SIGMOD 2000" in (freshet.LOF.__doc__ or "")
    assert "Letters 24, 2003" in (freshet.CBLOF.__doc__ or "")
    assert "Technometrics 41, 1999" in (freshet.MCD.__doc__ or "")
    assert "Neural Computation 13, 2001" in (freshet.OCSVM.__doc__ or "")


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(f"freshet.{name}")
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.failed == 0


def test_compiled_functions_have_signatures() -> None:
    detector = freshet._core.Detector
    assert str(inspect.signature(detector.process)) == "(self, row, timestamp=None)"
