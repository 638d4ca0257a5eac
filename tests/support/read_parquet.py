"""Reads Parquet files with Arrow's C++ reader, which shares no code with the writer.

Reads a JSON array of paths, writes a JSON array with an object for each: its columns as [name, physical type, logical
type, null count], and its rows as texts or null.
"""

import datetime
import json
import sys

import pyarrow.parquet


def text(value):
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    return repr(value) if isinstance(value, float) else str(value)


def main() -> None:
    files = []
    for path in json.load(sys.stdin):
        table = pyarrow.parquet.read_table(path)
        schema = pyarrow.parquet.read_schema(path)
        parquet = pyarrow.parquet.ParquetFile(path).schema
        columns = []
        for index, name in enumerate(schema.names):
            column = parquet.column(index)
            columns.append([name, column.physical_type, str(column.logical_type), table.column(index).null_count])
        rows = [[text(value) for value in row.values()] for row in table.to_pylist()]
        files.append({"columns": columns, "rows": rows})
    json.dump(files, sys.stdout)


main()
