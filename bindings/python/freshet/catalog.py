"""The detection methods that a streaming detector can use."""

from __future__ import annotations

from dataclasses import dataclass

from freshet import _core

__all__ = ["Backend", "backends"]


@dataclass(frozen=True)
class Backend:
    """A detection method.

    Attributes
    ----------
    backend : str
        The identifier, as in ``StreamingDetector(backend=...)``.
    name, description, best_for : str
        For people.
    category : str
        ``"legacy"``, ``"fast"``, ``"distance"``, ``"clustering"``, ``"ensemble"``, ``"streaming"``
        or ``"deep_learning"``.
    speed : str
        ``"very_fast"``, ``"fast"``, ``"medium"`` or ``"slow"``.
    memory : str
        ``"low"``, ``"medium"`` or ``"high"``.
    parameters : tuple of str
        What ``backend_params`` may contain.
    is_legacy : bool
        Whether there are better choices for every purpose.
    """

    backend: str
    name: str
    description: str
    category: str
    speed: str
    memory: str
    parameters: tuple[str, ...]
    best_for: str
    is_legacy: bool = False


def _backend(
    backend: str,
    name: str,
    description: str,
    *,
    category: str = "fast",
    speed: str,
    memory: str,
    best_for: str,
) -> Backend:
    parameters = tuple(_core.default_parameters(backend))
    return Backend(backend, name, description, category, speed, memory, parameters, best_for)


def backends() -> list[Backend]:
    """All detection methods, in the order in which to try them.

    Returns
    -------
    list of Backend

    Examples
    --------
    >>> [method.backend for method in backends()][:4]
    ['ecod', 'copod', 'hbos', 'loda']
    """
    return [
        _backend(
            "ecod",
            "ECOD",
            "How far out in the tails of each column's empirical distribution a row lies",
            speed="very_fast",
            memory="medium",
            best_for="a first try: nothing to tune, exact explanations, any units",
        ),
        _backend(
            "copod",
            "COPOD",
            "Tail probabilities of the empirical copula, corrected for skewness",
            speed="very_fast",
            memory="medium",
            best_for="many columns with skewed distributions",
        ),
        _backend(
            "hbos",
            "HBOS",
            "How empty the histogram bins are that a row falls into",
            speed="very_fast",
            memory="low",
            best_for="the lowest latency, values with several usual levels",
        ),
        _backend(
            "loda",
            "LODA",
            "How rare a row is in the histograms of random projections",
            category="ensemble",
            speed="fast",
            memory="medium",
            best_for="anomalies that show in combinations of columns",
        ),
        _backend(
            "isolation_forest",
            "Isolation forest",
            "How few random splits separate a row from the others",
            category="ensemble",
            speed="medium",
            memory="medium",
            best_for="groups of normal rows of any shape, columns that matter only together",
        ),
        _backend(
            "knn",
            "KNN",
            "How far away the nearest training rows are",
            category="distance",
            speed="fast",
            memory="medium",
            best_for="how far out a row is, in groups of any shape; few columns of one unit",
        ),
        _backend(
            "local_outlier_factor",
            "LOF",
            "How much sparser it is around a row than around its nearest training rows",
            category="distance",
            speed="fast",
            memory="medium",
            best_for="groups of different density; few columns of one unit",
        ),
        _backend(
            "cblof",
            "CBLOF",
            "How far a row is from the center of the nearest large cluster",
            category="clustering",
            speed="very_fast",
            memory="low",
            best_for="a few round groups of normal rows, columns of one unit",
        ),
        _backend(
            "mcd",
            "MCD",
            "How far a row is from the center of the tightest half, in units of its covariance",
            category="distance",
            speed="very_fast",
            memory="low",
            best_for="rows that form one cloud: columns that move together, how far out a row is",
        ),
        _backend(
            "one_class_svm",
            "One-class SVM",
            "How far outside a smooth boundary around the usual rows a row lies",
            category="distance",
            speed="medium",
            memory="medium",
            best_for="usual rows of a curved shape, few scaled columns",
        ),
        _backend(
            "suod",
            "SUOD",
            "What LOF, HBOS, COPOD and isolation forests say together",
            category="ensemble",
            speed="medium",
            memory="high",
            best_for="rows of which nothing is known, where time does not matter",
        ),
        _backend(
            "autoencoder",
            "Autoencoder",
            "How badly a network that has learnt the usual rows reconstructs a row",
            category="deep_learning",
            speed="medium",
            memory="low",
            best_for="many columns that depend on each other in curves",
        ),
        _backend(
            "lstm_autoencoder",
            "LSTM autoencoder",
            "How badly a network that has learnt the usual windows reconstructs the last one",
            category="deep_learning",
            speed="medium",
            memory="medium",
            best_for="patterns in time: shapes, rhythms, columns that move together",
        ),
    ]
