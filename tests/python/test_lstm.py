"""The LSTM autoencoder as an estimator: what it computes, learns, accepts and refuses."""

from __future__ import annotations

import copy
import pickle
import signal
import threading
from collections.abc import Callable
from typing import Any

import freshet
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from freshet import LSTMAutoencoder
from freshet_testing import stream
from sklearn.base import clone, is_outlier_detector
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

Floats = npt.NDArray[np.float64]

WINDOW = 8
X = stream(120)
NAMES = ["load", "heat", "flow"]


def windows_of(series: Floats, window: int = WINDOW) -> Floats:
    """All windows of a series: (n, window, columns)."""
    return np.lib.stride_tricks.sliding_window_view(series, window, axis=0).transpose(0, 2, 1)


def tiny(**params: Any) -> LSTMAutoencoder:
    defaults = {"window": WINDOW, "hidden_size": 4, "epochs": 2, "batch_size": 40, "n_threads": 1}
    return LSTMAutoencoder(**{**defaults, **params})


def tensors_of(model: LSTMAutoencoder) -> dict[str, npt.NDArray[Any]]:
    return {name: np.asarray(value) for name, value in model.to_torch_state_dict().items()}


def same_model(a: LSTMAutoencoder, b: LSTMAutoencoder) -> bool:
    """Whether weights, scores, threshold and history agree to the bit."""
    ours, theirs = tensors_of(a), tensors_of(b)
    return (
        list(ours) == list(theirs)
        and all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)
        and a.decision_scores_.tobytes() == b.decision_scores_.tobytes()
        and a.threshold_ == b.threshold_
        and repr(a.history_) == repr(b.history_)  # NaN is the same as NaN
    )


