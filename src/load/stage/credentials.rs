//! Whether a store has credentials, and what is to be given where it has none.

use std::sync::Arc;
use std::time::Duration;

use object_store::client::CredentialProvider;
use object_store::{BackoffConfig, RetryConfig};

use super::options::{Kind, Place};
use super::store::cause;
use crate::error::{Error, ErrorKind, Result};

/// How long credentials are looked for.
const LOOKED_FOR: Duration = Duration::from_secs(10);

/// How a place is asked that may have credentials, as that of a machine in a cloud.
pub(super) fn briefly() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 2, retry_timeout: LOOKED_FOR }
}

/// Looks for credentials before anything is sent: a request that finds none is tried again for minutes.
pub(super) async fn look<C>(provider: Arc<dyn CredentialProvider<Credential = C>>, url: String) -> Result<()> {
    let why = match tokio::time::timeout(LOOKED_FOR, provider.get_credential()).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => cause(&error),
        Err(_) => format!("none within {} s", LOOKED_FOR.as_secs()),
    };
    Err(Error::new(ErrorKind::Config, format!("no credentials for {url}: {why}")).with_hint(hint(&url)))
}

/// How credentials are given for a URL.
pub(super) fn hint(url: &str) -> &'static str {
    match Place::parse(url).map(|place| place.kind) {
        Ok(Kind::Google) => {
            "give the file of a service account's key in the environment (GOOGLE_APPLICATION_CREDENTIALS), and check \
             that the account may write here"
        }
        Ok(Kind::Azure) => {
            "give the credentials in the environment (AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or \
             AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID), and check that they are current and may write here"
        }
        _ => {
            "give the credentials in the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and \
             AWS_SESSION_TOKEN where they are temporary), and check that they are current and may write here"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_store_is_told_its_own_way_to_credentials() {
        for (url, named) in [
            ("s3://lake/x", "AWS_ACCESS_KEY_ID"),
            ("gs://lake/x", "GOOGLE_APPLICATION_CREDENTIALS"),
            ("az://lake/x", "AZURE_STORAGE_ACCOUNT_KEY"),
            ("abfss://lake@account.dfs.core.windows.net/x", "AZURE_STORAGE_ACCOUNT_KEY"),
        ] {
            assert!(hint(url).contains(named), "{url}");
        }
    }
}
