//! Neither the clock nor the settings of a session's country change a value or an id.

use std::process::{Command, Stdio};
use std::time::Duration;

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

/// What makes a process see another clock than the machine's, if it is on this one.
fn faked(time: (&str, &str), plain: &Command) -> Option<Command> {
    let found = Command::new("faketime").args(["-f", "+0", "sh", "-c", "echo $LD_PRELOAD"]).output().ok()?;
    let library = String::from_utf8(found.stdout).ok().filter(|_| found.status.success())?;
    let mut command = Command::new(plain.get_program());
    command.args(plain.get_args()).stdout(Stdio::null());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // A clock that is set does not change how long anything takes.
    command.env("LD_PRELOAD", library.trim()).env(time.0, time.1).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command.env("FAKETIME_NO_CACHE", "1").stderr(Stdio::piped());
    Some(command)
}

#[test]
fn clocks_that_are_off_change_no_id_and_no_row() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), known::lines(0..2_000)).unwrap();
    let file = file.path().display().to_string();
    let (url, mut client) = database();
    let mut ids = Vec::new();
    for (nth, time) in ["-1d", "+30d", "@2001-01-01 00:00:00", "@2035-06-01 12:00:00", "-1h"].into_iter().enumerate() {
        let (fresh, mut loaded) = database();
        let upto = 1500 * (nth as i64 + 1);
        for work in [child(Work::Load, &fresh, &file), child(Work::Stream, &url, &upto.to_string())] {
            let Some(mut work) = faked(("FAKETIME", time), &work) else {
                crate::leave_out("there is no faketime on this machine");
                return;
            };
            let output = work.output().unwrap();
            assert!(output.status.success(), "{time}: {}", String::from_utf8_lossy(&output.stderr));
        }
        // The same file in a database of its own, and the same stream as it goes on.
        known::check(&mut loaded, 2_000);
        known::check(&mut client, upto);
        ids.push(loaded.query_one("SELECT load_id FROM _longshore_loads", &[]).unwrap().get::<_, String>(0));
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn a_clock_that_steps_while_a_stream_runs_loses_and_doubles_nothing() {
    let (url, mut client) = database();
    let (mut upto, mut steps) = (0, 0);
    let clock = tempfile::NamedTempFile::new().unwrap();
    let path = clock.path().display().to_string();
    // How often it is set while a process runs is the machine's to say, so there are as many as it takes.
    while steps < 20 {
        upto += 20_000;
        std::fs::write(&path, "+0").unwrap();
        let work = child(Work::Stream, &url, &upto.to_string());
        let Some(mut work) = faked(("FAKETIME_TIMESTAMP_FILE", &path), &work) else {
            crate::leave_out("there is no faketime on this machine");
            return;
        };
        let mut running = work.spawn().unwrap();
        while running.try_wait().unwrap().is_none() {
            let next = tempfile::NamedTempFile::new_in(clock.path().parent().unwrap()).unwrap();
            std::fs::write(next.path(), ["-1d", "+30d", "-1h", "+0", "-10y"][steps % 5]).unwrap();
            next.persist(&path).unwrap();
            steps += 1;
            std::thread::sleep(Duration::from_millis(2));
        }
        let output = running.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    known::check(&mut client, upto);
}
