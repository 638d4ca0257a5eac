//! From a connection string to a session. The string may hold a password, so none of it is ever shown.

use std::time::{Duration, Instant};

use ::postgres::config::{Host, SslMode};
use ::postgres::error::SqlState;
use ::postgres::{Client, Config, NoTls};

use super::PostgresOptions;
use super::error::failed;
use crate::error::{Error, ErrorKind, Result};

/// Tries of a first connection, and the pause after the first of them; it doubles.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Where to connect, and how to behave there.
pub(in crate::load) struct Endpoint {
    config: Config,
    pub(super) options: PostgresOptions,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("place", &self.place()).field("options", &self.options).finish()
    }
}

impl Endpoint {
    pub(in crate::load) fn parse(url: &str, options: PostgresOptions) -> Result<Self> {
        let asked = ssl_mode(url).or_else(|| std::env::var("PGSSLMODE").ok()).unwrap_or_default();
        if matches!(asked.as_str(), "require" | "verify-ca" | "verify-full") {
            return Err(no_tls(&asked));
        }
        // libpq's `allow` is unknown to the client library, and without TLS the same as `prefer`.
        let url = url.replace("sslmode=allow", "sslmode=prefer");
        let mut config: Config = url.parse().map_err(|_| unreadable())?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(no_tls("require"));
        }
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
        config.keepalives_retries(6).notice_callback(|_| ());
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host("localhost");
        }
        Ok(Endpoint { config, options })
    }

    /// Host, port and database, for messages.
    pub(super) fn place(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(folder)) => folder.display().to_string(),
            None => self.config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("{host}:{port}/{database}")
    }

    /// Connects; what may pass by itself (a server that is starting, too many connections) is tried a few times.
    pub(in crate::load) fn connect(&self) -> Result<Client> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            match self.config.connect(NoTls) {
                Err(error) if may_pass(&error) => std::thread::sleep(pause),
                outcome => return self.opened(outcome),
            }
            pause *= 2;
        }
        self.opened(self.config.connect(NoTls))
    }

    /// Connects after a session was lost, for as long as the options say.
    pub(super) fn reconnect(&self) -> Result<Client> {
        let deadline = Instant::now() + self.options.recovery_timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.config.connect(NoTls) {
                Err(_) if Instant::now() + pause < deadline => std::thread::sleep(pause),
                outcome => return self.opened(outcome),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn opened(&self, outcome: Result<Client, ::postgres::Error>) -> Result<Client> {
        outcome.map_err(|error| failed(format_args!("connecting to {}", self.place()), &error))
    }
}

/// Whether the same attempt may succeed a moment later.
fn may_pass(error: &::postgres::Error) -> bool {
    match error.code() {
        Some(code) => {
            [SqlState::CANNOT_CONNECT_NOW, SqlState::TOO_MANY_CONNECTIONS, SqlState::ADMIN_SHUTDOWN].contains(code)
        }
        None => std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>()),
    }
}

/// The value of `sslmode` in a URL's query or a `key=value` string.
///
/// Looked for before the string is parsed, because the client library refuses the two modes that matter most.
fn ssl_mode(url: &str) -> Option<String> {
    let (_, after) = url.rsplit_once("sslmode")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start().trim_start_matches('\'');
    Some(value.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect())
}

fn no_tls(mode: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("sslmode={mode} asks for TLS, which this build cannot speak")).with_hint(
        "connect through a local tunnel or proxy that speaks TLS, or leave sslmode out where plain text is safe",
    )
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

    #[test]
    fn a_url_that_asks_for_tls_is_refused_and_never_goes_plain() {
        for mode in ["require", "verify-ca", "verify-full"] {
            for url in [format!("postgres://u@h/d?sslmode={mode}"), format!("host=h user=u sslmode = '{mode}'")] {
                let error = parse(&url).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{url}");
                assert!(error.message().contains(mode));
            }
        }
        for mode in ["disable", "allow", "prefer"] {
            parse(&format!("postgres://u@h/d?sslmode={mode}")).unwrap();
        }
    }

    #[test]
    fn a_password_is_in_no_message() {
        for url in [
            "postgres://u:hunter2@h:99999/d",
            "postgres://u:hunter2@h/d?hunter2=1",
            "postgres://u:hunter2@h/d?sslmode=verify-full",
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
