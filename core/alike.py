"""Many raw rows of plain numbers → typed columns: what texts mean is asked once for each text.

A row's setting (region and date), measure and activity hang on few texts each. They are read for
every distinct combination, as core.row_reader reads them, and spread over the rows. Whatever would
give an issue, or has a number that needs a closer look, is left to the reader of single rows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.records import Field
from core.row_reader import RowReader

Numbers: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

_TEXT = pa.string()
_MOST_KEYS = 1 << 62
# The forms in which a number can be read without a look at anything else, and what to replace in
# each so that it becomes the text of a float: as core.numbers reads them.
_FORMS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (r"^(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?$", ()),
    (r"^(?:0|[1-9][0-9]{0,14}),[0-9]{1,15}$", ((",", "."),)),
    (r"^[1-9][0-9]{0,2}(?:,[0-9]{3}){1,4}\.[0-9]{1,15}$", ((",", ""),)),
    (r"^[1-9][0-9]{0,2}(?:\.[0-9]{3}){1,4},[0-9]{1,15}$", ((".", ""), (",", "."))),
)
# These could be thousands as well: with the sign at hand they are decimals, else read singly.
_EITHER = {".": r"^[1-9][0-9]{0,2}\.[0-9]{3}$", ",": r"^[1-9][0-9]{0,2},[0-9]{3}$"}


class Plain(NamedTuple):
    """The numbers of the rows of a part."""

    plain: Mask  # which rows have one of a plain form
    values: npt.NDArray[np.float64]  # of those
    texts: Any  # pa.StringArray, without outer blanks
    from_volume: Mask  # whether it is the quantity, not the amount
    either: dict[str, Mask]  # sign → which could be thousands, or decimals by it


def plain_numbers(table: pa.Table, data: Mask) -> Plain:
    """Read the numbers of raw rows that are `data`, as far as they have one of a plain form."""
    volume, amount = (
        _trimmed(table.column(str(f)).combine_chunks()) for f in (Field.VOLUME, Field.AMOUNT)
    )
    missing = pc.equal(volume, "")
    texts = pc.if_else(missing, amount, volume)
    values, plain = np.zeros(len(texts)), np.zeros(len(texts), np.bool_)
    for form, replacements in _FORMS:
        found = _mask(pc.match_substring_regex(texts, form))
        if found.any():
            written = texts.filter(pa.array(found))
            for old, new in replacements:
                written = pc.replace_substring(written, old, new)
            values[found] = pc.cast(written, pa.float64()).to_numpy(zero_copy_only=False)
            plain |= found
        if plain.all():
            break
    either = {sign: _mask(pc.match_substring_regex(texts, form)) for sign, form in _EITHER.items()}
    return Plain(plain & data, values, texts, ~_mask(missing), either)


def _trimmed(column: Any) -> Any:
    return pc.fill_null(pc.utf8_trim_whitespace(column), "")


def _mask(column: Any) -> Mask:
    found: Mask = column.to_numpy(zero_copy_only=False)
    return found


class _Column:
    """A column of texts as numbers, and what each of them stands for, without outer blanks."""

    def __init__(self, column: pa.ChunkedArray, rows: Numbers) -> None:
        encoded = column.combine_chunks().take(pa.array(rows)).dictionary_encode("encode")
        self.codes = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64)
        self.texts: list[str] = _trimmed(encoded.dictionary).to_pylist()

    def at(self, rows: Numbers) -> list[str]:
        """Return the texts of some rows."""
        return [self.texts[code] for code in self.codes[rows].tolist()]


def distinct(*codes: Numbers) -> tuple[Numbers, Numbers]:
    """Number the combinations of codes in order of appearance; return the first row of each too."""
    keys, most = codes[0], int(codes[0].max(initial=0)) + 1
    for more in codes[1:]:
        count = int(more.max(initial=0)) + 1
        if most * count > _MOST_KEYS:
            keys, most = _numbered(keys)
        keys, most = keys * count + more, most * count
    found, count = _numbered(keys)
    firsts = np.zeros(count, np.int64)
    firsts[found[::-1]] = np.arange(len(found))[::-1]  # of several, the first is written last
    return found, firsts


def _numbered(keys: Numbers) -> tuple[Numbers, int]:
    encoded = pa.array(keys).dictionary_encode()
    codes = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64)
    return codes, len(encoded.dictionary)


def _numbers_of(values: Iterable[Hashable]) -> Numbers:
    """Number different values."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], np.int64)


