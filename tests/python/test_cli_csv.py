"""Tables from CSV files, and what is said about those that are none."""

import io
import sys

import numpy as np
import pytest
from freshet import DataError
from freshet.cli._csv import read_series


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("text", "columns", "values", "timestamps"),
    [
        ("a,b\n1,2\n3,4\n", ["a", "b"], [[1, 2], [3, 4]], None),
        ("timestamp,a\nx,1\ny,2\n", ["a"], [[1], [2]], ["x", "y"]),
        ("a,Date\n1,5\n2,6\n", ["a"], [[1], [2]], ["5", "6"]),
        ("when,a\n2020-01-01,1\n", ["a"], [[1]], ["2020-01-01"]),
        ("when,a\n2020_01_01,1\n", ["a"], [[1]], ["2020_01_01"]),
        ("time,date,a\n1,x,2\n", ["a"], [[2]], ["1"]),
        ("a,station,b\n1,north,2\n3,south,4\n", ["a", "b"], [[1, 2], [3, 4]], None),
        ("a, b \n 1 , -2.5e-3\n", ["a", "b"], [[1, -0.0025]], None),
        ('"a,1","b ""x"""\r\n"1",2\r\n', ["a,1", 'b "x"'], [[1, 2]], None),
        ("\ufeffa\n1\n", ["a"], [[1]], None),
        ("a\n1", ["a"], [[1]], None),
        ("a\n1\n\n\n", ["a"], [[1]], None),
        ("0,1\n5,6\n", ["0", "1"], [[5, 6]], None),
        (",a\n2020-01-01,6\n", ["a"], [[6]], ["2020-01-01"]),
        ("größe\n1\n", ["größe"], [[1]], None),
    ],
)
def test_numbers_and_timestamps_are_found(write, text, columns, values, timestamps):
    series = read_series(write(text))
    assert series.columns == columns
    assert series.values.dtype == np.float64
    assert series.values.tolist() == values
    assert series.timestamps == timestamps


@pytest.mark.parametrize(
    ("chosen", "texts", "columns"),
    [
        (None, ["kind"], ["a", "b"]),
        (None, ["kind", "b"], ["a"]),
        (["b"], ["kind"], ["b"]),
        ([], ["kind", "a", "b"], []),
    ],
)
def test_columns_can_be_read_as_they_stand_there(write, chosen, texts, columns):
    path = write("kind,a,b\nred,1,2\n, 3,4\n")
    series = read_series(path, chosen, texts=texts)
    # The first column holds texts, but is taken.
    assert series.timestamps is None
    assert series.columns == columns
    cells = {"kind": ["red", ""], "a": ["1", " 3"], "b": ["2", "4"]}
    assert series.texts == {name: cells[name] for name in texts}
    numbers = {"a": [1.0, 3.0], "b": [2.0, 4.0]}
    assert series.values.T.tolist() == [numbers[name] for name in columns]
    with pytest.raises(DataError, match='has no column "c", only kind, a, b'):
        read_series(path, texts=["c"])


@pytest.mark.parametrize(
    ("options", "columns", "values", "timestamps"),
    [
        ({"columns": ["b", "a"]}, ["b", "a"], [[2, 1]], ["5"]),
        ({"columns": ["time"]}, ["time"], [[5]], None),
        ({"timestamp_column": None}, ["time", "a", "b"], [[5, 1, 2]], None),
        ({"timestamp_column": "a"}, ["time", "b"], [[5, 2]], ["1"]),
        ({"columns": ["b"], "timestamp_column": None}, ["b"], [[2]], None),
        ({"columns": ["b"], "timestamp_column": "b"}, ["b"], [[2]], ["2"]),
    ],
)
def test_columns_can_be_chosen(write, options, columns, values, timestamps):
    series = read_series(write("time,a,b,c\n5,1,2,x\n"), **options)
    assert series.columns == columns
    assert series.values.tolist() == values
    assert series.timestamps == timestamps


def test_what_is_not_chosen_is_not_looked_at(write):
    series = read_series(write("note,a,b\nnone,1,nan\n7,2,x\n"), columns=["a"])
    assert series.values.tolist() == [[1], [2]]
    assert series.timestamps == ["none", "7"]


