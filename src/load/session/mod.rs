//! From a connection string to a session with a server, by TLS where it is asked for.
//!
//! Everything that speaks the Postgres protocol goes through here: the loads into Postgres, the streams, and the
//! commands for Redshift.

mod client;
mod endpoint;
pub(in crate::load) mod error;
mod parameters;
#[cfg(feature = "tls")]
mod tls;

pub(in crate::load) use self::client::Client;
pub(in crate::load) use self::endpoint::Endpoint;
