//! From a connection string to a session. The string may hold a password, so none of it is ever shown.

use std::time::Duration;

use ::postgres::NoTls;
use ::postgres::config::{Host, SslMode};
use tokio_postgres::Config;

use super::client::{Client, Watch};
use super::error::failed;
use super::parameters;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::load::postgres::PostgresOptions;
use crate::load::retry::Pauses;

/// Tries of a first connection, and the longest pause behind the first of them; it doubles.
const TRIES: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// Plain text.
    Disable,
    /// TLS if the server has it, and nothing checked: no protection from anybody in between.
    Prefer,
    /// TLS or nothing. The certificate is checked only where a file of roots is there.
    Require,
    /// And the certificate goes back to the roots.
    VerifyCa,
    /// And it bears the name of the host.
    VerifyFull,
}

/// Where to connect, and how to behave there.
#[derive(Clone)]
pub(in crate::load) struct Endpoint {
    config: Config,
    #[cfg(feature = "tls")]
    tls: Option<tokio_postgres_rustls::MakeRustlsConnect>,
    pub(in crate::load) options: PostgresOptions,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("place", &self.place()).field("options", &self.options).finish()
    }
}

impl Endpoint {
    /// Reads a connection string: a URL or `key=value` pairs, as libpq takes them. What it leaves out is taken from
    /// `PGPASSWORD`, `PGSSLMODE` and `PGSSLROOTCERT`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it cannot be read, or the files it names; [`ErrorKind::Unsupported`] if it asks for TLS
    /// and this build has none. No message holds any of it.
    pub(in crate::load) fn parse(url: &str, options: PostgresOptions) -> Result<Self> {
        let (rest, parameters) = parameters::split(url);
        let given = |name: &str, variable: &str| {
            let found = parameters.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
            found.or_else(|| std::env::var(variable).ok()).filter(|value| !value.is_empty())
        };
        let roots = given("sslrootcert", "PGSSLROOTCERT");
        let mode = mode(given("sslmode", "PGSSLMODE").as_deref(), roots.as_deref())?;
        let mut config: Config = rest.parse().map_err(|_| unreadable())?;
        if config.get_password().is_none()
            && let Some(password) = std::env::var_os("PGPASSWORD")
        {
            config.password(password.as_encoded_bytes());
        }
        if config.get_application_name().is_none() {
            config.application_name("longshore");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(30));
        }
        // Two hours, the system's default, is longer than routers remember a silent connection.
        config.keepalives_idle(Duration::from_secs(60)).keepalives_interval(Duration::from_secs(10));
        config.keepalives_retries(6);
        if config.get_hosts().is_empty() {
            // The name that a certificate is held against.
            let names: Vec<String> = config.get_hostaddrs().iter().map(ToString::to_string).collect();
            for name in names {
                config.host(name);
            }
        }
        if config.get_hosts().is_empty() {
            config.host("localhost");
        }
        // As in libpq, a socket in a folder knows no TLS.
        let remote = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
        let mode = if remote { mode } else { TlsMode::Disable };
        config.ssl_mode(match mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            _ => SslMode::Require,
        });
        #[cfg(not(feature = "tls"))]
        if !matches!(mode, TlsMode::Disable | TlsMode::Prefer) {
            return Err(no_tls());
        }
        #[cfg(feature = "tls")]
        let tls = {
            let file = |name, variable| given(name, variable).map(Into::into);
            let (certificate, key) = (file("sslcert", "PGSSLCERT"), file("sslkey", "PGSSLKEY"));
            let files = super::tls::Files { roots, certificate, key };
            (mode != TlsMode::Disable).then(|| super::tls::connector(mode, &files)).transpose()?
        };
        Ok(Endpoint {
            config,
            #[cfg(feature = "tls")]
            tls,
            options,
        })
    }

    /// Host, port and database, for messages.
    pub(in crate::load) fn place(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(folder)) => folder.display().to_string(),
            None => String::new(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("{host}:{port}/{database}")
    }

    /// Connects; what may pass by itself (a server that is starting, too many connections) is tried a few times.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Database`], and whether it may pass ([`Error::is_temporary`]).
    pub(in crate::load) fn connect(&self) -> Result<Client> {
        self.connect_and(|_| Ok(()))
    }

    /// Connects and asks a first question. A session that is lost before the answer was none.
    ///
    /// # Errors
    ///
    /// As [`connect`](Endpoint::connect), and those of the question.
    pub(in crate::load) fn connect_and(&self, first: impl Fn(&mut Client) -> Result<()>) -> Result<Client> {
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE).take(TRIES - 1);
        let attempt = || {
            let mut client = self.watched()?;
            first(&mut client)?;
            Ok(client)
        };
        self.persistently(attempt, || pauses.next())
    }

    /// Connects after a session was lost, for as long as the options say.
    pub(in crate::load) fn reconnect(&self) -> Result<Client> {
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE).within(self.options.recovery_timeout);
        self.persistently(|| self.watched(), || pauses.next())
    }

    /// Connects; a temporary failure is tried again for as long as there is a pause to make before.
    fn persistently(
        &self,
        attempt: impl Fn() -> Result<Client>,
        mut next: impl FnMut() -> Option<Duration>,
    ) -> Result<Client> {
        loop {
            let error = match attempt() {
                Err(error) if error.is_temporary() => error,
                outcome => return outcome,
            };
            let Some(pause) = next() else { return Err(error) };
            tracing::debug!(place = self.place(), %error, "no connection; trying again");
            std::thread::sleep(pause);
        }
    }

    /// One attempt, and a session of which it is known how to ask for it elsewhere.
    fn watched(&self) -> Result<Client> {
        self.watched_within(self.limit())
    }

    /// One attempt that is given up after so much time without an answer.
    pub(in crate::load) fn watched_within(&self, limit: Duration) -> Result<Client> {
        fault::point("session.connect")?;
        let mut client = self.connected_within(limit)?;
        if self.options.silence_timeout == Duration::MAX {
            client.watch(None, Duration::MAX);
            return Ok(client);
        }
        let sql = "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        match client.query_typed_opt(sql, &[]) {
            Ok(Some(row)) => {
                client.watch(Some(Watch::new(self.clone(), row.get(0), row.get(1))), self.options.silence_timeout);
            }
            // Not a server that can be asked. Then only the system can tell that the peer is gone.
            Ok(None) => client.watch(None, Duration::MAX),
            Err(error) if error.as_db_error().is_some() => client.watch(None, Duration::MAX),
            Err(error) => return Err(self.failed(&error)),
        }
        Ok(client)
    }

    /// One attempt, and a session that gives up at the first silence. All of it may take as long as the connection.
    pub(super) fn unwatched(&self) -> Result<Client> {
        self.connected_within(self.limit())
    }

    /// How long a connection may take.
    fn limit(&self) -> Duration {
        self.config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(30))
    }

    fn connected_within(&self, limit: Duration) -> Result<Client> {
        let limit = limit.min(self.limit());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|cause| Error::io("setting up a connection", cause))?;
        let late = |_| {
            let message = format!("connecting to {}: no answer within {} s", self.place(), limit.as_secs_f64());
            Error::new(ErrorKind::Database, message).with_temporary(true)
        };
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let connecting = self.config.connect(tls.clone());
            let connected = runtime.block_on(async { tokio::time::timeout(limit, connecting).await });
            let parts = connected.map_err(late)?.map_err(|error| self.failed(&error))?;
            return Ok(Client::new(runtime, parts, limit));
        }
        let connected = runtime.block_on(async { tokio::time::timeout(limit, self.config.connect(NoTls)).await });
        let parts = connected.map_err(late)?.map_err(|error| self.failed(&error))?;
        Ok(Client::new(runtime, parts, limit))
    }

    fn failed(&self, error: &::postgres::Error) -> Error {
        failed(format_args!("connecting to {}", self.place()), error)
    }
}

