"""Other tools' way of a file into Postgres, for `cargo bench --bench postgres -- --python PYTHON`.

`postgres_peers.py PARTY URL FILE` loads FILE into the table `loaded`, which does not exist, and prints the seconds that
the load took: not the start of the interpreter and not the import of the tool, but for Sling, which is a program of its
own. Each party has its full inference where it has one, and its fastest documented way into Postgres. A party that
is not installed, or has no way for the file, prints nothing and ends with status 3.

Packages: polars, adbc-driver-postgresql, pyarrow; dlt[postgres]; sling (with the program, as in the package
sling-linux-amd64, in SLING_BINARY); duckdb with duckdb-extension-postgres-scanner of the same version and
duckdb-extensions.
"""

import os
import subprocess
import sys
import tempfile
import time

NOT_HERE = 3


def is_csv(file):
    with open(file, "rb") as head:
        return head.read(1) != b"{"


def polars_adbc(url, file):
    import polars as pl
    import adbc_driver_postgresql.dbapi  # noqa: F401, only to have it loaded
    import pyarrow  # noqa: F401

    def flat(frame):
        """Objects as columns of their own, as longshore makes them, and lists as text."""
        while structs := [name for name, kind in frame.schema.items() if kind.base_type() == pl.Struct]:
            for name in structs:
                inner = [f"{name}__{field.name}" for field in frame.schema[name].fields]
                frame = frame.with_columns(pl.col(name).struct.rename_fields(inner)).unnest(name)
        lists = [name for name, kind in frame.schema.items() if kind.base_type() == pl.List]
        return frame.with_columns(list_text(pl.col(name), frame.schema[name].inner).alias(name) for name in lists)

    def list_text(column, inner):
        element = pl.element().struct.json_encode() if inner.base_type() == pl.Struct else pl.element().cast(pl.String)
        return "[" + column.list.eval(element).list.join(",") + "]"

    def load():
        if is_csv(file):
            frame = pl.read_csv(file, infer_schema_length=None, null_values="NA")
        else:
            frame = flat(pl.read_ndjson(file, infer_schema_length=None))
        frame.write_database("loaded", url, engine="adbc", if_table_exists="replace")

    return load


def duckdb(url, file):
    import duckdb
    import duckdb_extensions

    duckdb_extensions.import_extension("postgres_scanner")
    connection = duckdb.connect()
    connection.execute("LOAD postgres_scanner")

    # Its writer has no types for the objects of the other file.
    if not is_csv(file):
        sys.exit(NOT_HERE)

    def load():
        connection.execute(f"ATTACH '{url}' AS pg (TYPE postgres)")
        read = f"read_csv('{file}', sample_size=-1, nullstr='NA')"
        connection.execute(f"CREATE TABLE pg.public.loaded AS SELECT * FROM {read}")

    return load


def dlt(url, file):
    import json

    import dlt

    folder = tempfile.mkdtemp()
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

    def records():
        if is_csv(file):
            import csv

            with open(file, newline="") as lines:
                yield from csv.DictReader(lines)
            return
        with open(file, "rb") as lines:
            yield from map(json.loads, lines)

    def load():
        # It insists on a password, also where the server asks for none.
        destination = dlt.destinations.postgres(url if ":" in url.split("@")[0][13:] else url.replace("@", ":none@", 1))
        pipeline = dlt.pipeline("peer", destination=destination, dataset_name="dlt_peer", pipelines_dir=folder)
        pipeline.run(records(), table_name="loaded", write_disposition="replace", loader_file_format="csv")

    return load


def sling(url, file):
    if not os.environ.get("SLING_BINARY"):
        raise ImportError("SLING_BINARY")
    environment = os.environ | {"PEER": url.split("?")[0] + "?sslmode=disable"}
    # Without a word on the field that changes its type the load would end there.
    drifts = ["--columns", "{properties__price: string}"]
    options = [] if is_csv(file) else ["--src-options", "{flatten: true, format: jsonlines}", *drifts]
    command = [os.environ["SLING_BINARY"], "run", "--src-stream", f"file://{file}", *options]
    command += ["--tgt-conn", "PEER", "--tgt-object", "public.loaded", "--mode", "full-refresh"]

    def load():
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            sys.exit(done.stdout.decode()[-2000:])

    return load


PARTIES = {"Polars + ADBC": polars_adbc, "DuckDB": duckdb, "dlt": dlt, "Sling": sling}


def main():
    _, party, url, file = sys.argv
    try:
        load = PARTIES[party](url, file)
    except ImportError:
        sys.exit(NOT_HERE)
    started = time.perf_counter()
    load()
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
