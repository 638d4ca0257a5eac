//! How a load into Redshift behaves.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::load::stage::StageOptions;
use crate::plan::{CreateOptions, Dialect, RedshiftEvolve};

/// What the cluster may read the staged files with.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CopyAuthorization {
    /// `IAM_ROLE default`: the role that is the cluster's default.
    #[default]
    DefaultRole,
    /// `IAM_ROLE 'arn:…'`; several, separated by commas, are chained.
    Role(String),
    /// An access key. It stands in the text of the statement, and so in the cluster's query log.
    Keys {
        /// The access key's id.
        access_key_id: String,
        /// The secret.
        secret_access_key: String,
        /// The token of temporary credentials.
        session_token: Option<String>,
    },
}

impl CopyAuthorization {
    /// The access key in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if one of the first two is missing.
    pub fn from_env() -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            (Some(access_key_id), Some(secret_access_key)) => {
                let session_token = variable("AWS_SESSION_TOKEN");
                Ok(CopyAuthorization::Keys { access_key_id, secret_access_key, session_token })
            }
            _ => Err(Error::config("the environment holds no access key for the cluster")
                .with_hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a role")),
        }
    }
}

impl fmt::Debug for CopyAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyAuthorization::DefaultRole => f.write_str("DefaultRole"),
            CopyAuthorization::Role(role) => f.debug_tuple("Role").field(role).finish(),
            CopyAuthorization::Keys { .. } => f.write_str("Keys(…)"),
        }
    }
}

/// How a [`RedshiftTarget`](super::RedshiftTarget) behaves.
///
/// ```
/// use longshore::load::{CopyAuthorization, RedshiftOptions, StageOptions};
/// let role = CopyAuthorization::Role("arn:aws:iam::123456789012:role/loader".into());
/// let options = RedshiftOptions::new(StageOptions::new("s3://lake/staging")?).with_authorization(role);
/// assert!(!options.keep_staged);
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RedshiftOptions {
    /// Where files are staged, and how.
    pub stage: StageOptions,
    /// What the cluster reads them with. Default: its default role.
    pub authorization: CopyAuthorization,
    /// The bucket's region, where it is not the cluster's. Only files in CSV can be copied from another region.
    pub copy_region: Option<String>,
    /// How a table that is missing is made: keys, distribution, widths. Default: [`CreateOptions::new`].
    pub create: CreateOptions,
    /// How a table that is there may be changed. Default: [`RedshiftEvolve::default`].
    pub evolve: RedshiftEvolve,
    /// Whether the staged files stay once the load is committed. Default: no.
    pub keep_staged: bool,
    /// How long a load waits for another one into the same table. Default: 1 hour.
    pub queue_timeout: Duration,
    /// For how long a transaction is tried again that lost against another one (error 1023, a deadlock), or whose
    /// connection was lost, counted from the first time that it failed. Whether a COMMIT without an answer was one is
    /// asked in any case. Default: 15 minutes.
    pub retry_for: Duration,
}

impl RedshiftOptions {
    /// The defaults, with files staged as given.
    pub fn new(stage: StageOptions) -> Self {
        RedshiftOptions {
            stage,
            authorization: CopyAuthorization::default(),
            copy_region: None,
            create: CreateOptions::new(Dialect::Redshift),
            evolve: RedshiftEvolve::default(),
            keep_staged: false,
            queue_timeout: Duration::from_secs(3600),
            retry_for: Duration::from_secs(900),
        }
    }

    /// Sets what the cluster reads the staged files with.
    #[must_use]
    pub fn with_authorization(mut self, authorization: CopyAuthorization) -> Self {
        self.authorization = authorization;
        self
    }

    /// Sets the bucket's region, where it is not the cluster's.
    #[must_use]
    pub fn with_copy_region(mut self, region: impl Into<String>) -> Self {
        self.copy_region = Some(region.into());
        self
    }

    /// Sets how a missing table is made. The options must be Redshift's.
    #[must_use]
    pub fn with_create(mut self, create: CreateOptions) -> Self {
        self.create = create;
        self
    }

    /// Sets how a table that is there may be changed.
    #[must_use]
    pub fn with_evolve(mut self, evolve: RedshiftEvolve) -> Self {
        self.evolve = evolve;
        self
    }

    /// Sets whether the staged files stay.
    #[must_use]
    pub fn with_keep_staged(mut self, keep: bool) -> Self {
        self.keep_staged = keep;
        self
    }

    /// Sets for how long a transaction is tried again.
    #[must_use]
    pub fn with_retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// Sets how long a load waits for another one into the same table.
    #[must_use]
    pub fn with_queue_timeout(mut self, time: Duration) -> Self {
        self.queue_timeout = time;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let keys = CopyAuthorization::Keys {
            access_key_id: "AKIAhunter2".into(),
            secret_access_key: "hunter2".into(),
            session_token: Some("hunter2".into()),
        };
        let options = RedshiftOptions::new(StageOptions::new("s3://b/p").unwrap()).with_authorization(keys);
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