/// The mode that was asked for. As in libpq, the system's roots are good for nothing less than `verify-full`.
fn mode(asked: Option<&str>, roots: Option<&str>) -> Result<TlsMode> {
    let mode = match asked {
        None if roots == Some("system") => TlsMode::VerifyFull,
        None => TlsMode::Prefer,
        Some("disable") => TlsMode::Disable,
        // libpq begins with plain text under `allow`. The server gets no password either way before it says yes.
        Some("allow" | "prefer") => TlsMode::Prefer,
        Some("require") => TlsMode::Require,
        Some("verify-ca") => TlsMode::VerifyCa,
        Some("verify-full") => TlsMode::VerifyFull,
        Some(_) => {
            return Err(Error::config("sslmode is none that there is")
                .with_hint("write disable, prefer, require, verify-ca or verify-full"));
        }
    };
    if roots == Some("system") && mode != TlsMode::VerifyFull {
        return Err(Error::config("sslrootcert=system is only good for sslmode=verify-full")
            .with_hint("under the system's roots anyone can have a certificate; ask for verify-full"));
    }
    Ok(mode)
}

#[cfg(not(feature = "tls"))]
fn no_tls() -> Error {
    Error::new(ErrorKind::Unsupported, "the connection asks for TLS, which this build cannot speak")
        .with_hint("turn on the feature `tls`, or leave sslmode out where plain text is safe")
}

