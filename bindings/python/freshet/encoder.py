"""From texts and flags to numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from freshet import _core
from freshet._rows import Floats, Rows, cell_batch

__all__ = ["Encoder"]

Encoding: TypeAlias = Literal["numeric", "hash", "label", "onehot", "binary", "frequency"]
#: The encodings of columns: by name, or as a mapping of its settings.
Schema: TypeAlias = Mapping[str, Encoding | str | Mapping[str, Any]]


class Encoder:
    """Makes numbers of texts and flags, column by column, as a schema says.

    For tables: `fit` looks at all rows, and from then on nothing changes. In a stream the same
    encodings learn row by row, as the ``schema`` of a `StreamingDetector`.

    Parameters
    ----------
    schema : mapping of str to str or mapping
        The encoding of each column; columns that it does not name are numeric.

        ``"numeric"``
            The number as it is; texts and flags are refused.
        ``"hash"``
            A number from 0 to 2**32 - 1 that depends on the category alone, on every machine: the
            64 bits of FNV-1a of its UTF-8 text, one half exclusive-or the other.
        ``"label"``
            Categories as 0, 1, 2, ... in order of first appearance. Those that were not among the
            rows of `fit` have the next code, which is that of no other.
        ``"onehot"``
            A column for each category, 1.0 in that of the cell and 0.0 in the others, everywhere
            for categories that were not among the rows of `fit`. With ``{"encoding": "onehot",
            "max_categories": 8}`` only the first 8 categories have columns; without it there may be
            at most 1024.
        ``"binary"``
            1.0 for yes, true, y, t, on and 1, 0.0 for no, false, n, f, off and 0, in any case and
            of any type; anything else is refused.
        ``"frequency"``
            The share of the rows of `fit` that have this category; 0.0 for others.

    Raises
    ------
    ConfigurationError
        If an encoding is unknown or its settings are out of range; ``field`` is
        ``"schema.<column>"``.

    Notes
    -----
    A category is the text of a cell. A number has its shortest decimal text and a flag "true" or
    "false", so that ``1``, ``1.0`` and ``"1"`` are one category. A column remembers at most 65,536
    categories and 8 MiB of their text; those that come when there is no room count as one.

    Encoders can be copied and pickled; `to_dict` and `from_dict` are for files beside a model.

    Examples
    --------
    >>> rows = [
    ...     {"color": "red", "on": "yes", "size": 1.5},
    ...     {"color": "blue", "on": False, "size": 2.5},
    ... ]
    >>> encoder = Encoder({"color": "onehot", "on": "binary"})
    >>> encoder.fit_transform(rows).tolist()
    [[1.0, 0.0, 1.0, 1.5], [0.0, 1.0, 0.0, 2.5]]
    >>> encoder.feature_names
    ('color_red', 'color_blue', 'on', 'size')
    """

    __slots__ = ("__weakref__", "_core")

    def __init__(self, schema: Schema) -> None:
        self._core = _core.Encoder(dict(schema))

    def fit(self, rows: Rows) -> Encoder:
        """Learn the categories of rows, in place of what was learnt before.

        Parameters
        ----------
        rows : list of mappings, list of sequences, array or DataFrame
            At least one row. The names of the first one decide the columns; columns without names
            are called f0, f1, ...

        Returns
        -------
        Encoder
            This one.

        Raises
        ------
        DataError
            If a cell cannot be encoded, a column of the schema is missing, or a row has other
            columns than the first one. Names row and column; the encoder is unchanged.
        """
        self._core.fit(*cell_batch(rows))
        return self

    def transform(self, rows: Rows) -> Floats:
        """Encode rows.

        Parameters
        ----------
        rows : list of mappings, list of sequences, array or DataFrame
            With the columns of `fit`: matched by name, if they have names.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_features)
            In the order of `feature_names`.

        Raises
        ------
        DataError
            If a cell cannot be encoded, or a column is unknown, missing or comes twice. Names row
            and column.
        NotReadyError
            Before `fit`.
        """
        return self._core.transform(*cell_batch(rows))

    def fit_transform(self, rows: Rows) -> Floats:
        """`fit` the encoder to rows, and encode them."""
        batch = cell_batch(rows)
        self._core.fit(*batch)
        return self._core.transform(*batch)

    @property
    def schema(self) -> dict[str, Any]:
        """The encodings by column."""
        return self._core.schema()

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns; None before `fit`."""
        return tuple(self._core.columns()) or None

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The names of the columns that `transform` makes; None before `fit`.

        Those of columns, but for one-hot ones ``{column}_{category}``; where two are the same, the
        later one gets ``_2`` at the end.
        """
        return tuple(self._core.feature_names()) or None

    def to_dict(self) -> dict[str, Any]:
        """All that was learnt, ready for JSON.

        Raises
        ------
        NotReadyError
            Before `fit`.
        """
        return self._core.state()

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Encoder:
        """The encoder whose `to_dict` is `state`.

        Raises
        ------
        ConfigurationError
            If something is missing, of the wrong type or contradicts the rest; ``field`` names it.
        """
        encoder = cls.__new__(cls)
        encoder._core = _core.Encoder.from_state(dict(state))
        return encoder

    def __reduce__(self) -> tuple[Any, ...]:
        if self.columns is None:
            return type(self), (self.schema,)
        return type(self).from_dict, (self.to_dict(),)

    def __repr__(self) -> str:
        fitted = "" if self.columns is None else f", fitted to {self.to_dict()['n_rows']} rows"
        return f"<Encoder {self.schema}{fitted}>"
