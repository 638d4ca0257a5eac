//! A password is in nothing that is shown, and a record's value only in the quarantine.

use std::fmt::Write;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use longshore::load::{PostgresOptions, PostgresTarget};
use longshore::{Error, Loader, Offset, Source, StreamOptions};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::proxy::{Fault, Proxy};
use crate::server::Server;
use crate::support::database;

const MARKER: &str = "hunter2/ma%rker";
const ENCODED: [&str; 4] = ["hunter2", "ma%rker", "ma%25rker", "aHVudGVyMi9tYSVya2Vy"];
/// A value in a record.
const VALUE: &str = "value-marker";

/// Keeps everything that is logged, at every level, by every thread.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

impl Everything {
    /// Begins to keep it: for the whole process, for batches are committed and rows copied by threads of the library's own. Where
    /// tests share a process, they share this too, and none of them may log what the others look for.
    fn of_the_process() -> Self {
        static ALL: OnceLock<Everything> = OnceLock::new();
        let begin = || {
            let all = Everything::default();
            tracing::subscriber::set_global_default(all.clone()).expect("nobody else keeps it");
            all
        };
        ALL.get_or_init(begin).clone()
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Words(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Words(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        let _ = writeln!(text, "by {}", std::thread::current().name().unwrap_or_default());
        event.record(&mut Words(&mut text));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Words<'a>(&'a mut String);

impl Visit for Words<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = writeln!(self.0, "{field}={value:?}");
    }
}

/// All that an error says, to everybody who asks.
fn all_of(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}\n{:?}\n{:?}\n", error.hint(), error.location());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let _ = writeln!(text, "{error} {error:?}");
        cause = error.source();
    }
    text
}

#[test]
fn a_password_is_in_no_error_no_log_and_no_debug_output() {
    let server = Server::start();
    server.client().batch_execute(&format!("CREATE ROLE marked LOGIN SUPERUSER PASSWORD '{MARKER}'")).unwrap();
    server.admit("host all marked 127.0.0.1/32 scram-sha-256");
    let proxy = Proxy::to(server.0.port(), None);
    let encoded = MARKER.replace('%', "%25").replace('/', "%2F");
    let at = |port: u16, rest: &str| format!("postgres://marked:{encoded}@127.0.0.1:{port}/{rest}");
    let logged = Everything::of_the_process();
    let mut seen = String::new();
    let input = || Source::bytes("{\"a\":1}\n{broken\n");
    let load = |url: &str| Loader::new(url).table("t").retry_for(Duration::from_millis(300)).load(input());
    for url in [
        at(proxy.port, "nowhere"),
        at(1, "postgres"),
        at(proxy.port, "postgres?connect_timeout=x"),
        at(proxy.port, "postgres?sslmode=verify-full&sslrootcert=/nowhere"),
        at(proxy.port, "postgres?sslmode=require"),
        at(proxy.port, &format!("postgres?password={encoded}&what=1")),
        format!("postgres://marked:{MARKER}@h:99999/d"),
        format!("postgres://postgres:{encoded}x@127.0.0.1:{}/nowhere", proxy.port),
        format!("host=127.0.0.1 password={MARKER} port=1"),
        format!("mysql://u:{MARKER}@h/d"),
    ] {
        let error = load(&url).unwrap_err();
        seen += &all_of(&error);
        let _ = writeln!(seen, "{:?}", Loader::new(&url));
        seen += &PostgresTarget::connect(&url).map_or_else(|error| all_of(&error), |target| format!("{target:?}"));
    }
    for fault in [Fault::ResetAfter(700), Fault::AnswerLost, Fault::CommitLost, Fault::AnswerAfter(500, vec![b'E'; 99])]
    {
        proxy.lose(fault);
        let mut postgres = PostgresOptions::default();
        postgres.recovery_timeout = Duration::from_millis(200);
        // A full batch is committed by another thread.
        let options = StreamOptions::default().max_rows(1).retry_for(Duration::ZERO).postgres(postgres);
        let mut stream = match Loader::new(at(proxy.port, "postgres")).table("t").open_with(options) {
            Ok(stream) => stream,
            Err(error) => {
                seen += &all_of(&error);
                continue;
            }
        };
        let written = stream.write("{\"a\":1}\n", Offset::new("s", 1)).and_then(|()| stream.commit().map(drop));
        seen += &written.map_or_else(|error| all_of(&error), |()| String::new());
        let _ = writeln!(seen, "{stream:?}");
    }
    load(&at(proxy.port, "postgres")).unwrap();
    seen += &logged.0.lock().unwrap();
    let sql = "SELECT coalesce(string_agg(l::text, ' '), '') FROM _longshore_loads l";
    seen += &server.client().query_one(sql, &[]).unwrap().get::<_, String>(0);
    for word in ENCODED {
        let at = seen.find(word).map(|at| seen[at.saturating_sub(200)..].chars().take(300).collect::<String>());
        assert_eq!(at, None, "{word} is shown");
    }
    assert!(seen.len() > 2_000 && seen.contains("by longshore-batch"), "something was said, by other threads too");
}

