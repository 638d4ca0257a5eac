"""The peers that are Python packages: one job on one file, one line of JSON with what it took.

    python peers.py PARTY JOB FILE THREADS OUT

POLARS_MAX_THREADS must be set by the caller, before Polars is imported.
"""

import json
import re
import sys
import time

LARGEST_RECORD = 16 << 20
BATCH_ROWS = 8192


def memory(what):
    """VmHWM (the peak) or VmRSS (now) of this process in bytes; 0 where there is no /proc."""
    try:
        with open("/proc/self/status") as status:
            return int(re.search(what + r":\s+(\d+) kB", status.read()).group(1)) * 1024
    except OSError:
        return 0


def measure(job):
    """Runs the job; only the job is measured, not the start-up and not what `prepare` did."""
    try:
        with open("/proc/self/clear_refs", "w") as reset:
            reset.write("5")
    except OSError:
        pass
    before, cpu, wall = memory("VmRSS"), time.process_time(), time.perf_counter()
    rows = job()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    line = {"rows": rows, "bytes": None, "seconds_cpu": cpu, "seconds_wall": wall}
    print(json.dumps(line | {"peak_rss": memory("VmHWM"), "rss_before": before}))


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def duckdb_job(job, file, threads, out):
    import duckdb
    import pyarrow  # noqa: F401  (imported before the clock starts)

    database = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})
    database.execute("SET enable_progress_bar = false")
    if "/ndjson-" in file:
        call = f"read_json({quoted(file)}, format='newline_delimited', maximum_object_size={LARGEST_RECORD}"
    else:
        null = ", nullstr=['NA', '']" if "flights" in file else ""
        call = f"read_csv({quoted(file)}, header=true{null}"
    inferred = f"SELECT * FROM {call}, sample_size=-1)"

    def infer():
        return None if database.execute(f"DESCRIBE {inferred}").fetchall() else 0

    if job == "infer":
        return infer
    if job == "parquet":
        copy = f"COPY ({inferred}) TO {quoted(out)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        return lambda: database.execute(copy).fetchone()[0]
    columns = {name: kind for name, kind, *_ in database.execute(f"DESCRIBE {inferred}").fetchall()}
    struct = "{" + ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in columns.items()) + "}"
    dialect = "" if "/ndjson-" in file else ", delim=',', quote='\"', escape='\"', new_line='\\n'"
    known = f"SELECT * FROM {call}, auto_detect=false, columns={struct}{dialect})"
    return lambda: sum(batch.num_rows for batch in database.sql(known).to_arrow_reader(BATCH_ROWS))


def polars_job(job, file, _threads, out, dates=True):
    import polars
    import pyarrow  # noqa: F401

    if "/ndjson-" in file:
        scan, read, options = polars.scan_ndjson, polars.read_ndjson, {}
    else:
        scan, read, options = polars.scan_csv, polars.read_csv, {"try_parse_dates": dates}
        if "flights" in file:
            options["null_values"] = "NA"

    def inferred():
        return scan(file, infer_schema_length=None, **options)

    if job == "infer":
        return lambda: None if inferred().collect_schema().names() else 0
    if job == "parquet":

        def parquet():
            inferred().sink_parquet(out, compression="zstd", compression_level=1, maintain_order=False)

        return parquet
    schema = inferred().collect_schema()
    return lambda: read(file, schema=schema, **options).to_arrow().num_rows


def polars_no_dates_job(job, file, threads, out):
    return polars_job(job, file, threads, out, dates=False)


def versions():
    import duckdb
    import polars
    import pyarrow

    print(json.dumps({"DuckDB": duckdb.__version__, "Polars": polars.__version__, "pyarrow": pyarrow.__version__}))


def main():
    if sys.argv[1:] == ["versions"]:
        return versions()
    party, job, file, threads, out = sys.argv[1:]
    prepare = {"DuckDB": duckdb_job, "Polars": polars_job, "Polars without dates": polars_no_dates_job}
    measure(prepare[party](job, file, int(threads), out))


main()
