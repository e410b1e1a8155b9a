"""Reading of comma-separated text. No line is completed, dropped or cut, and no cell is interpreted."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.data.errors import DataError
from clients.data.limits import afford

_BYTES_A_BYTE = 16
"""Bytes of memory per byte of a file while its cells are text."""

_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # comes first, because it begins like that of UTF-16
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", "::": "double colons", ":": "colons", " ": "spaces"}
_WHOLE = re.compile(r"[^,]*|[+-]?\d+,\d+")
"""A cell of a table in which commas are decimal points."""

_SAMPLE = 100
"""Number of lines from which the separator is inferred."""


@dataclass(frozen=True, eq=False)
class TextTable:
    """The cells of a text table, including its first line.

    Parameters
    ----------
    path : str
        The file, for messages.
    columns : list of list of str
        The cells of each column, without surrounding spaces.
    lines : sequence of int, length rows
        The line, from 1, on which each row ends.
    """

    path: str
    columns: list[list[str]]
    lines: Sequence[int]

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.columns)

    @property
    def first(self) -> list[str]:
        """The cells of the first line."""
        return [column[0] for column in self.columns]

    def column(self, place: int, header: bool) -> list[str]:
        """Return the cells of a column, without that of the first line if it is a header."""
        return self.columns[place][header:]

    def line(self, row: int, header: bool) -> str:
        """Return words for messages that name the line of a row; rows are numbered from 0, without the header."""
        return f"line {self.lines[row + header]}"


def read_text(path: Path, what: str) -> str:
    """Return a file's text; ``DataError`` if it is not UTF-8, with the probable encoding."""
    try:
        afford(path, _BYTES_A_BYTE * path.stat().st_size, "reading it")
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read as {what} ({error.strerror or error}): correct path") from None
    for mark, name in _MARKS.items():
        if raw.startswith(mark):
            raise DataError(f"{path}: is {name} text: save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{raw[error.start]:02x}"
        raise DataError(f"{path}: line {line} is not UTF-8 text ({byte}), perhaps Latin-1 or compressed: save it as UTF-8 text") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}: line {line} holds a zero byte, as UTF-16 text and damaged files do: save it as UTF-8 text")
    return text


def read_table(path: Path, what: str = "CSV") -> TextTable:
    """Return the cells of comma-separated text, without empty lines.

    Raises
    ------
    DataError
        If the file is no text, has another separator, lines with different numbers of cells, or quotes that do not match.
    """
    text = read_text(path, what)
    _refuse_other_separators(path, text)
    lines, widths, spans = _records(path, text)
    if not lines:
        raise DataError(f"{path}: has no rows: it needs a table with commas")
    if ragged := next((i for i, width in enumerate(widths) if width != widths[0]), None):
        raise DataError(
            f"{path}: line {lines[ragged]} has {widths[ragged]} cells, the first has {widths[0]}: complete or remove it "
            "(a cell that holds a comma needs quotes; a table has no comments)"
        )
    if swallowed := next((i for i, (ends, commas) in enumerate(spans) if ends and commas >= ends * (widths[0] - 1)), None):
        raise DataError(f"{path}: line {lines[swallowed]} ends a cell that holds whole lines: close the quote that opens before it")
    columns = _columns(path, text)
    if (len(columns[0]), len(columns)) != (len(lines), widths[0]):
        raise DataError(f"{path}: reads as {len(columns[0])} or as {len(lines)} rows, depending on its quotes: mend the quotes")
    return TextTable(str(path), columns, lines)


def _columns(path: Path, text: str) -> list[list[str]]:
    """Return the stripped cells of each column, as pandas reads them."""
    import pandas as pd

    try:
        frame = pd.read_csv(io.StringIO(text), header=None, dtype=object, na_filter=False, skipinitialspace=True, low_memory=False)
    except (ValueError, pd.errors.ParserError, OverflowError, MemoryError) as error:
        raise DataError(f"{path}: cannot be read as CSV ({' '.join(str(error).split())}): save it as UTF-8 text with commas") from None
    return [[cell.strip() for cell in frame[place].tolist()] for place in frame]


def _records(path: Path, text: str) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Return each record's last line and number of cells, and the numbers of line ends and commas inside its cells.

    pandas silently completes lines that are too short, so cells are counted independently of it.
    """
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    lines, widths, spans = [], [], []
    try:
        for record in reader:
            if not record or (len(record) == 1 and not record[0].strip()):
                continue
            broken = [cell for cell in record if "\n" in cell or "\r" in cell]
            lines.append(reader.line_num)
            widths.append(len(record))
            spans.append((sum(len(cell.splitlines()) - 1 for cell in broken), sum(cell.count(",") for cell in broken)))
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} cannot be read as CSV ({error}): mend its quotes") from None
    return lines, widths, spans


def _refuse_other_separators(path: Path, text: str) -> None:
    """Raise ``DataError`` if the table seems to have another separator than the comma."""
    some = [line for line in text[: 1 << 20].splitlines()[:_SAMPLE] if line.strip()]
    for separator, name in _SEPARATORS.items():
        alone = bool(some) and not some[0].startswith("#") and "," not in some[0] and separator in some[0].strip()
        if alone or (separator in (";", "\t", "|") and _separates(separator, some)):
            raise DataError(f"{path}: looks separated by {name}: save it with commas, and with points for decimals")


def _separates(separator: str, lines: Sequence[str]) -> bool:
    """Return whether every line has the same number of a separator, and all commas are decimal points."""
    counts = {line.count(separator) for line in lines}
    if len(counts) != 1 or counts == {0}:
        return False
    return all(_WHOLE.fullmatch(cell.strip()) for line in lines for cell in line.split(separator))
