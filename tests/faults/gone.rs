//! A loader whose machine is gone without a word: nothing is closed, and no packet comes any more.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use longshore::load::{Contract, MergeKeys, Mode, OnChange, Selection};
use longshore::{Loader, Offset, Quarantine, Source, StreamOptions};
use postgres::Client;

use crate::child::{Work, child};
use crate::server::{Server, within};
use crate::support::database;
use crate::{is_full, known};

/// What a transaction of ours tells the server's side of the connection, in seconds but for the last.
const SETTINGS: &str = "60 10 6 120000";

/// Notes at each statement that adds rows to `t` what is in force there: for these settings the server asks the socket.
const NOTE: &str = "CREATE TABLE t (a bigint); CREATE TABLE noted (settings text); \
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    INSERT INTO public.noted VALUES (concat_ws(' ', current_setting('tcp_keepalives_idle'), \
    current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count'), \
    current_setting('tcp_user_timeout'))); RETURN NULL; END $$; \
    CREATE TRIGGER note BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION note()";

/// How many statements have added rows since the last time; each under our settings.
fn noted(client: &mut Client) -> usize {
    let rows = client.query("DELETE FROM noted RETURNING settings", &[]).unwrap();
    rows.iter().for_each(|row| assert_eq!(row.get::<_, String>(0), SETTINGS));
    rows.len()
}

#[test]
fn every_transaction_has_the_server_look_whether_the_loader_is_still_there() {
    let (url, mut client) = database();
    client.batch_execute(NOTE).unwrap();
    let before: String = client.query_one("SHOW tcp_keepalives_idle", &[]).unwrap().get(0);
    assert_ne!(before, "60", "the server's own setting tells nothing");

    Loader::new(&url).table("t").load(Source::bytes("{\"a\":1}\n")).unwrap();
    assert!(noted(&mut client) > 0, "a load");
    let merge = Mode::Merge(MergeKeys::new(["a"]));
    Loader::new(&url).table("t").mode(merge).load(Source::bytes("{\"a\":1}\n{\"a\":2}\n")).unwrap();
    assert!(noted(&mut client) > 0, "a merge");

    let frozen = Contract::default().types(OnChange::Quarantine);
    let mut stream = Loader::new(&url).table("t").open_with(StreamOptions::default().contract(frozen)).unwrap();
    // From the second batch on, a batch is begun in one call.
    for i in 10..14 {
        stream.write(format!("{{\"a\":{i}}}\n{{\"a\":\"x{i}\"}}\n"), Offset::new("s", i)).unwrap();
        stream.commit().unwrap();
        assert!(noted(&mut client) > 0, "batch {i} of a stream");
    }
    client.batch_execute("ALTER TABLE t ALTER a TYPE text").unwrap();
    let report = Quarantine::new(&url, "t").replay(&Selection::default()).unwrap();
    assert_eq!(report.loaded, 4);
    assert!(noted(&mut client) > 0, "a replay");
}

/// A machine of its own for the loader, as far as the network goes. The name is the process's.
struct Machine {
    name: String,
}

const OURS: &str = "10.213.77.1";
const ITS: &str = "10.213.77.2";
const CARD: &str = "02:00:00:00:00:02";

impl Machine {
    /// `None` where this is not allowed, or the programs are missing.
    fn start() -> Option<Self> {
        let name = format!("ls{}", std::process::id());
        let machine = Machine { name: name.clone() };
        let there = ["netns", "exec", &name, "ip"];
        ip(&["netns", "add", &name]).and_then(|()| {
            ip(&["link", "add", &machine.ours(), "type", "veth", "peer", "name", "line", "netns", &name])
        })?;
        ip(&["addr", "add", &format!("{OURS}/30"), "dev", &machine.ours()])?;
        ip(&["link", "set", &machine.ours(), "up"])?;
        ip(&[&there[..], &["link", "set", "line", "address", CARD]].concat())?;
        ip(&[&there[..], &["addr", "add", &format!("{ITS}/30"), "dev", "line"]].concat())?;
        ip(&[&there[..], &["link", "set", "line", "up"]].concat())?;
        // Were it asked for its address in vain, that would be a word.
        ip(&["neigh", "replace", ITS, "lladdr", CARD, "dev", &machine.ours(), "nud", "permanent"])?;
        Some(machine)
    }

