//! A COMMIT whose answer is lost, with a proxy between the target and the server.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use longshore::ErrorKind;
use longshore::load::{Counts, Mode, PostgresOptions, PostgresTarget, Target};
use proxy::{Fault, Proxy};
use support::*;

fn load(fault: Fault, database: &str) -> longshore::Result<Counts> {
    let mut options = PostgresOptions::default();
    options.recovery_timeout = std::time::Duration::from_secs(3);
    let proxy = Proxy::start(Some(fault));
    let mut target = PostgresTarget::connect_with(&proxy.url(database), options)?;
    let (_, encoder) = begin(&mut target, &people(), &request("people", "a"));
    target.write(encoder.encode(&people_batch(0..1000))?)?;
    target.quarantine(misfit(1))?;
    target.commit(1001)
}

fn name_of(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

#[test]
fn a_commit_whose_answer_is_lost_is_looked_up_and_not_sent_again() {
    let (url, mut client) = database();
    let counts = load(Fault::AnswerLost, name_of(&url)).unwrap();
    assert_eq!(counts, Counts { read: 1001, loaded: 1000, quarantined: 1, deduplicated: 0 });
    assert_eq!(count(&mut client, "people"), 1000);
    assert_eq!(count(&mut client, "_longshore_quarantine"), 1);
}

#[test]
fn a_commit_whose_answer_is_lost_is_not_sent_again_where_the_next_load_has_replaced_its_rows() {
    let (url, mut client) = database();
    let proxy = Proxy::start(Some(Fault::AnswerLost));
    let mut target = PostgresTarget::connect(&proxy.url(name_of(&url))).unwrap();
    let (_, encoder) = begin(&mut target, &people(), &request("people", "a"));
    target.write(encoder.encode(&people_batch(0..1000)).unwrap()).unwrap();
    let next = std::thread::spawn({
        let url = url.clone();
        move || {
            let mut replace = request("people", "b");
            replace.mode = Mode::Replace;
            load_people(&url, &replace, 0..10).unwrap()
        }
    });
    let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                   WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()";
    while client.query_one(waiting, &[]).unwrap().get::<_, i64>(0) == 0 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // The other one has the lock as soon as this one has committed, so before this one can ask.
    let counts = target.commit(1000).unwrap();
    assert_eq!((counts.loaded, next.join().unwrap().loaded), (1000, 10));
    assert_eq!(count(&mut client, "people"), 10);
}

#[test]
fn a_commit_that_does_not_arrive_loads_nothing_and_says_so() {
    let (url, mut client) = database();
    let error = load(Fault::CommitLost, name_of(&url)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database);
    assert_eq!(error.message(), "the transaction did not commit; nothing was loaded");
    assert!(!exists(&mut client, "people"));
    let mut again = request("people", "a");
    again.mode = Mode::FailIfExists;
    load_people(&url, &again, 0..1000).unwrap();
    assert_eq!(count(&mut client, "people"), 1000);
}

#[test]
fn a_commit_whose_outcome_cannot_be_learnt_is_not_reported_as_either() {
    let (url, mut client) = database();
    let error = load(Fault::AnswerLostForGood, name_of(&url)).unwrap_err();
    assert!(error.message().contains("whether the load was committed is not known"), "{error}");
    // Running it again is safe, as the hint says.
    assert_eq!(load_people(&url, &request("people", "a"), 0..1000).unwrap().loaded, 1000);
    assert_eq!(count(&mut client, "people"), 1000);
}
