"""freshet stream: what it answers while the pipe stays open, and how it ends."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import freshet
import pytest
from cli_testing import PROGRAM, run, run_program, series
from freshet.cli import stream
from freshet.cli._interruption import Interruption
from freshet.cli._rows import VERDICT

INLINE = ("--retrain", "inline")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def objects(values=None):
    rows = series() if values is None else values
    return [{"heat": heat, "load": load} for heat, load in rows.tolist()]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def answers(text):
    return [json.loads(line) for line in text.split("\n") if line]


def verdict(result):
    return {name: result.to_dict()[name] for name in VERDICT}


@contextlib.contextmanager
def running(*arguments):
    """Start the program on pipes that stay open."""
    command = [str(PROGRAM), "stream", *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as program:
        # An answer that never comes fails the test instead of hanging it.
        watchdog = threading.Timer(60, program.kill)
        watchdog.start()
        try:
            yield program
        finally:
            watchdog.cancel()
            program.kill()


def ask(program, row):
    program.stdin.write((row if isinstance(row, str) else json.dumps(row)).encode() + b"\n")
    program.stdin.flush()
    return json.loads(program.stdout.readline())


# ---- while the pipe stays open -------------------------------------------------------------------


def test_each_line_is_answered_before_the_next_one_comes():
    detector = freshet.StreamingDetector(retrain="inline", min_samples=20)
    with running(*INLINE, "--min-samples", 20) as program:
        for i, row in enumerate(objects()[:40]):
            expected = {**row, "line": i + 1, **verdict(detector.process(row))}
            assert ask(program, row) == expected
        output, errors = program.communicate()
    assert (program.returncode, output) == (0, b"")
    assert errors.startswith(b"40 rows: ")


def test_bad_lines_are_told_of_and_the_next_one_is_answered():
    with running() as program:
        assert ask(program, {"cpu": 1})["line"] == 1
        program.stdin.write(b"nonsense\n")
        program.stdin.flush()
        assert program.stderr.readline() == (
            b"freshet: line 2: no JSON: Expecting value at character 1\n"
        )
        assert ask(program, {"cpu": 2})["line"] == 3


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_the_summary_and_the_state(number, status):
    with running("--state", "state") as program:
        for row in objects()[:5]:
            ask(program, row)
        program.send_signal(number)
        output, errors = program.communicate()
    assert (program.returncode, output) == (status, b"")
    assert errors.decode() == (
        "5 rows: 0 anomalies, 0 normal, 5 not scored; 0 bad lines; model version 0\n"
    )
    restored = freshet.StreamingDetector.restore(Path("state").read_bytes())
    assert restored.stats().total_processed == 5


def test_a_reader_that_has_had_enough_is_no_error():
    with running("--state", "state") as program:
        ask(program, {"cpu": 1})
        program.stdout.close()
        program.stdin.write(lines([{"cpu": i} for i in range(10)]).encode())
        program.stdin.close()
        assert program.stderr.read() == b""
        program.wait(60)
    # What was processed is kept, whoever read of it.
    restored = freshet.StreamingDetector.restore(Path("state").read_bytes())
    assert restored.stats().total_processed >= 2


def test_memory_does_not_grow_with_the_stream():
    code = (
        "import resource, sys\n"
        "from freshet.cli import main\n"
        "sys.argv = ['freshet', 'stream', '--only-anomalies', '--threshold', '1']\n"
        "status = main()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )

    def peak(n):
        done = subprocess.run(
            [sys.executable, "-c", code], input=lines([{"v": i % 50} for i in range(n)]),
            check=True, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert f"{n:,} rows" in done.stderr
        return int(done.stdout)  # KiB

    assert peak(60_000) - peak(3_000) < 4096


# ---- what is printed -----------------------------------------------------------------------------


def test_the_fields_are_passed_on_with_the_verdict():
    rows = [{"host": "é\u2028", "cpu": 1, "time": 5, "up": True, "list": [None]}, {"cpu": 2.5}]
    result = run("stream", text=lines(rows))
    assert result.exit_code == 0
    first, second = answers(result.stdout)
    assert list(first) == [*rows[0], "line", *VERDICT]
    assert {name: first[name] for name in rows[0]} == rows[0]
    assert second["cpu"] == 2.5
    assert "é" in result.stdout


def test_fields_keep_their_names_beside_ours():
    (answer,) = answers(run("stream", text='{"score": 7, "line": "x"}\n').stdout)
    assert list(answer) == [
        "score", "line", "freshet_line", "freshet_score", *VERDICT[1:],
    ]  # fmt: skip
    assert (answer["score"], answer["freshet_line"]) == (7, 1)


def test_arrays_are_rows_by_position():
    detector = freshet.StreamingDetector(retrain="inline")
    result = run("stream", *INLINE, text=lines(series().tolist()))
    for i, answer in enumerate(answers(result.stdout)):
        assert answer.pop("values") == series()[i].tolist()
        assert answer == {"line": i + 1, **verdict(detector.process(series()[i]))}


def test_only_anomalies_are_printed_on_request():
    every = answers(run("stream", *INLINE, text=lines(objects())).stdout)
    some = answers(run("stream", *INLINE, "--only-anomalies", text=lines(objects())).stdout)
    assert some == [answer for answer in every if answer["is_anomaly"]]
    assert 0 < len(some) < len(every)


def test_the_summary_counts():
    text = lines(objects()) + "nonsense\n\n"
    result = run("stream", *INLINE, text=text)
    n = sum(answer["is_anomaly"] is True for answer in answers(result.stdout))
    assert result.stderr.splitlines()[-1] == (
        f"120 rows: {n} anomalies ({n / 70:.1%}), {70 - n} normal, 50 not scored; 1 bad lines; "
        "model version 1"
    )


def test_options_are_those_of_detect():
    arguments = ("--backend", "hbos", "--set", "n_bins=7", "--rolling", "3", "--min-samples", 20)
    streamed = answers(run("stream", *INLINE, *arguments, text=lines(objects())).stdout)
    Path("data.csv").write_text(
        "heat,load\n" + "".join(f"{heat!r},{load!r}\n" for heat, load in series().tolist())
    )
    detected = answers(run("detect", "data.csv", *arguments, "--format", "jsonl").stdout)
    assert [[one[name] for name in VERDICT] for one in streamed] == [
        [one[name] for name in VERDICT] for one in detected
    ]


# ---- columns -------------------------------------------------------------------------------------


def test_the_numbers_of_the_first_row_are_the_columns():
    rows = [{"a": "x"}, {"a": "x", "b": 1, "Time": 3}, {"b": 2, "c": 9, "a": 5}, {"c": 1}]
    result = run("stream", "--state", "state", text=lines(rows))
    assert [answer["line"] for answer in answers(result.stdout)] == [2, 3]
    assert "line 1: no field is a number" in result.stderr
    assert "line 4: no field 'b', only c" in result.stderr
    assert freshet.StreamingDetector.restore(Path("state").read_bytes()).columns == ("b",)


def test_columns_can_be_chosen():
    rows = [{"c": 3, "a": 1, "b": 2}, {"b": 2, "a": 1}]
    assert run("stream", "--columns", "b,a", "--state", "state", text=lines(rows)).exit_code == 0
    restored = freshet.StreamingDetector.restore(Path("state").read_bytes())
    assert restored.columns == ("b", "a")


def test_categories_are_columns_too():
    rows = [{"host": "ab"[i % 2], "cpu": i % 7, "note": "x"} for i in range(80)]
    result = run("stream", *INLINE, "--schema", "host=onehot", text=lines(rows))
    detector = freshet.StreamingDetector(
        retrain="inline", columns=["host", "cpu"], schema={"host": "onehot"}
    )
    expected = [detector.process([row["host"], row["cpu"]]).score for row in rows]
    assert [answer["score"] for answer in answers(result.stdout)] == expected


def test_timestamps_are_checked_on_request():
    rows = [
        {"at": "2026-01-01T02:00:00+02:00", "v": 1},
        {"at": "2026-01-01T00:00:01Z", "v": 2},
        {"at": "2025-12-31T00:00:00", "v": 3},
        {"at": 1767225602.5, "v": 4},
        {"at": "soon", "v": 5},
        {"v": 6},
        [7],
    ]
    result = run("stream", "--timestamp-field", "at", text=lines(rows))
    assert [answer["line"] for answer in answers(result.stdout)] == [1, 2, 4]
    told = result.stderr.splitlines()
    assert "line 3: timestamp 1767139200" in told[0]
    assert told[1:4] == [
        "freshet: line 5: 'at' is \"soon\", expected seconds or a date in ISO 8601",
        "freshet: line 6: no field 'at', expected a timestamp",
        "freshet: line 7: an array, expected an object with the field 'at'",
    ]
    dropping = ("--timestamp-field", "at", "--set", "out_of_order=drop")
    assert len(answers(run("stream", *dropping, text=lines(rows)).stdout)) == 4


# ---- bad lines -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"nonsense", "no JSON: Expecting value at character 1"),
        (b'{"a": 1, "b": 2', "no JSON: Expecting ',' delimiter at character 16"),
        (b'"text"', '"text", expected an object or an array'),
        (b"null", "null, expected an object or an array"),
        (b"3", "3, expected an object or an array"),
        (b"{}", "no field 'a', only "),
        (b'{"a": 1}', "no field 'b', only a"),
        (b'{"a": 1, "b": "2"}', "'b' is \"2\", expected a number"),
        (b'{"a": 1, "b": null}', "'b' is null, expected a number"),
        (b'{"a": 1, "b": true}', "'b' is true, expected a number"),
        (b'{"a": 1, "b": [2]}', "'b' is [2], expected a number"),
        (b'{"a": 1, "b": NaN}', "NaN, which is no JSON and no finite number"),
        (b'{"a": 1, "b": -Infinity}', "-Infinity, which is no JSON and no finite number"),
        (b'{"a": 1, "b": 1e400}', "a number too large for JSON"),
        (b'{"a": 1, "b": 2, "c": 1e400}', "a number too large for JSON"),
        (b'{"a": 1, "b": 1e200}', "column b: magnitude above 1e100"),
        (b'{"a": 1, "b": 1' + b"0" * 5000 + b"}", "no JSON that can be read: Exceeds the limit"),
        (b'{"a": 1, "a": 1, "b": 2}', "the field 'a' comes twice"),
        (b'{"a": 1, "b": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "no JSON that can be read: nested too deeply"),
        (b"[1]", "has 1 values: expected 2 values"),
        (b"[1, true]", "element 1 is true, expected a number"),
        (b"[1, 2, 3]", "has 3 values: expected 2 values"),
        (b'{"a": "' + b"x" * (1 << 21) + b'"}', "longer than 1,048,576 bytes"),
        (b"x" * ((1 << 20) - 1), "no JSON: Expecting value at character 1"),
    ],
)
def test_a_bad_line_changes_nothing(line, why):
    good = [b'{"a": %d, "b": %d}\n' % (i % 5, i % 3) for i in range(30)]
    expected = run("stream", *INLINE, "--min-samples", 10, text=b"".join(good))
    result = run(
        "stream", *INLINE, "--min-samples", 10, text=b"".join([*good[:20], line, b"\n", *good[20:]])
    )
    assert result.exit_code == 0
    for one, other in zip(answers(result.stdout), answers(expected.stdout), strict=True):
        assert one.pop("line") - other.pop("line") in (0, 1)
        assert one == other
    first, summary = result.stderr.splitlines()
    assert first.startswith(f"freshet: line 21: {why}")
    assert "; 1 bad lines;" in summary


def test_the_first_line_may_be_bad():
    result = run("stream", text='{"a": 1e200, "b": 1}\n{"a": 1}\n')
    assert [answer["line"] for answer in answers(result.stdout)] == [2]


def test_warnings_are_limited():
    result = run("stream", text="{\n" * 1234 + "[1]\n")
    told = result.stderr.splitlines()
    assert [line.split(":")[1] for line in told[:-1]] == [
        f" line {n}" for n in (*range(1, 11), 100, 1000)
    ]
    assert told[9].endswith("(10 bad lines so far, told of again at 100)")
    assert "; 1,234 bad lines;" in told[-1]


def test_nothing_but_bad_lines_is_an_error():
    assert run("stream", text="a,b\n1,2\n").exit_code == 1
    assert run("stream", text="").exit_code == 0
    assert run("stream", text="\n\n").exit_code == 0


@pytest.mark.parametrize("command", ["stream", "detect -"])
def test_a_closed_standard_input_is_a_message(command):
    done = subprocess.run(
        ["bash", "-c", f"'{PROGRAM}' {command} <&-"],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "freshet: standard input: it is closed\n"


def test_the_last_line_needs_no_end():
    assert len(answers(run("stream", text="[1]\n[2]").stdout)) == 2


def test_lone_surrogates_come_back_as_they_were():
    done = run_program(
        "stream", input='{"a": 1, "b": "\\ud800"}\n', env=os.environ | {"LC_ALL": "C"}
    )
    assert answers(done.stdout)[0]["b"] == "\ud800"


# ---- state ---------------------------------------------------------------------------------------


def test_a_stream_that_was_cut_goes_on_as_if_it_had_not_been():
    whole = answers(run("stream", *INLINE, text=lines(objects())).stdout)
    cut = []
    for part in (objects()[:70], objects()[70:]):
        result = run("stream", *INLINE, "--state", "state", text=lines(part))
        cut += answers(result.stdout)
    for one in (*whole, *cut):
        del one["line"]
    assert cut == whole
    assert [path.name for path in Path().iterdir()] == ["state"]


def test_what_was_learnt_is_saved_every_so_many_rows():
    with running("--state", "state", "--save-every", 3) as program:
        for i in range(8):
            ask(program, [i])
            restored = freshet.StreamingDetector.restore(Path("state").read_bytes())
            # The answer to a row comes before it is saved.
            assert restored.stats().total_processed in {i // 3 * 3, (i + 1) // 3 * 3}


def test_the_file_of_python_is_the_same():
    detector = freshet.StreamingDetector("hbos", columns=["heat", "load"], retrain="inline")
    detector.process_many(series()[:60])
    Path("state").write_bytes(detector.snapshot())
    result = run("stream", "--state", "state", text=lines(objects()[60:]))
    scores = [answer["score"] for answer in answers(result.stdout)]
    assert scores == detector.process_many(series()[60:]).score.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--contamination", 0.2], "state was made with contamination 0.1, expected the same or"),
        (["--backend", "loda"], "state was made with backend 'ecod', expected the same or"),
        (["--columns", "a,b"], "state was made with columns ['heat', 'load'], expected the same"),
        (["--state", "broken"], "broken: the snapshot is"),
        (["--state", "broken/x"], "broken"),
        (["--min-samples", 1], "min_samples must be at least 2"),
    ],
)
def test_a_state_of_another_detector_is_refused(arguments, message):
    run("stream", *INLINE, "--state", "state", text=lines(objects()[:3]))
    Path("broken").write_text("x")
    before = Path("state").read_bytes()
    given = [] if "--state" in arguments else ["--state", "state"]
    result = run("stream", *given, *arguments, text=lines(objects()))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"freshet: {message}")
    assert Path("state").read_bytes() == before


def test_the_same_settings_are_no_others():
    arguments = ("--state", "state", *INLINE, "--contamination", 0.2, "--columns", "heat,load")
    for _ in range(2):
        assert run("stream", *arguments, text=lines(objects()[:3])).exit_code == 0


# ---- signals -------------------------------------------------------------------------------------


def test_a_signal_within_a_row_waits_for_its_end():
    taking = Interruption()
    taking.take(signal.SIGINT, None)  # Not while a line is waited for.
    assert taking.read_line(sys.stdin, 10) == b""
    assert taking.number == signal.SIGINT
    with pytest.raises(KeyboardInterrupt):
        taking.take(signal.SIGINT, None)


def test_the_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    run("stream", text="[1]\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_examples_name_options_that_exist():
    text = run("stream", "--help").stdout
    for example in stream.EXAMPLES:
        assert example in text


def test_a_timestamp_beyond_doubles_is_one_bad_line():
    text = f'{{"heat": 1, "at": 1{"0" * 400}}}\n{{"heat": 1, "at": 2}}\n'
    done = run("stream", "--timestamp-field", "at", text=text)
    assert done.exit_code == 0
    assert "line 1: 'at' is 1000" in done.stderr
    assert "too large a number" in done.stderr
    assert "1 rows" in done.stderr
    assert "1 bad lines" in done.stderr
