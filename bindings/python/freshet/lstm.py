"""The LSTM autoencoder, in the scikit-learn and PyOD convention."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from freshet import _core
from freshet._core import TrainingProgress
from freshet._reconstruction import ReconstructingEstimator
from freshet._rows import column_names as names_of
from freshet._torch_architecture import Architecture
from freshet._windows import as_windows, checked_names, default_names
from freshet.errors import ConfigurationError, NotReadyError

__all__ = ["LSTMAutoencoder", "TrainingProgress"]

Dtype: TypeAlias = Literal["float32", "float64"]
Scaler: TypeAlias = Literal["none", "standard", "min_max", "robust"]
Progress: TypeAlias = Callable[[TrainingProgress], object]


class LSTMAutoencoder(ReconstructingEstimator):
    """Scores how badly a network that has learnt the usual windows reconstructs a window.

    An LSTM encoder reads the window; its last hidden state, through a linear bottleneck if there is
    one, is repeated as the input of an LSTM decoder, and a linear layer turns each of its steps
    into a row. The score is the mean squared error of the scaled values. Trained by Adam without
    any deep-learning framework, and interchangeable with PyTorch's layers.

    Training takes O(epochs · windows · window · num_layers · hidden_size²), a score
    O(window · num_layers · hidden_size²).

    Parameters
    ----------
    window : int, default 48
        Rows per window, 2 or more.
    hidden_size : int, default 32
        Units of each layer.
    num_layers : int, default 1
        Layers of the encoder, and as many of the decoder.
    latent_size : int, optional
        Values of the bottleneck; none without.
    epochs : int, default 60
        Passes over the training windows, at most.
    batch_size : int, default 64
        Windows per step of the optimizer.
    learning_rate : float, default 0.003
        Of Adam.
    validation_fraction : float, default 0.1
        The share of windows, the last ones, on which the training is judged, 0 <= fraction < 1. The
        weights of the best epoch are kept.
    patience : int, default 10
        Epochs without a smaller loss that end the training.
    clip_norm : float, default 1.0
        The largest norm of a step's gradient.
    seed : int, default 0
        Of the first weights and of the order of windows. On one machine the same seed gives the
        same model to the bit, whatever `n_threads`.
    dtype : {"float32", "float64"}, default "float32"
        The numbers that the network computes with.
    scaler : {"standard", "none", "min_max", "robust"}, default "standard"
        How each column is scaled before it comes to the network.
    n_threads : int, optional
        Threads that train and score batches; as many as there are processors by default.
    contamination : float, default 0.1
        The share of anomalies expected among the training windows, 0 < contamination <= 0.5.

    Attributes
    ----------
    decision_scores_ : ndarray of float64, shape (n_windows,)
        The errors of the training windows; larger is more abnormal.
    threshold_ : float
        The ``1 - contamination`` percentile of the training scores. May be set.
    labels_ : ndarray of int, shape (n_windows,)
        1 for training windows above the threshold, else 0.
    history_ : dict
        ``training_loss`` and ``validation_loss`` of every epoch, and ``best_epoch``, from 1.
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
    P. Malhotra et al., "LSTM-based Encoder-Decoder for Multi-sensor Anomaly Detection", 2016,
    arXiv:1607.00148.

    Examples
    --------
    >>> series = np.sin(np.arange(400) * 0.3)[:, None]
    >>> model = LSTMAutoencoder(window=16, hidden_size=8, epochs=20, n_threads=1).fit(series)
    >>> odd = series[:16].copy()
    >>> odd[8] = 5.0
    >>> model.predict(np.stack([series[:16], odd])).tolist()
    [0, 1]
    """

    _backend = "lstm_autoencoder"
    _model_type = _core.LstmAutoencoderModel
    _parameters: dict[str, Any]

    def __init__(
        self,
        window: int = 48,
        hidden_size: int = 32,
        num_layers: int = 1,
        latent_size: int | None = None,
        epochs: int = 60,
        batch_size: int = 64,
        learning_rate: float = 3e-3,
        validation_fraction: float = 0.1,
        patience: int = 10,
        clip_norm: float = 1.0,
        seed: int = 0,
        dtype: Dtype = "float32",
        scaler: Scaler = "standard",
        n_threads: int | None = None,
        contamination: float = 0.1,
    ) -> None:
        self.window = window
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.latent_size = latent_size
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.clip_norm = clip_norm
        self.seed = seed
        self.dtype = dtype
        self.scaler = scaler
        self.n_threads = n_threads
        super().__init__(contamination)

    # ---- training and scoring ----

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        on_progress: Progress | None = None,
        warm_start: bool = False,
        column_names: Sequence[str] | None = None,
    ) -> LSTMAutoencoder:
        """Train on a series or on windows.

        Parameters
        ----------
        X : array or DataFrame
            A series of shape (n_rows, n_columns), all of whose windows are learnt; or windows of
            shape (n, window, n_columns) or (n, window * n_columns). A two-dimensional array counts
            as windows when its width is a multiple of `window`; a DataFrame is always a series.
        y : ignored
        on_progress : callable, optional
            Called with a `TrainingProgress` after every step of the optimizer; what it raises ends
            the training and leaves the estimator as it was.
        warm_start : bool, default False
            Whether to begin with the weights of the model at hand, if it has the same sizes.
        column_names : sequence of str, optional
            What the columns of an array are called; a DataFrame has names of its own.

        Returns
        -------
        self

        Raises
        ------
        ConfigurationError
            If a parameter is out of range, or the names do not fit; ``field`` names it.
        DataError
            If there are no rows, or a value is NaN, infinite or too large; names row and column.
        FitError
            If there is no window, or the training diverges.
        """
        self._check()
        names = names_of(X)
        rows, is_series = as_windows(X, self.window, names)
        if names is None and column_names is not None:
            width = rows.shape[1] if is_series else rows.shape[1] // self.window
            names = checked_names(column_names, width)
        previous = getattr(self, "_model", None) if warm_start else None
        parameters = self._backend_parameters()
        model = _core.LstmAutoencoderModel.fit(
            parameters,
            rows,
            is_series,
            self.seed,
            previous,
            on_progress,
            names if is_series else None,  # a window has other columns
        )
        self._learned(model, names)
        self._parameters = parameters
        self._trained_seed = self.seed
        self.n_rows_ = len(rows) if is_series else len(rows) * self.window
        series = rows if is_series else rows.reshape(-1, model.n_columns)
        self.statistics_ = _core.column_statistics(series)
        return self

    # ---- files ----

    def save(self, path: str | os.PathLike[str], *, created: str | None = None) -> None:
        """Write a bundle: a directory with everything that inference needs.

        Parameters
        ----------
        path : path
            The directory. An older bundle there is replaced atomically.
        created : str, optional
            The time to note, by default now: UTC, as ``"2026-01-31T12:00:00Z"``.

        Raises
        ------
        NotReadyError
            Without a model or a threshold.
        ModelFileError
            If it cannot be written; what was there is then untouched.
        """
        model = self._trained()
        if not hasattr(self, "threshold_"):
            raise NotReadyError(
                "there is no threshold: set threshold_, or call fit or calibrate first",
                id="not_ready",
                field="threshold_",
                expected="a threshold",
            )
        _core.save_bundle(
            Path(path),
            model,
            self._parameters,  # of its training, whatever has been set since
            self._column_names() or default_names(model.n_columns),
            float(self.threshold_),
            self._percentile_of_threshold(),
            getattr(self, "n_rows_", 0),
            getattr(self, "statistics_", []),
            self._trained_seed,
            created or getattr(self, "created_", None),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LSTMAutoencoder:
        """Read a bundle, verified: every hash, shape, type and version.

        Parameters
        ----------
        path : path
            The directory that `save`, or the C++ library, has written.

        Raises
        ------
        ModelFileError
            That says what is wrong.
        """
        bundle = _core.load_bundle(Path(path))
        percentile = bundle["percentile"]
        share = 0.1 if percentile is None else round(1.0 - percentile / 100.0, 12)
        estimator = cls(
            **bundle["parameters"],
            seed=bundle["seed"],
            contamination=share if 0.0 < share <= 0.5 else 0.1,
        )
        estimator._learned(bundle["model"], bundle["columns"])
        estimator._parameters = estimator._backend_parameters()
        estimator._trained_seed = bundle["seed"]
        estimator._set_threshold(bundle["threshold"], percentile)
        estimator.n_rows_ = bundle["n_rows"]
        estimator.statistics_ = bundle["statistics"]
        estimator.created_ = bundle["created"]
        return estimator

    @classmethod
    def from_torch(
        cls,
        source: str | os.PathLike[str] | Mapping[str, Any],
        *,
        window: int | None = None,
        center: Any = None,
        scale: Any = None,
        threshold: float | None = None,
    ) -> LSTMAutoencoder:
        """Take over a network that was trained in PyTorch. Needs no torch, runs no pickled code.

        Parameters
        ----------
        source : path or mapping
            A ``.pth`` or ``.safetensors`` file with the state dict; the state dict itself, of
            tensors or arrays; or a directory with ``lstm_ae.pth``, ``scaler.npz``,
            ``threshold.txt`` and ``model_meta.json``, from which all the rest comes too.
        window : int, optional
            Rows per window, by default 48 or the directory's.
        center, scale : array-like of shape (n_columns,), optional
            What is subtracted from each column, and what it is then divided by; 0 and 1 by default.
        threshold : float, optional
            Without one, call `calibrate` before `predict`.

        Raises
        ------
        ModelFileError
            If the file is missing, damaged, asks for more than tensors, or holds another
            architecture; names the tensor and the shape expected.
        """
        from freshet._import_torch import read_torch_model

        found = read_torch_model(source)
        n_columns = found.architecture.n_columns
        return cls._from_arrays(
            found.architecture,
            found.tensors,
            window=(found.window or 48) if window is None else window,
            center=found.center if center is None else center,
            scale=found.scale if scale is None else scale,
            threshold=found.threshold if threshold is None else threshold,
            columns=found.columns or default_names(n_columns),
        )

    def to_torch_state_dict(self) -> dict[str, Any]:
        """The parameters as PyTorch's ``load_state_dict`` takes them.

        Returns
        -------
        dict of str to torch.Tensor, or to ndarray where torch is not installed
            In PyTorch's names, shapes and gate order. Scaler and threshold are not among them.
        """
        tensors = self._trained().tensors()
        try:
            import torch
        except ImportError:
            return dict(tensors)
        return {name: torch.from_numpy(values) for name, values in tensors.items()}

    # ---- mechanics ----

    def _percentile_of_threshold(self) -> float | None:
        """Where the threshold was taken; None when it has been set by hand since."""
        if getattr(self, "_threshold_of_percentile", None) != self.threshold_:
            return None
        return self.percentile_

    @classmethod
    def _from_arrays(
        cls,
        architecture: Architecture,
        tensors: Mapping[str, Any],
        *,
        window: int,
        center: Any,
        scale: Any,
        threshold: float | None,
        columns: list[str],
    ) -> LSTMAutoencoder:
        estimator = cls(
            window=window,
            hidden_size=architecture.hidden_size,
            num_layers=architecture.num_layers,
            latent_size=architecture.latent_size,
            dtype=architecture.dtype,
        )
        n_columns = architecture.n_columns
        centers = np.zeros(n_columns) if center is None else np.asarray(center, float).reshape(-1)
        scales = np.ones(n_columns) if scale is None else np.asarray(scale, float).reshape(-1)
        for field, values in (("center", centers), ("scale", scales)):
            if len(values) != n_columns:
                raise ConfigurationError(
                    f"{field} has {len(values)} values: expected {n_columns}, one for each column",
                    id="parameter_out_of_range",
                    field=field,
                    expected=f"{n_columns} values",
                )
        parameters = estimator._backend_parameters()
        model = _core.LstmAutoencoderModel.from_tensors(
            parameters, dict(tensors), centers.tolist(), scales.tolist()
        )
        estimator._learned(model, columns)
        estimator._parameters = parameters
        estimator._trained_seed = estimator.seed
        if threshold is None:
            return estimator
        if not math.isfinite(threshold):
            raise ConfigurationError(
                f"threshold must be a finite number, not {threshold!r}",
                id="parameter_out_of_range",
                field="threshold",
                expected="a finite number",
            )
        estimator._set_threshold(threshold, None)
        return estimator

    def _check(self) -> None:
        super()._check()
        # The compiled check takes None for the default, and is not told of the seed.
        for field, low, high in (("window", 2, 100_000), ("seed", 0, 2**64 - 1)):
            value = getattr(self, field)
            try:
                is_valid = low <= operator.index(value) <= high
            except TypeError:
                is_valid = False
            if not is_valid:
                expected = f"an integer from {low} to {high}"
                raise ConfigurationError(
                    f"{field} must be {expected}, not {value!r}",
                    id="parameter_out_of_range",
                    field=field,
                    expected=expected,
                )

    def _backend_parameters(self) -> dict[str, Any]:
        params = super()._backend_parameters()
        del params["seed"]
        params["n_threads"] = self._threads()
        return params
