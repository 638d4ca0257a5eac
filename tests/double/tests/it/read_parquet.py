"""Reads staged Parquet files with DuckDB and holds them against the records they were made of.

Arguments: the NDJSON input, then the files. Every record must be there once, every value equal, and every missing one
NULL. Prints the columns with their Parquet types, one a line.
"""

import datetime
import decimal
import json
import sys

import duckdb


def same(column, kind, have, want):
    """Whether a value of a file is the value of the record."""
    if want is None or have is None:
        return want is None and have is None
    if kind == "TIMESTAMP":
        return have == datetime.datetime.fromisoformat(want)
    if kind == "TIMESTAMP WITH TIME ZONE":
        utc = datetime.datetime.fromisoformat(want).astimezone(datetime.timezone.utc)
        return have == utc.replace(tzinfo=None)
    if kind == "DATE":
        return have.isoformat() == want
    if kind.startswith("DECIMAL"):
        return have == decimal.Decimal(str(want))
    if isinstance(want, (list, dict)):
        return json.loads(have, parse_float=decimal.Decimal) == want
    if kind == "VARCHAR" and not isinstance(want, str):
        return have == json.dumps(want)
    return have == want and isinstance(have, bool) == isinstance(want, bool)


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as lines:
        records = [json.loads(line, parse_float=decimal.Decimal) for line in lines]
    files = sys.argv[2:]
    session = duckdb.connect()
    session.execute("SET TimeZone = 'UTC'")
    described = session.execute("DESCRIBE SELECT * FROM read_parquet(?)", [files]).fetchall()
    kinds = [(column[0], column[1]) for column in described]
    # A time with its zone comes out as UTC, which needs no further package.
    wanted = ", ".join(
        f'make_timestamp(epoch_us("{name}"))' if kind == "TIMESTAMP WITH TIME ZONE" else f'"{name}"' for name, kind in kinds
    )
    rows = session.execute(f"SELECT {wanted} FROM read_parquet(?) ORDER BY id", [files]).fetchall()
    assert len(rows) == len(records), f"{len(rows)} rows of {len(records)} records"
    for row, record in zip(rows, records):
        assert set(record) <= {name for name, _ in kinds}, "a field has no column"
        for value, (name, kind) in zip(row, kinds):
            want = record.get(name)
            if kind == "DOUBLE" and want is not None:
                want = float(want)
            assert same(name, kind, value, want), f"{name} of record {record['id']}: {value!r}, and was {want!r}"
    for file in files:
        schema = session.execute("SELECT name, type, converted_type FROM parquet_schema(?) OFFSET 1", [file]).fetchall()
        print(json.dumps(schema))


main()