fn unreadable() -> Error {
    Error::config("the connection string cannot be read").with_hint(
        "write postgres://user@host:5432/database, and percent-encode what is special in a password (`@` is %40)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Endpoint> {
        Endpoint::parse(url, PostgresOptions::default())
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn a_url_that_asks_for_tls_is_refused_and_never_goes_plain() {
        for mode in ["require", "verify-ca", "verify-full"] {
            for url in [format!("postgres://u@h/d?sslmode={mode}"), format!("host=h user=u sslmode = '{mode}'")] {
                assert_eq!(parse(&url).unwrap_err().kind(), ErrorKind::Unsupported, "{url}");
            }
        }
    }

    #[test]
    fn a_mode_is_read_and_one_that_is_none_is_refused() {
        for mode in ["disable", "allow", "prefer"] {
            parse(&format!("postgres://u@h/d?sslmode={mode}")).unwrap();
        }
        assert_eq!(parse("postgres://u@h/d?sslmode=verify").unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(mode(None, Some("system")).unwrap(), TlsMode::VerifyFull);
        assert_eq!(mode(Some("require"), Some("system")).unwrap_err().kind(), ErrorKind::Config);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn what_is_to_be_checked_needs_something_to_check_against() {
        for url in [
            "postgres://u@h/d?sslmode=verify-full&sslrootcert=/nowhere/root.pem",
            "postgres://u@h/d?sslmode=require&sslrootcert=/nowhere/root.pem",
            "host=h sslmode=verify-ca sslrootcert=/dev/null",
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        }
        // A socket in a folder knows no TLS, so nothing is read.
        parse("host=/run user=u sslmode=verify-full sslrootcert=/nowhere").unwrap();
    }

    #[test]
    fn a_password_is_in_no_message() {
        for url in [
            "postgres://u:hunter2@h:99999/d",
            "postgres://u:hunter2@h/d?hunter2=1",
            "postgres://u:hunter2@h/d?sslmode=verify-full&sslrootcert=/nowhere",
            "password=hunter2 hunter2",
        ] {
            let error = parse(url).unwrap_err();
            let chain = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
            assert!(!chain.contains("hunter2"), "{chain}");
        }
        let endpoint = parse("postgres://u:hunter2@127.0.0.1:1/d").unwrap();
        assert!(!format!("{endpoint:?}").contains("hunter2"));
        assert_eq!(endpoint.place(), "127.0.0.1:1/d");
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let error = parse("postgres://u:hunter2@127.0.0.1:1/d").unwrap().connect().map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database);
        assert!(error.message().starts_with("connecting to 127.0.0.1:1/d: "), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
