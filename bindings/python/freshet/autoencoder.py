"""The autoencoder of layers, in the scikit-learn and PyOD convention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from freshet import _core
from freshet._estimator import SeededEstimator

__all__ = ["AutoEncoder"]

Activation: TypeAlias = Literal["relu", "leaky_relu", "elu", "tanh", "sigmoid", "identity"]


class AutoEncoder(SeededEstimator):
    """Scores how badly a network that has learnt the usual rows reconstructs a row.

    The network's layers are too narrow to keep everything of a row; what they keep is what usual
    rows have in common. Trained without a deep-learning framework, on one thread, in
    O(epochs · rows · weights); a score takes O(weights). Of rows in time `LSTMAutoencoder` learns
    the order, too.

    Parameters
    ----------
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.
    preprocessing : bool, default True
        Whether columns are scaled to mean 0 and standard deviation 1 first.
    lr : float, default 1e-3
        The learning rate of Adam, above 0.
    epoch_num : int, default 10
        Passes over the training rows, from 1 to 100000.
    batch_size : int, default 32
        Rows per step of the optimizer, at least, from 1 to 1048576; all rows, if there are fewer.
    weight_decay : float, default 1e-5
        What each step adds to the gradient for a parameter, times the parameter; at least 0. PyOD
        has it among its ``optimizer_params``.
    random_state : None, int or numpy.random.RandomState, default 42
        Where weights, batches and dropout come from, in the scikit-learn convention.
    hidden_neuron_list : sequence of int, default (64, 32)
        Units of the encoder's layers; the decoder has them in reverse. 1 to 15 numbers from 1 to
        4096.
    hidden_activation_name : str, default "relu"
        After every layer but the last: "relu", "leaky_relu", "elu", "tanh", "sigmoid" or
        "identity".
    batch_norm : bool, default True
        Whether sums are normalized over each batch of the training.
    dropout_rate : float, default 0.2
        The share of outputs that are set to 0 in the training, 0 <= rate < 1.

    Attributes
    ----------
    decision_scores_ : ndarray of float64, shape (n_rows,)
        The scores of the training rows: Euclidean distances of rows, scaled, and their
        reconstructions. Larger is more abnormal.
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

    Notes
    -----
    Layers, initial weights, batch normalization, dropout and optimizer are those of PyOD's
    AutoEncoder; the random numbers are not PyTorch's, so that scores agree in kind, not in digits.
    PyOD leaves out the rows that fill no batch; here batches are a little larger instead.

    References
    ----------
    C. C. Aggarwal, "Outlier Analysis", Springer 2015, chapter 3.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(500, 1))
    >>> X = np.hstack([x, 2 * x, -x])
    >>> detector = AutoEncoder(contamination=0.01).fit(X)
    >>> detector.predict([[1.0, 2.0, -1.0], [1.0, -2.0, 1.0]])
    array([0, 1])
    """

    _backend = "autoencoder"
    _model_type = _core.AutoencoderModel

    def __init__(
        self,
        contamination: float = 0.1,
        preprocessing: bool = True,
        lr: float = 1e-3,
        epoch_num: int = 10,
        batch_size: int = 32,
        weight_decay: float = 1e-5,
        random_state: int | np.random.RandomState | None = 42,
        hidden_neuron_list: Sequence[int] = (64, 32),
        hidden_activation_name: Activation = "relu",
        batch_norm: bool = True,
        dropout_rate: float = 0.2,
    ) -> None:
        self.preprocessing = preprocessing
        self.lr = lr
        self.epoch_num = epoch_num
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.random_state = random_state
        self.hidden_neuron_list = hidden_neuron_list
        self.hidden_activation_name = hidden_activation_name
        self.batch_norm = batch_norm
        self.dropout_rate = dropout_rate
        super().__init__(contamination)

    def _backend_parameters(self) -> dict[str, Any]:
        params = super()._backend_parameters()
        # What is no sequence is refused with the field's name, as a text is.
        if isinstance(self.hidden_neuron_list, Iterable) and not isinstance(
            self.hidden_neuron_list, str
        ):
            params["hidden_neuron_list"] = list(self.hidden_neuron_list)
        return params