    /// The name of our end of the line to it.
    fn ours(&self) -> String {
        format!("{}o", self.name)
    }

    /// Runs a command there.
    fn run(&self, command: &Command) -> Child {
        let mut there = Command::new("ip");
        there.args(["netns", "exec", &self.name]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => there.env(key, value),
                None => there.env_remove(key),
            };
        }
        there.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
    }

    /// Has it no address any more: what is sent to it is taken for somebody else's and dropped, behind the line, so that nothing
    /// here knows of it.
    fn vanish(&self) {
        ip(&["netns", "exec", &self.name, "ip", "addr", "del", &format!("{ITS}/30"), "dev", "line"]).unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = (ip(&["netns", "del", &self.name]), ip(&["link", "del", &self.ours()]));
    }
}

fn ip(arguments: &[&str]) -> Option<()> {
    Command::new("ip").args(arguments).output().is_ok_and(|output| output.status.success()).then_some(())
}

/// Sessions of loaders of which this holds.
fn sessions(client: &mut Client, and: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'longshore' AND client_addr = '{ITS}' AND {and}"
    );
    client.query_one(&sql, &[]).unwrap().get(0)
}

/// Takes two minutes for each of two deaths, so that it runs in full alone.
#[test]
fn a_loader_whose_machine_is_gone_holds_its_locks_for_two_minutes_at_most() {
    if !is_full() {
        return;
    }
    let Some(machine) = Machine::start() else {
        crate::leave_out("network namespaces are not allowed here");
        return;
    };
    let server = Server::start();
    server.admit(&format!("host all all {ITS}/32 trust"));
    let mut client = server.client();
    client.batch_execute("ALTER SYSTEM SET listen_addresses = '*'").unwrap();
    server.stop();
    server.start_again();
    let mut client = server.client();
    let port = server.0.port();
    let url = format!("postgres://postgres@{OURS}:{port}/postgres");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), known::lines(0..100_000)).unwrap();
    let load = child(Work::Load, &url, file.path().to_str().unwrap());

    // The server waits for rows that do not come.
    let slow = "CREATE TABLE t (a bigint, s text, late bigint); CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ \
                BEGIN PERFORM pg_sleep(0.001); RETURN new; END $$; \
                CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()";
    client.batch_execute(slow).unwrap();
    let mut loader = machine.run(&load);
    within(Duration::from_secs(60), || sessions(&mut client, "query LIKE 'COPY %'") == 1);
    std::thread::sleep(Duration::from_secs(1));
    machine.vanish();
    gone_in_time(&mut client);
    let _ = (loader.kill(), loader.wait());
    client.batch_execute("DROP TABLE t").unwrap();
    drop(machine);

    // It waits for somebody to take in what it says.
    let machine = Machine::start().unwrap();
    client.batch_execute("CREATE TABLE t (a bigint, s text, late bigint)").unwrap();
    let mut holder = server.client();
    let mut held = holder.transaction().unwrap();
    held.batch_execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE").unwrap();
    let mut loader = machine.run(&load);
    within(Duration::from_secs(60), || sessions(&mut client, "wait_event_type = 'Lock'") == 1);
    machine.vanish();
    // It gets its lock, and nobody hears of it. Had it failed, its locks were free and the settings taken back.
    held.rollback().unwrap();
    gone_in_time(&mut client);
    let _ = (loader.kill(), loader.wait());

    Loader::new(server.url()).table("t").load(Source::path(file.path())).unwrap();
    known::check(&mut client, 100_000);
}

/// Waits until the server has ended the session, within what is promised and a little for what was under way.
fn gone_in_time(client: &mut Client) {
    let started = Instant::now();
    within(Duration::from_secs(150), || sessions(client, "true") == 0);
    println!("the session was ended after {:?}", started.elapsed());
    assert!(started.elapsed() > Duration::from_secs(20), "it was told that the loader is gone");
}
