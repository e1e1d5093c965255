"""``freshet evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from freshet.cli._completion import backend_names
from freshet.cli._config_option import ConfigFile
from freshet.cli._detector import named_values, numbers_of_rows, settings_of
from freshet.cli._output import as_table, replacing
from freshet.cli._progress import showing_steps
from freshet.datasets._series import ENVIRONMENT_VARIABLE

if TYPE_CHECKING:
    from freshet.evaluate import Configuration

EXAMPLES: Final = (
    "freshet evaluate --data nab --backend ecod --backend hbos --rolling 5,20",
    "freshet evaluate --data nab --set contamination=0.01 --set 'lag_periods=[1, 2]'",
    "freshet evaluate --data nab --detector 'hours={backend: hbos, lag_periods: [1, 2]}'",
    "freshet evaluate --config evaluation.yaml --html report.html",
    "freshet evaluate --data nab --scores numenta.csv.gz --json report.json",
)


def evaluate(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            envvar=ENVIRONMENT_VARIABLE,
            help="Laid out as NAB is: data/GROUP/NAME.csv and labels/combined_windows.json.",
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME",
            autocompletion=backend_names,
            help="May be repeated; ecod if not given.",
        ),
    ] = None,
    rolling: Annotated[
        str | None,
        typer.Option("--rolling", metavar="N,N,…", help="Rolling windows, in rows."),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the detectors or a parameter of the backends, its value in YAML; "
            "may be repeated.",
        ),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            "--detector",
            metavar="NAME=SETTINGS",
            help="A detector with settings of its own, in YAML; may be repeated.",
        ),
    ] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            "--scores",
            metavar="FILE",
            help="Of a detector elsewhere: CSV of file,row,anomaly_score; may be repeated.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Threads; one for each processor if not given."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")
    ] = None,
    html_file: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page with pictures of all series."),
    ] = None,
    config: ConfigFile = None,  # noqa: ARG001
) -> None:
    """Score detectors on labelled series as the Numenta Anomaly Benchmark does.

    Prints, for each detector, NAB's score by its three profiles at the best threshold of each (0 is
    saying nothing, 100 is perfect); at the standard profile's threshold the windows detected, the
    rows flagged outside of any, and F1 by rows and by ranges; and VUS-PR, which needs no threshold.
    """
    if data is None:
        raise typer.BadParameter("expected a directory", param_hint="--data")
    from freshet.evaluate import Findings, detect, load_series, read_scores
    from freshet.evaluate import evaluate as evaluated
    from freshet.evaluate.report import COLUMNS, cells, page

    configurations = _configurations(backend, rolling, given, detector, is_needed=not scores)
    series = load_series(data)
    findings = [
        Findings(path.name.removesuffix(".gz").removesuffix(".csv"), read_scores(path, series))
        for path in scores or ()
    ]
    with showing_steps(len(configurations) * len(series), "series") as on_progress:
        findings += detect(
            configurations, series, n_jobs=jobs, on_progress=lambda done, _: on_progress(done)
        )
    evaluations = [evaluated(one, series) for one in findings]
    for line in as_table([COLUMNS, *(cells(one) for one in evaluations)]):
        typer.echo(line.rstrip())
    if json_file is not None:
        report = {
            "series": [one.name for one in series],
            "evaluations": [one.to_dict() for one in evaluations],
        }
        with replacing(json_file) as file:
            json.dump(report, file, indent=2)
            file.write("\n")
    if html_file is not None:
        with replacing(html_file) as file:
            file.write(page(evaluations, findings, series))


def _configurations(
    backends: list[str] | None,
    rolling: str | None,
    given: list[str] | None,
    detectors: list[str] | None,
    *,
    is_needed: bool,
) -> list[Configuration]:
    from freshet.evaluate import Configuration

    common = named_values(given, "--set")
    if rolling is not None:
        common["rolling_windows"] = numbers_of_rows(rolling, "--rolling")
    configurations = [
        Configuration(name, settings_of({**common, **settings}))
        for name, settings in _own_settings(detectors).items()
    ]
    if not configurations and not backends and is_needed:
        backends = ["ecod"]
    configurations += [
        Configuration(name, settings_of({"backend": name, **common})) for name in backends or ()
    ]
    return configurations


def _own_settings(detectors: list[str] | None) -> dict[str, dict[str, Any]]:
    found = named_values(detectors, "--detector", "NAME=SETTINGS")
    for name, settings in found.items():
        if not isinstance(settings, dict):
            raise typer.BadParameter(
                f"{name}: {settings!r:.60}, expected settings, for example {{backend: hbos}}",
                param_hint="--detector",
            )
    return found