#[test]
fn a_value_of_a_record_is_in_no_error_and_no_log() {
    let logged = Everything::of_the_process();
    let mut seen = String::new();
    let tables = [
        "CREATE TABLE t (a bigint, s text CHECK (s NOT LIKE 'value%'))",
        "CREATE TABLE t (a bigint, s text UNIQUE)",
        "CREATE TABLE t (a bigint, s varchar(3))",
        "CREATE TABLE t (a bigint, s date)",
        "CREATE TABLE t (a bigint, s text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE EXCEPTION 'no %', new.s; END $$; CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TABLE t (a bigint, s text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE EXCEPTION 'no %', new.s USING ERRCODE = 'check_violation'; END $$; \
         CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TABLE t (a bigint, s text CHECK (to_timestamp(1) > 'epoch' AND s::int > 0))",
        "CREATE TABLE t (a bigint, s text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE WARNING 'no %', new.s; RETURN new; END $$; \
         CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    ];
    for table in tables {
        let (url, mut client) = database();
        client.batch_execute(table).unwrap();
        let record = format!("{{\"a\":1,\"s\":\"{VALUE}\"}}\n");
        let input = record.repeat(2) + &format!("{{\"a\":{VALUE}\n");
        for most in [0, 100] {
            match Loader::new(&url).table("t").max_quarantined(most).load(Source::bytes(input.clone())) {
                Ok(report) => seen += &format!("{:?} {:?}", report.first_quarantined, report.warnings),
                Err(error) => seen += &all_of(&error),
            }
        }
        // A full batch is committed by another thread.
        for most in [100_000, 1] {
            let mut stream = Loader::new(&url).table("t").open_with(StreamOptions::default().max_rows(most)).unwrap();
            let source = format!("s{most}");
            let written = stream
                .write(&input, Offset::new(&source, 1))
                .and_then(|()| stream.write(&input, Offset::new(&source, 2)));
            seen += &written.map_or_else(|error| all_of(&error), |()| String::new());
            let _ = writeln!(seen, "{stream:?}");
            match stream.commit() {
                Ok(receipt) => seen += &format!("{:?} {:?}", receipt.counts, receipt.altered),
                Err(error) => seen += &all_of(&error),
            }
        }
    }
    seen += &logged.0.lock().unwrap();
    assert_eq!(seen.find(VALUE).map(|at| &seen[at.saturating_sub(200)..]), None, "a value is shown");
    assert!(seen.contains("23514") && seen.contains("P0001"), "the refusals were met");
    assert!(seen.contains("by longshore-batch"), "what a thread of the library's own does is seen");
}

#[test]
fn what_is_spooled_can_be_read_by_nobody_else() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    // A spool is looked for among our open files. Nobody can open one that has no name, whatever its mode.
    let mut source = Source::reader(std::io::Cursor::new("{\"a\":1}\n".repeat(1000).into_bytes()));
    source.spool().unwrap();
    let modes = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let target = std::fs::read_link(&path).ok()?;
        let data = std::fs::metadata(&path).ok()?;
        let spooled = data.is_file() && data.len() == 8_000 && target.to_string_lossy().contains("(deleted)");
        spooled.then(|| (data.nlink(), data.permissions().mode() & 0o777))
    });
    let modes: Vec<(u64, u32)> = modes.collect();
    assert!(!modes.is_empty() && modes.iter().all(|(names, mode)| *names == 0 || *mode == 0o600), "{modes:?}");
}
