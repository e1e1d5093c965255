"""Bundles, and services to put them into."""

import numpy as np
import pytest
from freshet import LSTMAutoencoder
from freshet.server import create_app
from freshet.server.engine.engine import Engine
from server_testing import asking, settings

WINDOW = 8
SERIES = np.sin(np.arange(120) * 0.4)[:, None] + 20.0


def trained(seed, n_columns=1, window=WINDOW, names=None):
    """A model that takes milliseconds to train, another one for each seed."""
    X = np.hstack([SERIES * (seed + j) for j in range(n_columns)])
    model = LSTMAutoencoder(
        window=window, hidden_size=3, epochs=2, n_threads=1, seed=seed, contamination=0.05
    )
    return model.fit(X, column_names=names or [f"f{j}" for j in range(n_columns)])


class RecordingEngine(Engine):
    """The engine, with a memory of what was logged beside the streams."""

    def __init__(self, settings, metrics):
        super().__init__(settings, metrics)
        self.logged = []

    async def log_predictions(self, **given):
        self.logged.append(given)
        await super().log_predictions(**given)


@pytest.fixture
def models_dir(tmp_path):
    """Where the bundles of `application` are."""
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def application(tmp_path, models_dir):
    """Makes an application, with settings beside those of the directories."""

    def make(**given):
        app = create_app(settings(tmp_path / "data", models_dir=models_dir, **given))
        app.state.engine = RecordingEngine(app.state.settings, app.state.metrics)
        return app

    return make


def post(app, path, body):
    """The answer of an application that is started for it."""

    async def question(client):
        return await client.post(path, json=body)

    return asking(app, question)


def problem(answer, status):
    """What an answer says that is a problem document of that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()
