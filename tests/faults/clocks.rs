//! Neither the clock nor the settings of a session's country change a value or an id.

use std::process::Command;

use longshore::{Loader, Source};

use crate::child::{Work, child};
use crate::known;
use crate::support::database;

/// Values whose reading depends on settings, where anything reads them.
const INPUT: &str = "{\"i\":1,\"at\":\"2024-02-29T23:30:00+05:45\",\"on\":\"2024-03-04\",\"local\":\"2024-07-01T01:02:03\",\"x\":1.5,\"s\":\"a\\\\b'c\"}\n\
    {\"i\":2,\"at\":\"2024-10-27T00:30:00Z\",\"on\":\"2024-04-03\",\"local\":\"2024-03-31T02:30:00\",\"x\":0.1,\"s\":\"é\"}\n";

#[test]
fn odd_settings_of_the_server_change_no_value() {
    let read = "SELECT string_agg(concat_ws('|', i, extract(epoch FROM at), \"on\" - date '2000-01-01', \
                extract(epoch FROM local), x, s), ';' ORDER BY i) FROM t";
    let mut found = Vec::new();
    for settings in [
        vec![],
        vec!["TimeZone = 'Asia/Kathmandu'", "DateStyle = 'German, DMY'", "IntervalStyle = 'sql_standard'"],
        vec!["TimeZone = 'America/St_Johns'", "DateStyle = 'SQL, MDY'", "standard_conforming_strings = off"],
        vec![
            "extra_float_digits = -10",
            "bytea_output = 'escape'",
            "backslash_quote = on",
            "default_transaction_isolation = 'serializable'",
        ],
        vec!["default_transaction_read_only = on", "row_security = off", "client_min_messages = debug5"],
    ] {
        let (url, mut client) = database();
        let name = url.rsplit_once('/').unwrap().1;
        for setting in settings {
            client.batch_execute(&format!("ALTER DATABASE {name} SET {setting}")).unwrap();
        }
        Loader::new(&url).table("t").load(Source::bytes(INPUT)).unwrap();
        found.push(client.query_one(read, &[]).unwrap().get::<_, String>(0));
    }
    assert_eq!(
        found[0],
        "1|1709228700.000000|8829|1719795723.000000|1.5|a\\b'c;2|1729989000.000000|8859|1711852200.000000|0.1|é"
    );
    assert!(found.iter().all(|one| *one == found[0]), "{found:#?}");
}

#[test]
fn a_clock_that_steps_changes_no_id_and_no_row() {
    let has = Command::new("faketime").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has {
        println!("left out: there is no faketime on this machine");
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), known::lines(0..2_000)).unwrap();
    let file = file.path().display().to_string();
    let run = |time: &str, work: Work, url: &str, input: &str| {
        let plain = child(work, url, input);
        let mut faked = Command::new("faketime");
        faked.args(["-f", time]).arg(plain.get_program()).args(plain.get_args());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => faked.env(name, value),
                None => faked.env_remove(name),
            };
        }
        let output = faked.output().unwrap();
        assert!(output.status.success(), "{time}: {}", String::from_utf8_lossy(&output.stderr));
    };
    // By clocks that are off by a day, a month and years: the same file and the same stream, again and again.
    let ((loads, mut loaded), (streams, mut streamed)) = (database(), database());
    for time in ["-1d", "+30d", "@2001-01-01 00:00:00", "@2035-06-01 12:00:00", "-1h"] {
        run(time, Work::Load, &loads, &file);
        run(time, Work::Stream, &streams, "2000");
        known::check(&mut loaded, 2_000);
        known::check(&mut streamed, 2_000);
    }
}
