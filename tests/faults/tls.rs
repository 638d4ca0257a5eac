//! Where TLS was asked for, nobody who is not the server gets to see anything.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use longshore::{Error, ErrorKind, Loader, Source};

use crate::authority::{Authority, self_signed};
use crate::proxy::Proxy;
use crate::server::Server;
use crate::support::count;

const MARKER: &str = "hunter2-marker";

/// A server with a user who has a password, which it takes in plain text too.
fn server() -> Server {
    let server = Server::start();
    let sql = format!("CREATE ROLE marked LOGIN SUPERUSER PASSWORD '{MARKER}'");
    server.client().batch_execute(&sql).unwrap();
    server.admit("host all marked 127.0.0.1/32 password");
    server
}

/// Has the server show a certificate.
fn show(server: &Server, name: &str, (certificate, key): &(Vec<u8>, Vec<u8>)) {
    server.put(&format!("{name}.key"), key);
    let file = format!("{name}.pem");
    server.put(&file, certificate);
    server.set(&[("ssl_key_file", &format!("{name}.key")), ("ssl", "on"), ("ssl_cert_file", &file)]);
    std::thread::sleep(Duration::from_millis(200));
}

/// A load by this mode; `options` are further parameters of the URL.
fn load(port: u16, host: &str, mode: &str, options: &str) -> Result<(), Error> {
    let url = format!("postgres://marked:{MARKER}@{host}:{port}/postgres?sslmode={mode}{options}");
    Loader::new(url).table("t").load_id(format!("{mode}{options}")).load(Source::bytes("{\"a\":1}\n")).map(drop)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_server_without_tls_gets_no_credentials_where_tls_was_asked_for() {
    let (server, authority) = (server(), Authority::new());
    for mode in ["require", "verify-ca", "verify-full"] {
        let proxy = Proxy::to(server.0.port(), None);
        proxy.record();
        let started = Instant::now();
        let error = load(proxy.port, "localhost", mode, &format!("&sslrootcert={}", authority.root())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database);
        assert!(error.message().contains("server does not support TLS") && error.hint().is_some(), "{error}");
        assert!(!error.is_temporary() && started.elapsed() < Duration::from_secs(5));
        // The one question whether there is TLS, and not a byte more.
        assert_eq!(proxy.recorded(), [0, 0, 0, 8, 4, 210, 22, 47], "{mode}");
    }
    load(server.0.port(), "localhost", "disable", "").unwrap();
    load(server.0.port(), "localhost", "prefer", "").unwrap();
}

#[test]
fn a_certificate_is_held_against_the_roots_the_clock_and_the_name() {
    let (server, authority, stranger) = (server(), Authority::new(), Authority::new());
    let (ours, theirs) = (format!("&sslrootcert={}", authority.root()), format!("&sslrootcert={}", stranger.root()));
    // Certificate, then for each mode and roots whether a load goes through.
    let cases = [
        ("good", authority.sign("DNS:localhost,IP:127.0.0.1", "2"), [true, true, true]),
        ("named", authority.sign("DNS:elsewhere.example", "2"), [true, true, false]),
        ("expired", authority.sign("DNS:localhost,IP:127.0.0.1", "-1"), [true, false, false]),
        ("strange", stranger.sign("DNS:localhost,IP:127.0.0.1", "2"), [true, false, false]),
        ("alone", self_signed("DNS:localhost,IP:127.0.0.1"), [true, false, false]),
    ];
    for (name, certificate, goes_through) in &cases {
        show(&server, name, certificate);
        let modes = [("require", ""), ("verify-ca", ours.as_str()), ("verify-full", ours.as_str())];
        for ((mode, roots), goes_through) in modes.into_iter().zip(goes_through) {
            for host in ["localhost", "127.0.0.1"] {
                let proxy = Proxy::to(server.0.port(), None);
                proxy.record();
                let outcome = load(proxy.port, host, mode, roots);
                assert_eq!(outcome.is_ok(), *goes_through, "{name} by {mode} at {host}: {outcome:?}");
                let sent = proxy.recorded();
                assert!(sent.len() > 8 && !holds(&sent, MARKER) && !holds(&sent, "marked"), "{name} by {mode}");
                if let Err(error) = outcome {
                    assert!(error.message().contains("certificate") && !error.is_temporary(), "{error}");
                    assert_eq!(
                        proxy.accepted(),
                        if host == "localhost" { proxy.accepted() } else { 1 },
                        "no second try"
                    );
                }
            }
        }
    }
    // As with libpq, a file of roots makes `require` look at the chain.
    show(&server, "strange", &cases[3].1);
    assert!(load(server.0.port(), "localhost", "require", &theirs).is_ok());
    assert!(load(server.0.port(), "localhost", "require", &ours).is_err());
    assert_eq!(count(&mut server.client(), "t"), 4, "a load for each mode and roots that went through");
}

#[test]
fn plain_text_behind_the_handshake_is_an_error_and_gets_no_credentials() {
    for answer in
        [&b"S"[..], b"Sgarbage that is no handshake at all", b"E\0\0\0\x0aFATAL\0\0", b"SR\0\0\0\x08\0\0\0\x03"]
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let reader = std::thread::spawn(move || {
            let mut seen = Vec::new();
            // `localhost` may be tried by two addresses, and a lost connection is tried again.
            for _ in 0..4 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut question = [0; 8];
                stream.read_exact(&mut question).unwrap();
                stream.write_all(answer).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                let _ = stream.read_to_end(&mut seen);
                if seen.len() > 1 << 20 || answer != b"S" {
                    break;
                }
            }
            seen
        });
        let error = load(port, "127.0.0.1", "require", "").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database, "{error}");
        let seen = reader.join().unwrap();
        assert!(!holds(&seen, MARKER) && !holds(&seen, "marked"));
    }
}