def test_a_dash_is_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\n1\n")))
    assert read_series("-").values.tolist() == [[1]]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nx\n")))
    with pytest.raises(DataError, match="standard input has no column of numbers"):
        read_series("-")
    assert not sys.stdin.closed


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        ("", "batch_empty", "is empty, expected a line with the names"),
        ("\n\n", "batch_empty", "is empty, expected a line with the names"),
        ("\na\n1\n", "batch_empty", "line 1, is empty, expected a line with the names"),
        (",,\n1,2,3\n", "batch_empty", "line 1, is empty"),
        ("a,b\n", "batch_empty", "names of columns but no rows"),
        ("a,b,a\n1,2,3\n", "column_duplicate", 'line 1: column "a" comes twice'),
        ("1.5,2\n3,4\n", "file_corrupt", "line 1: numbers (1.5, 2) instead of names"),
        ("a,b\nx,y\n", "column_missing", "no column of numbers, only a, b"),
        ("a;b\n1;2\n", "column_missing", "no column of numbers, only a;b"),
        (",a\n1,2\n", "column_missing", "line 1: column 1 has no name"),
        ("a,b\n1,2\n3\n", "width_mismatch", "line 3: 1 fields, expected 2 (a, b)"),
        ("a,b\n1,2\n3,4,5\n", "width_mismatch", "line 3: 3 fields, expected 2 (a, b)"),
        ("a\n1\n\n2\n", "width_mismatch", "line 3: 0 fields, expected 1"),
        ("a,b\n1,2\n3,x\n", "value_not_numeric", "line 3, column \"b\": 'x' is no finite number"),
        ("a,b\n1,2\n3,\n", "value_not_numeric", "line 3, column \"b\": '' is no finite number"),
        ("a,b\n1,\n3,4\n", "value_not_numeric", "line 2, column \"b\": '' is no finite number"),
        ("a,b\n1,1_0\n3,4\n", "value_not_numeric", "line 2, column \"b\": '1_0' is no"),
        ("a\nx\n3\n", "value_not_numeric", "line 2, column \"a\": 'x' is no finite number"),
        ("a\nnan\n", "value_non_finite", "line 2, column \"a\": 'nan' is no finite number"),
        ("t,a\nx,1\ny,-inf\n", "value_non_finite", "line 3, column \"a\": '-inf' is no"),
        ("a\n1e999\n", "value_non_finite", "line 2, column \"a\": '1e999' is no finite number"),
        ('a,b\n1,"x\ny"\n2,3\n', "value_not_numeric", "line 2, column \"b\": 'x\\ny' is no"),
        ('t,a\n"x\ny",1\nz,w\n', "value_not_numeric", "line 4, column \"a\": 'w' is no finite"),
        (b"a\n1\n\xff\n", "file_corrupt", "line 3: not UTF-8, expected a text file in UTF-8"),
        ("a\n1\n".encode("utf-16"), "file_corrupt", "line 1: not UTF-8"),
        ('a\n1\n"2\n', "file_corrupt", "line 3: unexpected end of data"),
        ('a\n1\n"2"x\n', "file_corrupt", "line 3: ',' expected after '\"'"),
        ("a\n" + "1" * 200_000 + "\n", "file_corrupt", "line 2: field larger than field limit"),
    ],
)
def test_an_error_names_file_line_and_column(write, content, kind, message):
    path = write(content)
    with pytest.raises(DataError) as caught:
        read_series(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert caught.value.id == kind
    assert caught.value.expected


def test_the_fields_of_an_error_say_where(write):
    with pytest.raises(DataError) as caught:
        read_series(write("t,a\nx,1\ny,z\n"))
    error = caught.value
    assert (error.field, error.row, error.column) == ("a", 1, 1)
    assert error.expected == "a finite number"
    assert "if the column is not to be read, name those that are" in str(error)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"columns": ["c"]}, "column_missing", 'no column "c", only a, b'),
        ({"timestamp_column": "c"}, "column_missing", 'no column "c", only a, b'),
        ({"columns": ["a", "a"]}, "column_duplicate", 'column "a" is asked for twice'),
        ({"columns": ["a", "b"]}, "value_not_numeric", "line 2, column \"b\": 'x' is no finite"),
    ],
)
def test_a_choice_that_cannot_be_had_is_an_error(write, options, kind, message):
    with pytest.raises(DataError) as caught:
        read_series(write("a,b\n1,x\n"), **options)
    assert message in str(caught.value)
    assert caught.value.id == kind


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        read_series(tmp_path / "none.csv")
