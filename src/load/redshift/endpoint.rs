//! From a `redshift://` URL to a session.

use std::time::Duration;

use super::error::Failure;
use super::session::Session;
use crate::error::{Error, Result};
use crate::load::postgres::PostgresOptions;
use crate::load::session::Endpoint as PostgresEndpoint;

/// Where the server listens unless the URL says otherwise.
const PORT: u16 = 5439;

/// Where to connect.
#[derive(Debug)]
pub(super) struct Endpoint(PostgresEndpoint);

impl Endpoint {
    pub(super) fn parse(url: &str) -> Result<Self> {
        // There is no view by which another session could tell that this one is at work.
        let options = PostgresOptions { silence_timeout: Duration::MAX, ..PostgresOptions::default() };
        Ok(Endpoint(PostgresEndpoint::parse(&postgres_url(url, &|name| std::env::var(name).ok())?, options)?))
    }

    pub(super) fn connect(&self) -> Result<Session, Failure> {
        Ok(Session::new(self.0.connect()?))
    }
}

/// The same URL for the Postgres client: its scheme, Redshift's port, and TLS unless URL or environment say how it is to be.
fn postgres_url(url: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String> {
    let rest = url.strip_prefix("redshift://").ok_or_else(|| {
        Error::config("the connection string is no redshift:// URL")
            .with_hint("write redshift://user@host:5439/database")
    })?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    // In `[::1]:5439` the port stands behind the bracket.
    let has_port = host.rsplit(']').next().unwrap_or_default().contains(':');
    let port = if has_port { String::new() } else { format!(":{PORT}") };
    let is_set = |name, wanted: &dyn Fn(&str) -> bool| variable(name).is_some_and(|value| wanted(&value));
    // The system's roots come with the mode that they are good for.
    let says_tls = behind
        .split(['?', '&'])
        .skip(1)
        .any(|parameter| parameter.starts_with("sslmode=") || parameter == "sslrootcert=system")
        || is_set("PGSSLMODE", &|mode| !mode.is_empty())
        || is_set("PGSSLROOTCERT", &|roots| roots == "system");
    let tls = match (says_tls, behind.contains('?')) {
        (true, _) => "",
        (false, true) => "&sslmode=require",
        (false, false) => "?sslmode=require",
    };
    Ok(format!("postgres://{authority}{port}{behind}{tls}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redshift_url_has_its_own_port_and_asks_for_tls() {
        let cases = [
            ("redshift://u@h/d", "postgres://u@h:5439/d?sslmode=require"),
            ("redshift://u:p@h:1/d", "postgres://u:p@h:1/d?sslmode=require"),
            ("redshift://h", "postgres://h:5439?sslmode=require"),
            ("redshift://[::1]/d?sslmode=disable", "postgres://[::1]:5439/d?sslmode=disable"),
            ("redshift://u@h/d?connect_timeout=5", "postgres://u@h:5439/d?connect_timeout=5&sslmode=require"),
            ("redshift://h/d?sslrootcert=system", "postgres://h:5439/d?sslrootcert=system"),
        ];
        for (url, expected) in cases {
            assert_eq!(postgres_url(url, &|_| None).unwrap(), expected);
        }
        let refused = postgres_url("postgres://u:hunter2@h/d", &|_| None).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
    }

    #[test]
    fn the_environment_may_say_how_tls_is_to_be() {
        for (set, tls) in [
            (("PGSSLMODE", "verify-full"), ""),
            (("PGSSLROOTCERT", "system"), ""),
            (("PGSSLROOTCERT", "/etc/roots.pem"), "?sslmode=require"),
            (("PGSSLMODE", ""), "?sslmode=require"),
        ] {
            let variable = |name: &str| (name == set.0).then(|| set.1.to_owned());
            assert_eq!(postgres_url("redshift://h/d", &variable).unwrap(), format!("postgres://h:5439/d{tls}"));
        }
    }
}
