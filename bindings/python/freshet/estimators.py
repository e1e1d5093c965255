"""Detectors for tables, in the scikit-learn and PyOD convention."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from freshet import _core
from freshet._estimator import Estimator, TrainedModel, numpy_random
from freshet._rows import Floats, as_matrix, column_names

__all__ = ["COPOD", "ECOD", "HBOS", "LODA"]

Variant: TypeAlias = Literal["pyod", "paper"]
BinCount: TypeAlias = int | Literal["auto"]


class ECOD(Estimator):
    """Scores how far out in the tails of each column's empirical distribution a row lies.

    A column's tail is the share of rows with values at most, or at least, as large; the rarer the
    tail, the larger -log of its share. No parameters to tune, not random, and independent of the
    columns' units. Training takes O(rows · columns), a score O(columns · log rows).

    Parameters
    ----------
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.
    variant : {"pyod", "paper"}, default "pyod"
        What to follow where PyOD departs from the published method.

        "pyod": per column the larger of both tails is taken (their sum where the column is not
        skewed), and the columns are added up; a new row is counted among the training rows, in
        shares and skewness. A batch of one row scores in PyOD what it scores here.

        "paper": the largest of three sums over the columns: left tails, right tails, and the tails
        that the skewness points to; shares and skewness are those of the training rows alone. A
        value outside the training range gets the share 1 / (n + 1).

    Attributes
    ----------
    decision_scores_ : ndarray of float64, shape (n_rows,)
        The scores of the training rows; larger is more abnormal, 0 is the smallest. No unit.
    threshold_ : float
        The ``1 - contamination`` percentile of the training scores.
    labels_ : ndarray of int, shape (n_rows,)
        1 for training rows above the threshold, else 0.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        The columns' names; only after training on a DataFrame that has some.

    Raises
    ------
    ConfigurationError
        If a parameter is out of range; ``field`` names it.

    References
    ----------
    Z. Li, Y. Zhao, X. Hu, N. Botta, C. Ionescu and G. H. Chen, "ECOD: Unsupervised Outlier
    Detection Using Empirical Cumulative Distribution Functions", IEEE TKDE, 2022,
    arXiv:2201.00382.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> detector = ECOD(contamination=0.01).fit(X)
    >>> detector.predict([[0.0, 0.0, 0.0], [5.0, -5.0, 5.0]])
    array([0, 1])
    """

    _backend = "ecod"
    _model_type = _core.EcodModel

    def __init__(self, contamination: float = 0.1, variant: Variant = "pyod") -> None:
        self.variant = variant
        super().__init__(contamination)


class COPOD(Estimator):
    """Scores how improbable the tails of a row are under the empirical copula.

    The tails of a column are those of `ECOD`. No parameters to tune, not random, and independent
    of the columns' units. Training takes O(rows · columns), a score O(columns · log rows).

    Parameters
    ----------
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.
    variant : {"pyod", "paper"}, default "pyod"
        What to follow where PyOD departs from the published method.

        "pyod": per column the larger of the mean of both tails and the tail that the skewness
        points to (the sum of both where there is no skewness), and the columns are added up; a new
        row is counted among the training rows, in shares and skewness. A batch of one row scores
        in PyOD what it scores here.

        "paper": the same as ``ECOD(variant="paper")``; both papers describe the same score.

    Attributes
    ----------
    decision_scores_ : ndarray of float64, shape (n_rows,)
        The scores of the training rows; larger is more abnormal, 0 is the smallest. No unit.
    threshold_ : float
        The ``1 - contamination`` percentile of the training scores.
    labels_ : ndarray of int, shape (n_rows,)
        1 for training rows above the threshold, else 0.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        The columns' names; only after training on a DataFrame that has some.

    Raises
    ------
    ConfigurationError
        If a parameter is out of range; ``field`` names it.

    References
    ----------
    Z. Li, Y. Zhao, N. Botta, C. Ionescu and X. Hu, "COPOD: Copula-Based Outlier Detection", IEEE
    ICDM, 2020, arXiv:2009.09463.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> COPOD(contamination=0.01).fit(X).predict([[0.0, 0.0, 0.0], [5.0, -5.0, 5.0]])
    array([0, 1])
    """

    _backend = "copod"
    _model_type = _core.CopodModel

    def __init__(self, contamination: float = 0.1, variant: Variant = "pyod") -> None:
        self.variant = variant
        super().__init__(contamination)


class HBOS(Estimator):
    """Scores how empty the histogram bins are that a row falls into.

    Every column gets a histogram of equal bins; a score is the sum over the columns of
    -log2(density + alpha). Not random. Scores may be negative, and change with the columns' units,
    as densities do. Training takes O(rows · columns), a score O(columns).

    The numbers are PyOD's. In the paper each histogram is scaled so that its highest bin is 1, and
    the score is the sum of log(1 / height) without `alpha` and `tol`.

    Parameters
    ----------
    n_bins : int or "auto", default 10
        Bins per column, from 2 to 100000; "auto" takes the number that the penalized likelihood
        of Birgé and Rozenholc (2006) prefers for each column.
    alpha : float, default 0.1
        Added to the densities so that empty bins score finitely, 0 < alpha < 1.
    tol : float, default 0.5
        How far beyond the bins a value counts as inside the outermost, in bin widths,
        0 < tol < 1.
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.

    Attributes
    ----------
    hist_ : ndarray of float64, shape (n_bins, n_columns), or list of ndarray
        The densities, per the column's unit; one array per column with ``n_bins="auto"``.
    bin_edges_ : ndarray of float64, shape (n_bins + 1, n_columns), or list of ndarray
        The bins' edges, in the column's unit; one array per column with ``n_bins="auto"``.
    decision_scores_ : ndarray of float64, shape (n_rows,)
        The scores of the training rows; larger is more abnormal. No unit.
    threshold_ : float
        The ``1 - contamination`` percentile of the training scores.
    labels_ : ndarray of int, shape (n_rows,)
        1 for training rows above the threshold, else 0.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        The columns' names; only after training on a DataFrame that has some.

    Raises
    ------
    ConfigurationError
        If a parameter is out of range; ``field`` names it.
    FitError
        From `fit`, if a column's values are neither equal nor far enough apart for its bins.

    References
    ----------
    M. Goldstein and A. Dengel, "Histogram-based Outlier Score (HBOS): A fast Unsupervised Anomaly
    Detection Algorithm", KI, 2012. L. Birgé and Y. Rozenholc, "How many bins should be put in a
    regular histogram", ESAIM: Probability and Statistics 10, 2006.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> HBOS(contamination=0.01).fit(X).predict([[0.0, 0.0, 0.0], [5.0, -5.0, 5.0]])
    array([0, 1])
    """

    _backend = "hbos"
    _model_type = _core.HbosModel

    def __init__(
        self,
        n_bins: BinCount = 10,
        alpha: float = 0.1,
        tol: float = 0.5,
        contamination: float = 0.1,
    ) -> None:
        self.n_bins = n_bins
        self.alpha = alpha
        self.tol = tol
        super().__init__(contamination)

    @property
    def hist_(self) -> Floats | list[Floats]:
        """The densities of the bins."""
        return self._columns(self._hbos().densities())

    @property
    def bin_edges_(self) -> Floats | list[Floats]:
        """The edges of the bins."""
        return self._columns(self._hbos().bin_edges())

    def _hbos(self) -> _core.HbosModel:
        # Not NotReadyError: an attribute that is not there is what scikit-learn expects.
        if not hasattr(self, "_model"):
            raise AttributeError("this HBOS is not trained yet: call fit first")
        model: _core.HbosModel = self._model  # type: ignore[assignment]
        return model

    def _columns(self, columns: list[Floats]) -> Floats | list[Floats]:
        return columns if self._automatic else np.column_stack(columns)

    def _train(self, rows: Floats, names: list[str] | None) -> TrainedModel:
        self._automatic = self.n_bins == "auto"
        return super()._train(rows, names)


class LODA(Estimator):
    """Scores how rare a row is in the histograms of random projections.

    Rows are projected on random vectors with √columns nonzero normal weights each; each projection
    gets a histogram of equal bins, and a score rests on -log of the probabilities of a row's bins.
    Sees anomalies in combinations of columns. Scores change with the columns' units. Training
    takes O(cuts · rows · √columns), a score O(cuts · √columns).

    Parameters
    ----------
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.
    n_bins : int or "auto", default 10
        Bins per projection, from 2 to 100000; "auto" takes the number that the penalized
        likelihood of Birgé and Rozenholc (2006) prefers for each projection.
    n_random_cuts : int, default 100
        Projections, from 1 to 100000.
    random_state : None, int or numpy.random.RandomState, optional
        Where the projections come from, in the scikit-learn convention: NumPy's global state, a
        seed, or a generator. The same seed gives the same projections, and scores, as in PyOD.
    variant : {"pyod", "paper"}, default "pyod"
        What to follow where PyOD departs from the published method.

        "pyod": a value is looked up one bin too far up, and the mean over the projections is
        divided by their number once more.

        "paper": the value's own bin, and the mean over the projections of -log p; a value beyond
        the bins has the probability of an empty one.

    Attributes
    ----------
    projections_ : ndarray of float64, shape (n_random_cuts, n_columns)
        The weights, mostly zeros.
    decision_scores_ : ndarray of float64, shape (n_rows,)
        The scores of the training rows; larger is more abnormal. No unit.
    threshold_ : float
        The ``1 - contamination`` percentile of the training scores.
    labels_ : ndarray of int, shape (n_rows,)
        1 for training rows above the threshold, else 0.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        The columns' names; only after training on a DataFrame that has some.

    Raises
    ------
    ConfigurationError
        If a parameter is out of range; ``field`` names it.
    FitError
        From `fit`, if the values of a projection are neither equal nor far enough apart for its
        bins.

    References
    ----------
    T. Pevný, "Loda: Lightweight on-line detector of anomalies", Machine Learning 102, 2016.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> LODA(contamination=0.01, random_state=0).fit(X).predict([[0.0] * 3, [8.0, -8.0, 8.0]])
    array([0, 1])
    """

    _backend = "loda"
    _model_type = _core.LodaModel

    def __init__(
        self,
        contamination: float = 0.1,
        n_bins: BinCount = 10,
        n_random_cuts: int = 100,
        random_state: int | np.random.RandomState | None = None,
        variant: Variant = "pyod",
    ) -> None:
        self.n_bins = n_bins
        self.n_random_cuts = n_random_cuts
        self.random_state = random_state
        self.variant = variant
        super().__init__(contamination)

    def fit(self, X: Any, y: Any = None, projections: Any = None) -> LODA:
        """Train on rows.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_columns)
            Finite values of magnitude 1e100 at most.
        y : ignored
        projections : array of shape (n_random_cuts, n_columns), optional
            The weights to project with, instead of random ones.

        Returns
        -------
        self

        Raises
        ------
        ConfigurationError
            If a parameter is out of range, or the projections have another shape.
        DataError
            If there are no rows, or a value is NaN, infinite or too large; names row and column.
        FitError
            If the values of a projection are neither equal nor far enough apart for its bins.
        """
        if projections is None:
            return super().fit(X, y)
        self._check()
        names = column_names(X)
        rows = as_matrix(X, names)
        self._learned(self._train_on(rows, as_matrix(projections), names), names)
        return self

    @property
    def projections_(self) -> Floats:
        """The weights of the projections."""
        if not hasattr(self, "_model"):
            raise AttributeError("this LODA is not trained yet: call fit first")
        model: _core.LodaModel = self._model  # type: ignore[assignment]
        return model.projections()

    def _backend_parameters(self) -> dict[str, Any]:
        params = super()._backend_parameters()
        del params["random_state"]
        return params

    def _train(self, rows: Floats, names: list[str] | None) -> TrainedModel:
        n_columns = rows.shape[1] if rows.ndim == 2 else 0
        return self._train_on(rows, self._draw_projections(n_columns), names)

    def _train_on(self, rows: Floats, projections: Floats, names: list[str] | None) -> TrainedModel:
        return _core.LodaModel.fit_projections(self._backend_parameters(), rows, projections, names)

    def _draw_projections(self, n_columns: int) -> Floats:
        # NumPy's legacy generator in PyOD's order of draws, so that equal seeds agree.
        random = numpy_random(self.random_state)
        projections: Floats = random.randn(self.n_random_cuts, n_columns)
        n_zeros = n_columns - int(np.sqrt(n_columns))
        for projection in projections:
            projection[random.permutation(n_columns)[:n_zeros]] = 0.0
        return projections