def reference(model: LSTMAutoencoder, windows: Floats) -> Floats:
    """The reconstruction of scaled windows by PyTorch's formulas, in float64."""
    weights = {name: value.astype(float) for name, value in tensors_of(model).items()}

    def logistic(x: Floats) -> Floats:
        return 1.0 / (1.0 + np.exp(-x))

    def lstm(part: str, steps: Floats) -> Floats:
        for layer in range(model.num_layers):
            w_x, w_h, b_x, b_h = (
                weights[f"{part}.{kind}_l{layer}"]
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            h = c = np.zeros((len(steps), w_h.shape[1]))
            outputs = []
            for t in range(steps.shape[1]):
                gates = steps[:, t] @ w_x.T + b_x + h @ w_h.T + b_h
                i, f, g, o = np.split(gates, 4, axis=1)
                c = logistic(f) * c + logistic(i) * np.tanh(g)
                h = logistic(o) * np.tanh(c)
                outputs.append(h)
            steps = np.stack(outputs, axis=1)
        return steps

    code = lstm("encoder", windows)[:, -1]
    if "to_latent.weight" in weights:
        code = code @ weights["to_latent.weight"].T + weights["to_latent.bias"]
    decoded = lstm("decoder", np.repeat(code[:, None], windows.shape[1], axis=1))
    return decoded @ weights["output.weight"].T + weights["output.bias"]


@pytest.fixture(scope="module")
def trained() -> LSTMAutoencoder:
    return tiny().fit(X)


# ---- what it computes ----


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize(("num_layers", "latent_size"), [(1, None), (2, 3), (1, 7)])
@pytest.mark.parametrize("hidden_size", [4, 5])
def test_the_network_is_pytorchs(
    dtype: Any, tolerance: float, num_layers: int, latent_size: int | None, hidden_size: int
) -> None:
    model = tiny(
        dtype=dtype, num_layers=num_layers, latent_size=latent_size, hidden_size=hidden_size
    ).fit(X)
    center, scale = X.mean(axis=0), X.std(axis=0)
    scaled = (windows_of(X) - center) / scale
    expected = reference(model, scaled)
    np.testing.assert_allclose(
        model.reconstruct(X), expected * scale + center, rtol=0, atol=tolerance
    )
    errors = (expected - scaled) ** 2
    np.testing.assert_allclose(
        model.reconstruction_errors(X), errors, rtol=0, atol=tolerance * 2 * (1 + errors.max())
    )
    np.testing.assert_allclose(
        model.decision_function(X), errors.mean(axis=(1, 2)), rtol=10 * tolerance
    )


@pytest.mark.parametrize("scaler", ["none", "standard", "min_max", "robust"])
def test_scalers(scaler: Any) -> None:
    center, scale = {
        "none": (np.zeros(3), np.ones(3)),
        "standard": (X.mean(axis=0), X.std(axis=0)),
        "min_max": (X.min(axis=0), np.ptp(X, axis=0)),
        "robust": (np.median(X, axis=0), np.subtract(*np.percentile(X, [75, 25], axis=0))),
    }[scaler]
    model = tiny(scaler=scaler, dtype="float64").fit(X)
    scaled = (windows_of(X) - center) / scale
    errors = (reference(model, scaled) - scaled) ** 2
    np.testing.assert_allclose(model.decision_function(X), errors.mean(axis=(1, 2)), rtol=1e-9)


def test_errors_explanations_and_scores_agree(trained: LSTMAutoencoder) -> None:
    errors = trained.reconstruction_errors(X)
    scores = trained.decision_function(X)
    assert errors.shape == (113, WINDOW, 3)
    np.testing.assert_allclose(errors.mean(axis=(1, 2)), scores, rtol=1e-12)
    explained = trained.explain(X)
    assert explained.shape == (113, 3)
    np.testing.assert_allclose(explained.sum(axis=1), scores, rtol=1e-12)
    np.testing.assert_allclose(explained, errors.mean(axis=1) / 3, rtol=1e-12)


def test_what_is_odd_scores_highest_and_is_explained(trained: LSTMAutoencoder) -> None:
    odd = windows_of(X).copy()[:20]
    odd[11, 4, 1] += 60.0
    assert trained.decision_function(odd).argmax() == 11
    assert trained.explain(odd)[11].argmax() == 1
    step, column = divmod(int(trained.reconstruction_errors(odd)[11].argmax()), 3)
    assert (step, column) == (4, 1)
    assert trained.predict(odd)[11] == 1


def test_windows_and_series_score_the_same(trained: LSTMAutoencoder) -> None:
    windows = windows_of(X)
    expected = trained.decision_function(X)
    assert expected.shape == (113,)
    for same in (windows, windows.reshape(113, -1), X.tolist(), pd.DataFrame(X), pl.DataFrame(X)):
        np.testing.assert_array_equal(trained.decision_function(same), expected)
        np.testing.assert_array_equal(trained.reconstruct(same), trained.reconstruct(windows))
    alone = [trained.decision_function(window[None])[0] for window in windows]
    np.testing.assert_array_equal(alone, expected)
    np.testing.assert_array_equal(trained.decision_scores_, expected)


def test_score_rows_begins_with_the_first_full_window(trained: LSTMAutoencoder) -> None:
    scores = trained.score_rows(X)
    assert scores.shape == (120,)
    assert np.isnan(scores[: WINDOW - 1]).all()
    np.testing.assert_array_equal(scores[WINDOW - 1 :], trained.decision_function(X))
    assert np.isnan(trained.score_rows(X[: WINDOW - 1])).all()
    np.testing.assert_array_equal(np.isnan(trained.score_rows(X[:WINDOW])), [True] * 7 + [False])


def test_any_layout_and_type_of_numbers(trained: LSTMAutoencoder) -> None:
    whole = np.round(X * 4.0)
    wide = np.zeros((240, 7))
    wide[::2, 2:5] = whole
    expected = trained.decision_function(whole)
    model = tiny().fit(whole)
    for rows in (
        np.asfortranarray(whole),
        wide[::2, 2:5],
        whole[::-1][::-1],
        whole.astype(np.int8),
        whole.astype(">f4"),
        whole.astype(object),
    ):
        np.testing.assert_array_equal(trained.decision_function(rows), expected)
        np.testing.assert_array_equal(trained.score_rows(rows)[WINDOW - 1 :], expected)
        np.testing.assert_array_equal(trained.reconstruct(rows), trained.reconstruct(whole))
        assert same_model(tiny().fit(rows), model)


# ---- what it learns ----


def test_series_and_windows_give_the_same_model_without_a_scaler() -> None:
    windows = windows_of(X)
    model = tiny(scaler="none").fit(X)
    assert same_model(tiny(scaler="none").fit(windows), model)
    assert same_model(tiny(scaler="none").fit(windows.reshape(113, -1)), model)
    assert (model.n_rows_, model.n_features_in_) == (120, 3)
    # Rows within a series count as often as there are windows around them.
    assert not same_model(tiny().fit(windows), tiny().fit(X))
    flat = tiny().fit(windows.reshape(113, -1))
    assert same_model(flat, tiny().fit(windows))
    assert (flat.n_rows_, flat.n_features_in_) == (113 * WINDOW, 3)


def test_the_seed_decides_and_threads_do_not() -> None:
    model = tiny(seed=3).fit(X)
    for n_threads in (1, 2, 3, None):
        again = tiny(seed=3, n_threads=n_threads).fit(X)
        assert same_model(again, model)
        np.testing.assert_array_equal(again.decision_function(X), model.decision_function(X))
    assert same_model(tiny(seed=np.uint64(3)).fit(X), model)
    assert not same_model(tiny(seed=4).fit(X), model)
    assert not same_model(tiny(seed=3, batch_size=41).fit(X), model)


def test_training_lowers_the_loss() -> None:
    history = tiny(epochs=3, learning_rate=0.02, validation_fraction=0.0).fit(X).history_
    losses = history["training_loss"]
    assert len(losses) == 3
    assert losses[2] < losses[1] < losses[0]
    assert np.isnan(history["validation_loss"]).all()
    assert history["best_epoch"] == 3


def test_the_best_epochs_weights_are_kept() -> None:
    # Steps so large that the loss goes up and down.
    model = tiny(epochs=60, patience=3, learning_rate=0.3, validation_fraction=0.25).fit(X)
    history = model.history_
    losses = history["validation_loss"]
    best = history["best_epoch"]
    assert best == 1 + int(np.argmin(losses))
    assert len(losses) == best + 3
    n_held_out = int(0.25 * 113)
    assert model.decision_scores_[-n_held_out:].mean() == pytest.approx(losses[best - 1], rel=1e-12)


def test_held_out_windows_are_not_learnt() -> None:
    changed = X.copy()
    changed[-5:] *= 3.0  # within windows that are held out only
    one = tiny(scaler="none", validation_fraction=0.1, epochs=1).fit(X)
    other = tiny(scaler="none", validation_fraction=0.1, epochs=1).fit(changed)
    assert tensors_of(one)["output.weight"].tobytes() == (
        tensors_of(other)["output.weight"].tobytes()
    )
    assert one.history_["validation_loss"] != other.history_["validation_loss"]


def test_a_warm_start_begins_where_the_last_training_ended() -> None:
    model = tiny(epochs=3, learning_rate=0.02).fit(X)
    before = model.decision_function(X).mean()
    cold = model.history_["training_loss"][0]
    model.set_params(epochs=1, learning_rate=1e-9).fit(X, warm_start=True)
    assert model.history_["training_loss"][0] < cold
    assert model.decision_function(X).mean() == pytest.approx(before, rel=1e-4)
    # Other sizes have nothing to begin with, and neither has the first training.
    resized = tiny(epochs=3).fit(X).set_params(hidden_size=5, epochs=2)
    assert same_model(resized.fit(X, warm_start=True), tiny(hidden_size=5).fit(X))
    assert same_model(tiny().fit(X, warm_start=True), tiny().fit(X))
    assert same_model(tiny(epochs=3).fit(X).set_params(epochs=2).fit(X), tiny().fit(X))


def test_thresholds_are_percentiles() -> None:
    model = tiny(contamination=0.07).fit(X)
    assert model.threshold_ == np.percentile(model.decision_scores_, 93.0)
    np.testing.assert_array_equal(model.labels_, model.decision_scores_ > model.threshold_)
    assert model.labels_.sum() == 8
    np.testing.assert_array_equal(model.predict(X), model.labels_)
    np.testing.assert_array_equal(tiny(contamination=0.07).fit_predict(X), model.labels_)
    model.set_percentile(50.0)
    assert model.threshold_ == np.median(model.decision_scores_)
    assert model.labels_.sum() == model.predict(X).sum() == 56
    model.threshold_ = 0.0
    assert model.predict(X).all()
    for percentile in (-0.1, 100.1, float("nan")):
        with pytest.raises(freshet.ConfigurationError) as caught:
            model.set_percentile(percentile)
        assert caught.value.field == "percentile"


def test_calibration_takes_other_rows_for_training_scores(trained: LSTMAutoencoder) -> None:
    model = copy.deepcopy(trained)
    other = stream(60, seed=1)
    assert model.calibrate(other) is model
    np.testing.assert_array_equal(model.decision_scores_, trained.decision_function(other))
    assert model.threshold_ == np.percentile(model.decision_scores_, 90.0)
    assert len(model.labels_) == 53
    np.testing.assert_array_equal(model.decision_function(X), trained.decision_function(X))


def test_probabilities(trained: LSTMAutoencoder) -> None:
    scores = trained.decision_function(X)
    for method in ("linear", "unify"):
        probabilities = trained.predict_proba(X, method)
        assert probabilities.shape == (113, 2)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
        assert (np.diff(probabilities[np.argsort(scores), 1]) >= 0.0).all()


# ---- columns ----


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_data_frames_are_matched_by_name(make: Any, trained: LSTMAutoencoder) -> None:
    frame = make({name: X[:, j] for j, name in enumerate(NAMES)})
    model = tiny().fit(frame)
    assert same_model(model, trained)
    assert model.feature_names_in_.tolist() == NAMES
    scores = trained.decision_function(X)
    for series in (frame, frame[NAMES[::-1]], X, windows_of(X)):
        np.testing.assert_array_equal(model.decision_function(series), scores)
    shuffled = frame[["flow", "load", "heat"]]
    np.testing.assert_array_equal(model.score_rows(shuffled)[WINDOW - 1 :], scores)
    np.testing.assert_array_equal(model.explain(shuffled), trained.explain(X))
    for method in (model.decision_function, model.score_rows, model.predict, model.explain):
        with pytest.raises(freshet.DataError) as caught:
            method(frame[NAMES[:2]])
        assert (caught.value.id, caught.value.field) == ("column_missing", "flow")
        with pytest.raises(freshet.DataError) as caught:
            method(make(dict.fromkeys([*NAMES[:2], "z"], X[:, 0])))
        assert (caught.value.id, caught.value.field) == ("column_unknown", "z")
    # Trained again on an array, it knows no names any more.
    assert not hasattr(model.fit(X), "feature_names_in_")


def test_a_data_frame_is_a_series_however_wide() -> None:
    wide = np.hstack([X, X, X[:, :2]])
    frame = pd.DataFrame(wide, columns=[f"c{j}" for j in range(WINDOW)])
    assert tiny().fit(frame).n_features_in_ == WINDOW
    assert tiny().fit(wide).n_features_in_ == 1


def test_columns_of_arrays_can_be_named(trained: LSTMAutoencoder) -> None:
    for rows in (X, windows_of(X)):
        model = tiny().fit(rows, column_names=NAMES)
        assert model.feature_names_in_.tolist() == NAMES
        np.testing.assert_array_equal(
            model.decision_function(pd.DataFrame(X, columns=NAMES)[NAMES[::-1]]),
            model.decision_function(X),
        )
    assert same_model(tiny().fit(X, column_names=NAMES), trained)
    for names in (NAMES[:2], ["a", "b", "b"], [1, 2, 3]):
        with pytest.raises(freshet.ConfigurationError) as caught:
            tiny().fit(X, column_names=names)  # type: ignore[arg-type]
        assert caught.value.field == "column_names"


# ---- a hand on the training ----


def test_progress_is_told_of_every_batch_in_order() -> None:
    told: list[freshet.TrainingProgress] = []
    model = tiny(epochs=3, batch_size=25).fit(X, on_progress=told.append)
    n_batches = 5  # of 102 windows: 11 of 113 are held out
    assert [(p.epoch, p.batch) for p in told] == [
        (epoch, batch) for epoch in (1, 2, 3) for batch in range(1, n_batches + 1)
    ]
    assert {(p.n_epochs, p.n_batches) for p in told} == {(3, n_batches)}
    last = [p for p in told if p.batch == n_batches]
    assert [p.training_loss for p in last] == model.history_["training_loss"]
    assert [p.validation_loss for p in last] == model.history_["validation_loss"]
    assert all(p.validation_loss is None for p in told if p.batch < n_batches)
    assert (np.diff([p.seconds for p in told]) >= 0.0).all()
    assert told[0].seconds >= 0.0
    told.clear()
    tiny(validation_fraction=0.0).fit(X, on_progress=told.append)
    assert {p.validation_loss for p in told} == {None}


class StopHereError(Exception):
    pass


def stop_at(epoch: int, batch: int) -> Callable[[freshet.TrainingProgress], None]:
    def on_progress(progress: freshet.TrainingProgress) -> None:
        if (progress.epoch, progress.batch) == (epoch, batch):
            raise StopHereError(f"{epoch}/{batch}")

    return on_progress


@pytest.mark.parametrize("at", [(1, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("warm_start", [False, True])
def test_what_progress_raises_leaves_the_estimator_as_it_was(
    at: tuple[int, int], warm_start: bool, trained: LSTMAutoencoder
) -> None:
    model = copy.deepcopy(trained).set_params(epochs=3)
    with pytest.raises(StopHereError, match=f"{at[0]}/{at[1]}"):
        model.fit(stream(120, seed=9), on_progress=stop_at(*at), warm_start=warm_start)
    assert same_model(model, trained)
    np.testing.assert_array_equal(model.decision_function(X), trained.decision_function(X))
    assert model.n_rows_ == 120
    unfitted = tiny(epochs=3)
    with pytest.raises(StopHereError):
        unfitted.fit(X, on_progress=stop_at(*at))
    with pytest.raises(freshet.NotReadyError):
        unfitted.decision_function(X)


def test_ctrl_c_in_the_callback(trained: LSTMAutoencoder) -> None:
    model = copy.deepcopy(trained)
    seen: list[int] = []

    def on_progress(progress: freshet.TrainingProgress) -> None:
        seen.append(progress.batch)
        if len(seen) == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        model.fit(stream(120, seed=9), on_progress=on_progress)
    assert seen == [1, 2]
    assert same_model(model, trained)


@pytest.mark.parametrize("has_progress", [False, True])
def test_ctrl_c_while_no_python_runs(has_progress: bool) -> None:
    main = threading.get_ident()
    told: list[Any] = []
    is_done = threading.Event()

    def interrupt() -> None:
        # A list's append runs no bytecode: only the training itself can notice the signal.
        while has_progress and not told and not is_done.wait(0.001):
            pass
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    model = tiny(epochs=100_000, patience=100_000)

    def fit_and_interrupt() -> None:
        try:
            thread.start()
            model.fit(X, on_progress=told.append if has_progress else None)
        finally:
            is_done.set()
            thread.join()

    with pytest.raises(KeyboardInterrupt):
        fit_and_interrupt()
    assert not hasattr(model, "decision_scores_")


def test_threads_train_and_score_at_once(trained: LSTMAutoencoder) -> None:
    found: list[LSTMAutoencoder] = []
    expected = trained.decision_function(X)
    wrong: list[int] = []

    def work(number: int) -> None:
        found.append(tiny(n_threads=2).fit(X))
        if not np.array_equal(trained.decision_function(X), expected):
            wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(found) == 4
    assert all(same_model(model, trained) for model in found)


# ---- what it refuses ----

OUT_OF_RANGE: list[tuple[str, tuple[Any, ...]]] = [
    ("window", (1, 0, -1, 100_001, 2.5, "8", None)),
    ("hidden_size", (0, -1, 4097, 4.5, "4")),
    ("num_layers", (0, 17, 1.5)),
    ("latent_size", (0, 4097, "a")),
    ("epochs", (0, -3, 100_001, 1.5)),
    ("batch_size", (0, 2**20 + 1, 1.5)),
    ("learning_rate", (0.0, -1.0, float("nan"), float("inf"), "fast")),
    ("validation_fraction", (-0.1, 1.0, float("nan"), "a")),
    ("patience", (0, 100_001)),
    ("clip_norm", (0.0, -1.0, float("inf"), float("nan"))),
    ("seed", (-1, 2**64, 0.5, "seed", None)),
    ("dtype", ("float16", 32, "double")),
    ("scaler", ("zscore", 1)),
    ("n_threads", (0, -1, 1025, 1.5, "all")),
    ("contamination", (0.0, 0.51, float("nan"), "auto", None)),
]


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in OUT_OF_RANGE for value in values]
)
def test_parameters_out_of_range(field: str, value: Any, trained: LSTMAutoencoder) -> None:
    with pytest.raises(freshet.ConfigurationError) as caught:
        tiny(**{field: value})
    assert caught.value.field == field
    assert field in str(caught.value)
    # Set later, they are refused by fit, and what was learned stays.
    model = copy.deepcopy(trained).set_params(**{field: value})
    with pytest.raises(freshet.ConfigurationError) as caught:
        model.fit(stream(120, seed=9))
    assert caught.value.field == field
    assert same_model(model, trained)


def test_every_parameter_is_checked() -> None:
    assert {field for field, _ in OUT_OF_RANGE} == set(tiny().get_params())


def test_bad_values_are_named(trained: LSTMAutoencoder) -> None:
    model = copy.deepcopy(trained)
    named = tiny().fit(pd.DataFrame(X, columns=NAMES))
    for value, id_ in [
        (np.nan, "value_non_finite"),
        (-np.inf, "value_non_finite"),
        (1e101, "value_out_of_range"),
    ]:
        bad = X.copy()
        bad[37, 1] = value
        for method in (
            model.fit,
            model.decision_function,
            model.score_rows,
            model.predict,
            model.explain,
            model.reconstruct,
            model.reconstruction_errors,
        ):
            with pytest.raises(freshet.DataError) as caught:
                method(bad)
            assert (caught.value.id, caught.value.row, caught.value.column) == (id_, 37, 1)
            with pytest.raises(freshet.DataError) as caught:
                getattr(named, method.__name__)(pd.DataFrame(bad, columns=NAMES))
            assert (caught.value.row, caught.value.field) == (37, "heat")
            assert "heat" in str(caught.value)
        windows = windows_of(X).copy()
        windows[5, 2, 1] = value
        for method in (model.fit, model.decision_function, model.explain):
            with pytest.raises(freshet.DataError) as caught:
                method(windows)
            # Of a window all values are columns.
            assert (caught.value.id, caught.value.row, caught.value.column) == (id_, 5, 7)
        with pytest.raises(freshet.DataError) as caught:
            model.fit(windows, column_names=NAMES)
        assert caught.value.field == "7"
    assert same_model(model, trained)


def test_shapes_that_do_not_fit(trained: LSTMAutoencoder) -> None:
    model = copy.deepcopy(trained)
    windows = windows_of(X)
    for rows in (X[:, :2], np.hstack([X, X]), windows[:, :7], windows[:, :, :2], X[:, 0], 3.0):
        for method in (model.decision_function, model.predict, model.explain, model.reconstruct):
            with pytest.raises(freshet.DataError):
                method(rows)
    for rows in (X[:, :2], windows, windows[:3], X[:3, 0], np.zeros((3, 5)), 3.0, "rows", None):
        with pytest.raises(freshet.DataError):
            model.score_rows(rows)
    with pytest.raises(freshet.DataError):
        model.score_rows(np.full((3, 3), np.nan))  # though it has no window
    for rows in (np.empty((0, 3)), np.empty((0, WINDOW, 3)), np.empty((3, 0)), "rows", None):
        with pytest.raises(freshet.DataError):
            model.decision_function(rows)
        with pytest.raises(freshet.DataError):
            model.fit(rows)
    for rows in (windows[:, :7], X[:, 0], 3.0, windows[None]):
        with pytest.raises(freshet.DataError) as caught:
            model.fit(rows)
        assert (caught.value.id, caught.value.field) == ("width_mismatch", "X")
        assert "(n, 8, n_columns)" in str(caught.value)
    assert same_model(model, trained)


def test_a_series_needs_a_window(trained: LSTMAutoencoder) -> None:
    model = copy.deepcopy(trained)
    with pytest.raises(freshet.FitError) as caught:
        model.fit(X[: WINDOW - 1])
    assert (caught.value.id, caught.value.field) == ("fit_failed", "window")
    assert same_model(model, trained)
    assert tiny().fit(X[:WINDOW]).decision_scores_.shape == (1,)
    assert model.decision_function(X[: WINDOW - 1]).shape == (0,)
    assert model.reconstruct(X[: WINDOW - 1]).shape == (0, WINDOW, 3)


@pytest.mark.parametrize(("dtype", "rate"), [("float32", 1e30), ("float64", 1e200)])
@pytest.mark.parametrize("validation_fraction", [0.0, 0.2])
def test_training_that_diverges(
    dtype: Any, rate: float, validation_fraction: float, trained: LSTMAutoencoder
) -> None:
    model = copy.deepcopy(trained)
    model.set_params(dtype=dtype, learning_rate=rate, validation_fraction=validation_fraction)
    with pytest.raises(freshet.FitError) as caught:
        model.fit(X)
    assert (caught.value.id, caught.value.field) == ("fit_diverged", "learning_rate")
    assert same_model(model, trained)


def test_before_fit() -> None:
    model = tiny()
    for method in (
        model.decision_function,
        model.score_rows,
        model.predict,
        model.predict_proba,
        model.explain,
        model.reconstruct,
        model.reconstruction_errors,
        model.calibrate,
    ):
        with pytest.raises(freshet.NotReadyError) as caught:
            method(X)
        assert caught.value.id == "not_ready"
    with pytest.raises(freshet.NotReadyError):
        model.to_torch_state_dict()
    with pytest.raises(freshet.NotReadyError):
        model.set_percentile(90.0)


# ---- conventions ----


def test_parameters_and_clones() -> None:
    model = tiny(latent_size=2, seed=5, contamination=0.2)
    params = model.get_params()
    assert (params["latent_size"], params["seed"], params["n_threads"]) == (2, 5, 1)
    assert eval(repr(model), vars(freshet)).get_params() == params
    twin = clone(model.fit(X))
    assert twin.get_params() == params
    assert not hasattr(twin, "decision_scores_")
    assert same_model(twin.fit(X), model)
    assert model.set_params(hidden_size=5) is model
    assert model.get_params()["hidden_size"] == 5
    assert tensors_of(model.fit(X))["output.weight"].shape == (3, 5)
    with pytest.raises(freshet.ConfigurationError) as caught:
        model.set_params(units=3)
    assert (caught.value.id, caught.value.field) == ("parameter_unknown", "units")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pickled_and_copied_estimators_score_the_same(dtype: Any) -> None:
    model = tiny(dtype=dtype, num_layers=2, latent_size=3).fit(pd.DataFrame(X, columns=NAMES))
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        assert same_model(other, model)
        np.testing.assert_array_equal(other.decision_function(X), model.decision_function(X))
        np.testing.assert_array_equal(other.explain(X), model.explain(X))
        assert other.get_params() == model.get_params()
        assert other.feature_names_in_.tolist() == NAMES


def test_damaged_pickles_are_refused(trained: LSTMAutoencoder) -> None:
    model = trained._model
    state = model.__getstate__()
    for damaged in (state[:-1], state + b"\0", b"", b"\xff" * len(state), state[: len(state) // 2]):
        with pytest.raises(freshet.SnapshotError):
            type(model).__new__(type(model)).__setstate__(damaged)


def test_scikit_learn_knows_what_it_is(trained: LSTMAutoencoder) -> None:
    assert get_tags(trained).estimator_type == "outlier_detector"
    assert not get_tags(trained).target_tags.required
    assert is_outlier_detector(trained)
    check_is_fitted(trained)
    with pytest.raises(NotFittedError):
        check_is_fitted(tiny())
    pipeline = make_pipeline(StandardScaler(), tiny()).fit(X)
    scaled = StandardScaler().fit_transform(X)
    expected = tiny().fit(scaled)
    np.testing.assert_array_equal(pipeline.decision_function(X), expected.decision_function(scaled))
    np.testing.assert_array_equal(pipeline.predict(X), expected.labels_)