class AlikeRows:
    """Reads the rows of a part that have plain numbers; `rows` says which of them it could.

    `tables` says by which of the readers a row is read, `held` whether its number was held as one.
    """

    def __init__(
        self,
        table: pa.Table,
        numbers: Plain,
        readers: Sequence[RowReader],
        tables: Numbers,
        held: Mask,
    ) -> None:
        rows = np.flatnonzero(numbers.plain)
        self._readers, self._tables = readers, tables[rows]
        self._columns: dict[Field, _Column] = {f: _Column(table.column(str(f)), rows) for f in Field
                         if f not in (Field.VOLUME, Field.AMOUNT)}  # fmt: skip
        self._from_volume = numbers.from_volume[rows]
        self._read_settings()
        self._read_measures()
        self._read_activities()
        sound = self._sound & ~self._other_sign(numbers, rows, held[rows])
        self._kept = np.flatnonzero(sound)
        self.rows = rows[self._kept]

    def _distinct(
        self, fields: Sequence[Field], *codes: Numbers
    ) -> tuple[Numbers, Numbers, list[RowReader], list[tuple[str, ...]]]:
        """Find the combinations of table, texts and codes: of each row which, of each one the first
        row, its reader and its texts."""
        columns = [self._columns[field] for field in fields]
        found, firsts = distinct(self._tables, *(column.codes for column in columns), *codes)
        readers = [self._readers[table] for table in self._tables[firsts].tolist()]
        texts = list(zip(*(column.at(firsts) for column in columns), strict=True))
        return found, firsts, readers, texts

    def _read_settings(self) -> None:
        fields = (Field.REGION, Field.DATE, Field.YEAR)
        self._of_setting, _, readers, texts = self._distinct(fields)
        found = [reader.setting(*three) for reader, three in zip(readers, texts, strict=True)]
        self._settings, self._setting_texts = found, texts
        self._sound = np.array([not s.warnings for s in found], np.bool_)[self._of_setting]
        self._where = _numbers_of((s.region, s.year) for s in found)[self._of_setting]

    def _read_measures(self) -> None:
        kinds = self._from_volume.astype(np.int64)
        fields = (Field.UNIT, Field.CURRENCY)
        self._of_measure, firsts, readers, texts = self._distinct(fields, self._where, kinds)
        settings, kinds = self._of_setting[firsts].tolist(), kinds[firsts].tolist()
        self._measures = [
            reader.plain_measure(unit, currency, self._settings[at].region, from_volume=bool(kind))
            for reader, (unit, currency), at, kind in zip(
                readers, texts, settings, kinds, strict=True
            )
        ]
        self._sound &= np.array([m is not None for m in self._measures], np.bool_)[self._of_measure]

    def _read_activities(self) -> None:
        fields = (Field.ACTIVITY_NAME, Field.ACTIVITY_TYPE, Field.ACTIVITY_DESCRIPTION)
        units = _numbers_of(m and m.unit for m in self._measures)[self._of_measure]
        self._of_activity, firsts, readers, texts = self._distinct(fields, units, self._where)
        measures = [self._measures[at] for at in self._of_measure[firsts].tolist()]
        settings = [self._settings[at] for at in self._of_setting[firsts].tolist()]
        self._activities = [
            measure and reader.activity(name, kind, description, measure.unit, setting)
            for reader, (name, kind, description), measure, setting in zip(
                readers, texts, measures, settings, strict=True
            )
        ]
        self._activity_texts = [(n or d or k, k, d, not n) for n, k, d in texts]
        sound = np.array([a is not None for a in self._activities], np.bool_)
        self._sound &= sound[self._of_activity]

    def _other_sign(self, numbers: Plain, rows: Numbers, held: Mask) -> Mask:
        """Tell which numbers could be thousands by the sign that holds in their row."""
        signs = [[s.decimal_sign(f) for s in self._settings] for f in (Field.AMOUNT, Field.VOLUME)]
        known = np.array(signs, "U1")[self._from_volume.astype(np.int64), self._of_setting]
        known = np.where(held, ".", known)
        other = np.zeros(len(rows), np.bool_)
        for sign, either in numbers.either.items():
            other |= either[rows] & (known != sign)
        return other

    def columns(self) -> dict[str, Any]:
        """Return the columns of `rows` that do not come from their numbers and places."""
        kept = self._kept
        of_setting, of_activity = self._of_setting[kept], self._of_activity[kept]
        of_measure, tables = self._of_measure[kept], self._tables[kept]

        def spread(values: Sequence[Any], codes: Numbers, kind: pa.DataType = _TEXT) -> Any:
            return pa.array(values, kind).take(pa.array(codes))

        def each(values: Sequence[Any], get: Callable[[Any], Any]) -> list[Any]:
            return [None if value is None else get(value) for value in values]

        settings, texts, activities = self._settings, self._activity_texts, self._activities
        return {
            "sheet": spread([reader.sheet for reader in self._readers], tables),
            "activity_key": spread(each(activities, lambda a: a.key), of_activity),
            "activity_name": spread([t[0] for t in texts], of_activity),
            "activity_type": spread([t[1] or None for t in texts], of_activity),
            "activity_description": spread([t[2] or None for t in texts], of_activity),
            "unit_text": spread(each(self._measures, lambda m: m.text), of_measure),
            "region_text": spread([t[0] or None for t in self._setting_texts], of_setting),
            "date_text": spread([t[1] or t[2] or None for t in self._setting_texts], of_setting),
            "unit": spread(each(activities, lambda a: a.unit.code), of_activity),
            "dimension": spread(each(activities, lambda a: a.unit.dimension.value), of_activity),
            "basis": spread(each(activities, lambda a: a.unit.basis), of_activity),
            "region": spread([s.region for s in settings], of_setting),
            "activity_on": spread([s.on for s in settings], of_setting, pa.date32()),
            "year": spread([s.year for s in settings], of_setting, pa.int32()),
            "currency": spread(each(activities, lambda a: a.unit.currency), of_activity),
            "flags": self._flags(of_setting, of_measure, of_activity),
        }

    def _flags(self, of_setting: Numbers, of_measure: Numbers, of_activity: Numbers) -> Any:
        unnamed: list[tuple[str, ...]] = [
            ("name_defaulted",) if texts[3] else () for texts in self._activity_texts
        ]
        parts: list[tuple[list[tuple[str, ...]], Numbers]] = [
            (unnamed, of_activity),
            ([setting.flags for setting in self._settings], of_setting),
            ([m.flags if m else () for m in self._measures], of_measure),
            ([a.flags if a else () for a in self._activities], of_activity),
        ]
        codes, firsts = distinct(*(_numbers_of(flags)[rows] for flags, rows in parts))
        lists = [sum((flags[rows[at]] for flags, rows in parts), ()) for at in firsts]
        return pa.array(lists, pa.list_(_TEXT)).take(pa.array(codes))
