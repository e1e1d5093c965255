"""Rows in, verdicts out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from freshet import _core
from freshet._rows import (
    NATIVE_ROWS,
    Row,
    Rows,
    Timestamp,
    as_seconds,
    as_seconds_array,
    native_batch,
    native_row,
)
from freshet._settings import Retrain, public_settings
from freshet.encoder import Schema
from freshet.results import Explanation, ResultBatch, Stats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["StreamingDetector"]

Backend: TypeAlias = Literal[
    "ecod",
    "copod",
    "hbos",
    "loda",
    "isolation_forest",
    "knn",
    "local_outlier_factor",
    "cblof",
    "mcd",
    "one_class_svm",
    "suod",
    "autoencoder",
    "lstm_autoencoder",
]
Normalization: TypeAlias = Literal["calibrated", "standardization", "zscore", "raw"]
Scaler: TypeAlias = Literal["none", "standard", "min_max", "robust"]
OutOfOrder: TypeAlias = Literal["error", "drop"]


class StreamingDetector:
    """Turns a stream of rows into verdicts.

    Encodes texts and flags, keeps the last rows, engineers features from them, scores each row with
    the active model, and trains the next model from the rows kept. A row is checked completely,
    then scored, then kept; a row that is refused leaves no trace. The row that completes
    `min_samples` starts the first training, which runs in that call, and gets no score itself; the
    next row is scored.

    Parameters
    ----------
    backend : str, default "ecod"
        The detection method: one of the identifiers that `freshet.backends` lists; each has an
        estimator, which says more.
    backend_params : mapping, optional
        The parameters of the method, for example ``{"n_bins": 20}`` for HBOS.
    columns : sequence of str, optional
        The columns' names. By default the first row decides: the names of a mapping or DataFrame,
        or only the width of a sequence or array, whose columns are then called f0, f1, ...
    min_samples : int, default 50
        Rows before the first training, at least 2.
    retrain_interval : int, default 100
        Rows between the beginnings of two trainings, at least 1.
    window_size : int, default 1000
        Rows kept for training, at least `min_samples`.
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.
    threshold : float, optional
        Rows that score above it are anomalies. By default 0.5; 2.0 with ``normalization="zscore"``;
        the ``1 - contamination`` percentile of the training scores with ``normalization="raw"``.
    normalization : {"calibrated", "standardization", "zscore", "raw"}, default "calibrated"
        How the backend's raw scores become scores. Calibrated: logistic, 0.5 at the
        ``1 - contamination`` percentile of the training scores and 0.25 at their median.
        Standardization: logistic of (raw - mean) / std. Zscore: (raw - mean) / std. Raw: as is.
    rolling_windows : sequence of int, optional
        Widths in rows, 1 or more each; for every column and width the rolling mean, standard
        deviation, minimum and maximum become features.
    lag_periods : sequence of int, optional
        Distances in rows, 1 or more each; for every column and distance the value so many rows
        ago becomes a feature.
    shingle : int, default 1
        Consecutive rows that are scored together as one vector, less than `min_samples`. Of a
        backend that scores windows it is the backend's window, without being set.
    schema : mapping of str to str or mapping, optional
        How columns that are no numbers become numbers: an encoding by column, ``"numeric"``,
        ``"hash"``, ``"label"``, ``"onehot"``, ``"binary"`` or ``"frequency"``; see `Encoder`. Here
        they learn with every row that is kept: labels and one-hot columns are given in order of
        first appearance, frequencies are shares of the rows so far including the row itself. A
        one-hot column has 16 categories (or ``max_categories``, as in ``{"encoding": "onehot",
        "max_categories": 8}``) and one column more for all others. Features are made of all encoded
        columns.
    scaler : {"none", "standard", "min_max", "robust"}, optional
        How features are scaled before the backend sees them; not by default.
    retrain : {"background", "inline", "manual", "hosted"}, default "background"
        Where the models after the first are trained. Background: on a thread of the library while
        scoring goes on with the model at hand. Inline: in the call whose row makes it due, so that
        results depend on nothing but the rows. Manual: when `retrain` is called. Hosted: wherever
        the host runs what `training` returns, until the host gives the model to `publish`; results
        depend on nothing but the order of the calls.
    seed : int, default 0
        The seed of every training, 0 or more.
    out_of_order : {"error", "drop"}, default "error"
        Whether a row whose timestamp is earlier than the one before is refused, or left out,
        counted in `stats` and answered without a score.
    n_features : int, optional
        The width of the rows, where neither `columns` nor the first row is to decide it.

    Raises
    ------
    ConfigurationError
        If a parameter is unknown, of the wrong type or out of range; ``field`` names it.

    Notes
    -----
    All methods may be called from any number of threads; rows are then processed in the order in
    which the threads get hold of the detector. A call releases the GIL while it computes, except
    `process` for the few microseconds that scoring a single row takes.

    Scoring one row costs what the method's estimator says, O(features · log window) with ECOD. Each
    rolling statistic costs O(1) whatever its window.

    Detectors can be copied and pickled, at any time.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> detector = StreamingDetector("ecod", contamination=0.01, min_samples=100)
    >>> for row in rng.normal(size=(200, 3)):
    ...     result = detector.process(row)
    >>> detector.process([0.1, -0.2, 0.3]).is_anomaly
    False
    >>> detector.process([8.0, -9.0, 7.0]).is_anomaly
    True
    """

    __slots__ = ("__weakref__", "_core", "_names")

    def __init__(
        self,
        backend: Backend | str = "ecod",
        *,
        backend_params: Mapping[str, Any] | None = None,
        columns: Iterable[str] | None = None,
        min_samples: int = 50,
        retrain_interval: int = 100,
        window_size: int = 1000,
        contamination: float = 0.1,
        threshold: float | None = None,
        normalization: Normalization | str = "calibrated",
        rolling_windows: Sequence[int] | None = None,
        lag_periods: Sequence[int] | None = None,
        shingle: int = 1,
        schema: Schema | None = None,
        scaler: Scaler | str | None = None,
        retrain: Retrain | str = "background",
        seed: int = 0,
        out_of_order: OutOfOrder | str = "error",
        n_features: int | None = None,
    ) -> None:
        settings = dict(locals())
        del settings["self"]
        self._core = _core.Detector(settings)
        self._names: tuple[list[str], list[str], list[int]] | None = None

    def process(self, row: Row, timestamp: Timestamp | None = None) -> _core.Result:
        """Score a row with the active model, then keep it.

        Parameters
        ----------
        row : mapping, sequence or 1-D array of float, shape (n_columns,)
            Finite values of magnitude 1e100 at most, in columns of the schema also flags and texts.
            A mapping is matched by name; anything else by position.
        timestamp : float, datetime or numpy.datetime64, optional
            When the row was measured: seconds since any epoch, or a date (UTC if it is naive).

        Returns
        -------
        Result
            The verdict; its ``score``, ``raw_score``, ``is_anomaly`` and ``alarm`` are None in
            cold start.

        Raises
        ------
        DataError
            If a value is NaN, infinite, too large or not what its encoding takes, if there are too
            many or too few, if a name is unknown, missing or comes twice, or if the timestamp is
            earlier than the one before.
            Names row and column; the detector is unchanged.
        """
        if type(row) not in NATIVE_ROWS:
            row = native_row(row)
        if timestamp is not None:
            timestamp = as_seconds(timestamp)
        return self._core.process(row, timestamp)

    def process_many(
        self, rows: Rows, timestamps: Any = None, *, columns: Iterable[str] | None = None
    ) -> ResultBatch:
        """Process rows in order; the same as `process` for each, but much faster.

        All rows are checked before the first is processed, so that a batch that is refused changes
        nothing. The memory of a float64 array with contiguous rows is used as it is.

        Parameters
        ----------
        rows : array of shape (n_rows, n_columns), DataFrame, or iterable of rows
            A pandas or Polars DataFrame is matched by column name, if its columns have names.
        timestamps : array or sequence of shape (n_rows,), optional
            When the rows were measured; see `process`.
        columns : sequence of str, optional
            The names of the columns, if `rows` is an array.

        Returns
        -------
        ResultBatch
            Arrays of one value per row.

        Raises
        ------
        DataError
            As `process`, and for a batch without rows or with more or fewer timestamps than rows.
        """
        batch, names = native_batch(rows, columns)
        times = None if timestamps is None else as_seconds_array(timestamps)
        return ResultBatch(self._core.process_many(batch, names, times))

    def check(
        self, rows: Rows, timestamps: Any = None, *, columns: Iterable[str] | None = None
    ) -> None:
        """Raise what `process_many` would raise for these rows; nothing changes.

        Raises
        ------
        DataError
            See `process_many`.
        """
        batch, names = native_batch(rows, columns)
        times = None if timestamps is None else as_seconds_array(timestamps)
        self._core.check(batch, names, times)

    def score(self, row: Row) -> _core.Score:
        """What a row would score if it came next; nothing is kept.

        Parameters
        ----------
        row : mapping, sequence or 1-D array of float, shape (n_columns,)
            See `process`.

        Returns
        -------
        Score
            With ``score``, ``raw_score`` and ``is_anomaly``; ``float()`` of it is its score.

        Raises
        ------
        DataError
            For a row that `process` would refuse.
        NotReadyError
            While there is no model.
        """
        return self._core.score(native_row(row))

    def explain(self, row: Row) -> Explanation:
        """What each column would add to the raw score of a row if it came next; nothing is kept.

        Parameters
        ----------
        row : mapping, sequence or 1-D array of float, shape (n_columns,)
            See `process`.

        Returns
        -------
        Explanation
            A mapping from column to contribution. The contributions sum to ``raw_score`` up to
            rounding.

        Raises
        ------
        DataError
            For a row that `process` would refuse.
        NotReadyError
            While there is no model.
        """
        explained = self._core.explain(native_row(row))
        names = self._names
        if names is None:
            names = (
                self._core.columns(),
                self._core.feature_names(),
                self._core.feature_columns(),
            )
            if not self._core.has_schema():  # with one, new categories bring new names
                self._names = names
        return Explanation._of(explained, *names)

    def plot_explanation(
        self, row: Row, *, max_columns: int = 20, ax: Axes | None = None
    ) -> Figure:
        """Draw what `explain` says of a row: a bar for each column, the largest ones on top.

        Parameters
        ----------
        row : mapping, sequence or 1-D array of float, shape (n_columns,)
            See `process`.
        max_columns : int, default 20
            The other columns are drawn as one sum.
        ax : matplotlib Axes, optional
            Where to draw. By default a new figure.

        Returns
        -------
        matplotlib.figure.Figure
            Not registered with ``pyplot``; it shows itself in a notebook, and ``savefig`` saves it.

        Raises
        ------
        DataError
            For a row that `process` would refuse.
        NotReadyError
            While there is no model.
        ImportError
            If Matplotlib is not installed.
        """
        from freshet.plotting import draw_explanation

        return draw_explanation(self.explain(row), max_columns=max_columns, ax=ax)

    def retrain(self) -> None:
        """Train on the rows kept, now.

        The training runs in this call, unless there is a model already and the detector was made
        with ``retrain="background"``: then it begins as soon as none is running, and `wait` waits
        for it. With ``retrain="hosted"`` it becomes the next one that `training` returns.

        Raises
        ------
        NotReadyError
            With fewer than `min_samples` rows.
        FitError
            If training in this call fails; the model at hand stays active.
        """
        self._core.retrain()

    def training(self) -> _core.Training | None:
        """With ``retrain="hosted"``, the training that is due; None while none is.

        The status is "retraining" until its model, or one of the same version that was trained
        elsewhere, is given to `publish`, or it is given up by `abandon_training`. Until then it
        stays the same: further trainings that become due coalesce into the one after it.

        Returns
        -------
        Training or None
            To be run in any thread. It trains on the rows that were kept at the row that made it
            due.
        """
        return self._core.training()

    def publish(self, model: _core.TrainedModel) -> bool:
        """Make a model that was trained elsewhere the active one, from the next row on.

        A ``threshold`` in the settings replaces the model's.

        Parameters
        ----------
        model : TrainedModel
            Its memory is shared by all detectors that it is given to.

        Returns
        -------
        bool
            Whether it was taken over: not when its version is other than the active model's plus 1
            (1 while there is none); nothing has changed then.

        Raises
        ------
        ConfigurationError
            If it is of another backend, or was trained on other features or columns of other names.
        NotReadyError
            Before the first row, if neither `columns` nor `n_features` was set.
        """
        return self._core.publish(model)

    def abandon_training(self, why: str, version: int | None = None) -> bool:
        """Give up the training that `training` returns; the next interval tries again.

        Parameters
        ----------
        why : str
            Becomes ``last_error`` of `stats`, which counts a failed training.
        version : int, optional
            The training's version, to give up no other one.

        Returns
        -------
        bool
            Whether there was one.
        """
        return self._core.abandon_training(why, version)

    def wait(self) -> None:
        """Block until no training is running and its model is active; other threads go on.

        Never waits for a training that is handed to the host.
        """
        self._core.wait()

    def reset(self) -> None:
        """Back to cold start: rows, features, model and counters are gone, the settings stay."""
        self._core.reset()
        self._names = None

    def stats(self) -> Stats:
        """The state of the detector in numbers."""
        return Stats(**self._core.stats())

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns; None until they are known."""
        return tuple(self._core.columns()) or None

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The names of the features, in the order the model sees them; None until known.

        Of one-hot columns ``{column}_{category}``, ``{column}_slot_{number}`` until there is a
        category for it, and ``{column}_other``.
        """
        return tuple(self._core.feature_names()) or None

    @property
    def settings(self) -> dict[str, Any]:
        """All settings, with which an equal detector can be made: the constructor's arguments."""
        return public_settings(self._core.settings())

    def snapshot(self) -> bytes:
        """The whole state, with a training that is running, as bytes for `restore`.

        O(size of the window and the model).
        """
        return self._core.snapshot()

    @classmethod
    def from_bundle(
        cls, path: str | os.PathLike[str], *, retrain: Retrain | str = "manual", **settings: Any
    ) -> StreamingDetector:
        """A detector that begins with the model of a bundle.

        Rows are scored from the first full window on; until then the status is "collecting". The
        score is the bundle's error, the threshold the bundle's.

        Parameters
        ----------
        path : path
            A directory written by ``LSTMAutoencoder.save``, ``freshet train`` or the C++ library.
        retrain : {"manual", "background", "inline", "hosted"}, default "manual"
            Manual keeps the bundle's model; otherwise later models are trained on the rows that
            come, beginning with its weights.
        **settings
            ``threshold``, ``contamination``, ``min_samples``, ``retrain_interval``,
            ``window_size``, ``seed`` or ``out_of_order``, as of the class.

        Raises
        ------
        ModelFileError
            If the bundle is missing, damaged, or of another version; says what is wrong.
        ConfigurationError
            If a setting is unknown or out of range; ``field`` names it.
        """
        detector = cls.__new__(cls)
        model = _core.TrainedModel.from_bundle(path)
        detector._core = _core.Detector({"retrain": retrain, **settings}, model)
        detector._names = None
        return detector

    @classmethod
    def restore(cls, data: bytes) -> StreamingDetector:
        """A detector that goes on exactly as the one whose snapshot `data` is.

        Parameters
        ----------
        data : bytes
            What `snapshot` returned, in this or another process or machine.

        Returns
        -------
        StreamingDetector
            Every later result is the same to the bit.

        Raises
        ------
        SnapshotError
            If the bytes are truncated, damaged, or of another format.
        """
        detector = cls.__new__(cls)
        detector._core = _core.Detector.restore(bytes(data))
        detector._names = None
        return detector

    def __copy__(self) -> StreamingDetector:
        return self.restore(self.snapshot())

    def __deepcopy__(self, memo: dict[int, Any]) -> StreamingDetector:
        return self.restore(self.snapshot())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).restore, (self.snapshot(),)

    def __repr__(self) -> str:
        stats = self.stats()
        return (
            f"<StreamingDetector backend={self._core.settings()['backend']!r} "
            f"status={stats.status!r} total_processed={stats.total_processed} "
            f"model_version={stats.model_version}>"
        )
