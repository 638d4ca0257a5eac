//! A server that does not let us in, or not now: what may pass is tried again, what does not is an error at once.

use std::time::{Duration, Instant};

use longshore::{Error, ErrorKind, Loader, Source};

use crate::proxy::Proxy;
use crate::server::Server;
use crate::{known, support};

fn load(url: &str) -> Result<(), Error> {
    Loader::new(url).table("t").load(Source::bytes(known::lines(0..100))).map(drop)
}

/// How long a load took to fail, and how.
fn fails(url: &str) -> (Duration, Error) {
    let started = Instant::now();
    let error = load(url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database, "{error}");
    (started.elapsed(), error)
}

#[test]
fn a_server_that_is_stopped_is_tried_a_few_times_and_found_when_it_is_back() {
    let server = Server::start();
    server.stop();
    let (took, error) = fails(server.url());
    // Four tries, with pauses of at most 0.2, 0.4 and 0.8 seconds between them, and at least half of that.
    assert!(error.is_temporary() && took >= Duration::from_millis(700) && took < Duration::from_secs(5), "{took:?}");
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| {
            let mut outcome = load(server.url());
            while outcome.as_ref().is_err_and(Error::is_temporary) {
                outcome = load(server.url());
            }
            outcome
        });
        server.start_again();
        loading.join().unwrap().unwrap();
    });
    known::check(&mut server.client(), 100);
}

#[test]
fn a_server_without_a_free_connection_is_tried_until_there_is_one() {
    let (url, mut client) = support::database();
    let database = url.rsplit_once('/').unwrap().1;
    client.batch_execute(&format!("ALTER DATABASE {database} CONNECTION LIMIT 0; CREATE ROLE few LOGIN")).unwrap();
    client.batch_execute("GRANT ALL ON SCHEMA public TO few").unwrap();
    let url = url.replace("postgres@", "few@");
    let (took, error) = fails(&url);
    assert!(error.is_temporary() && error.message().contains("(SQLSTATE 53300)"), "{error}");
    assert!(took >= Duration::from_millis(700), "{took:?}");
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| load(&url));
        std::thread::sleep(Duration::from_millis(250));
        client.batch_execute(&format!("ALTER DATABASE {database} CONNECTION LIMIT 10")).unwrap();
        loading.join().unwrap().unwrap();
    });
    known::check(&mut client, 100);
}

#[test]
fn what_no_time_will_mend_is_one_clear_error_at_once() {
    let server = Server::start();
    server.client().batch_execute("CREATE ROLE marked LOGIN PASSWORD 'right'").unwrap();
    server.admit("host all marked 127.0.0.1/32 scram-sha-256");
    let proxy = Proxy::to(server.0.port(), None);
    let at = |user: &str, database: &str| format!("postgres://{user}@127.0.0.1:{}/{database}", proxy.port);
    for (url, code) in [
        (at("marked:wrong", "postgres"), "28P01"),
        (at("postgres", "nowhere"), "3D000"),
        (at("nobody_at_all", "postgres"), "28000"),
        (at("marked:right", "postgres"), "42501"),
    ] {
        let before = proxy.accepted();
        let (took, error) = fails(&url);
        assert!(error.message().contains(code) && !error.is_temporary() && error.hint().is_some(), "{error}");
        assert!(took < Duration::from_secs(3) && proxy.accepted() == before + 1, "{code}: tried again");
        assert!(!error.message().contains('\n') && !format!("{error:?}").contains("wrong"), "{error:?}");
    }
}

#[test]
fn a_standby_is_told_from_a_primary() {
    let server = Server::start();
    known::feed(&mut known::open(server.url()), 100).unwrap();
    server.stop();
    server.put("standby.signal", b"");
    server.start_again();
    let (_, error) = fails(server.url());
    assert!(!error.is_temporary() && error.hint().is_some_and(|hint| hint.contains("primary")), "{error}");
    known::check(&mut server.client(), 100);
}
