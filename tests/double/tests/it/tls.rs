//! Redshift is spoken to by TLS, and nobody else gets to see a password or a statement.

use longshore::{Error, ErrorKind, LoadReport, Loader, Source};

use crate::authority::Authority;
use crate::support::Warehouse;
use crate::target::{options, staged};
use crate::tls_front::TlsFront;

/// A load by this way to the double.
fn load(warehouse: &Warehouse, host: &str, port: u16, parameters: &str) -> Result<LoadReport, Error> {
    let url = format!("redshift://awsuser:Secret1@{host}:{port}/{}{parameters}", warehouse.database);
    Loader::redshift(url, options(warehouse)).table("events").load(Source::bytes("{\"id\":1}\n{\"id\":2}\n"))
}

#[test]
fn a_load_goes_through_tls_and_its_certificate_is_held_against_root_and_name() {
    let (warehouse, authority, stranger) = (Warehouse::start(), Authority::new(), Authority::new());
    let front = TlsFront::open_if_asked(authority.sign("DNS:localhost", "1"));
    front.lead_to(warehouse.double.port());
    let verified = |root: String| format!("?sslmode=verify-full&sslrootcert={root}");
    let refused = [("localhost", verified(stranger.root())), ("127.0.0.1", verified(authority.root()))];
    for (host, parameters) in refused {
        let error = load(&warehouse, host, front.port, &parameters).unwrap_err();
        assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Database, false), "{error}");
        assert!(error.message().contains("certificate") && !error.to_string().contains("Secret1"), "{error}");
        assert_eq!(warehouse.double.statements(), Vec::<String>::new());
        assert_eq!(staged(&warehouse), Vec::<String>::new());
    }
    let report = load(&warehouse, "localhost", front.port, &verified(authority.root())).unwrap();
    assert_eq!((report.counts.loaded, report.already_loaded), (2, false));
    // Without a mode there is TLS all the same; the certificate is then anybody's.
    let report = load(&warehouse, "127.0.0.1", front.port, "").unwrap();
    assert!(report.already_loaded);
    assert_eq!(warehouse.session().rows("SELECT count(*) FROM events"), [[Some("2".to_owned())]]);
}

#[test]
fn a_server_without_tls_is_not_spoken_to_unless_the_url_says_so() {
    let warehouse = Warehouse::start();
    for parameters in ["", "?sslmode=require"] {
        let error = load(&warehouse, "127.0.0.1", warehouse.double.port(), parameters).unwrap_err();
        assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Database, false), "{error}");
        assert!(error.message().contains("does not support TLS") && error.hint().is_some(), "{error}");
    }
    assert_eq!(warehouse.double.statements(), Vec::<String>::new());
    assert_eq!(staged(&warehouse), Vec::<String>::new());
    assert_eq!(load(&warehouse, "127.0.0.1", warehouse.double.port(), "?sslmode=disable").unwrap().counts.loaded, 2);
}
