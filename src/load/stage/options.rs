//! How a load is staged.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The file format of staged rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum StageFormat {
    /// [`Parquet`](StageFormat::Parquet), unless the table has a JSON column with values over 65,535 bytes, which only
    /// CSV brings into `SUPER`, or the bucket is in another region, which only CSV is copied from.
    #[default]
    Auto,
    /// Parquet with zstd pages. Times of day and JSON are text in it, which the load turns into `TIME` and `SUPER`
    /// behind a staging table.
    Parquet,
    /// CSV with gzip. Null is a marker without quotes, text always has quotes.
    Csv,
}

impl FromStr for StageFormat {
    type Err = Error;

    /// Reads `auto`, `parquet` and `csv`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(StageFormat::Auto),
            "parquet" => Ok(StageFormat::Parquet),
            "csv" => Ok(StageFormat::Csv),
            _ => Err(Error::config(format!("`{text}` is no staging format")).with_hint("choose auto, parquet or csv")),
        }
    }
}

impl fmt::Display for StageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StageFormat::Auto => "auto",
            StageFormat::Parquet => "parquet",
            StageFormat::Csv => "csv",
        })
    }
}

/// Where and how files are staged for a warehouse to copy from.
///
/// Credentials come from the environment by the store's own chain: for S3 the variables `AWS_ACCESS_KEY_ID` and
/// `AWS_SECRET_ACCESS_KEY` (with `AWS_SESSION_TOKEN`), a web identity, the container's or the instance's role; for
/// Azure and Google Cloud the variables of their command line tools.
///
/// ```
/// use longshore::load::StageOptions;
/// let stage = StageOptions::new("s3://lake/staging")?.with_slices(8);
/// assert_eq!((stage.url(), stage.slices), ("s3://lake/staging", Some(8)));
/// assert!(StageOptions::new("ftp://lake/staging").is_err());
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StageOptions {
    url: String,
    /// The file format. Default: [`StageFormat::Auto`].
    pub format: StageFormat,
    /// The number of files is a multiple of this, so that every slice of the cluster has as much to do. Default: `None`,
    /// which asks a cluster that is connected to, and otherwise is 4.
    pub slices: Option<u32>,
    /// About how large a file may become, in bytes as stored. Default: 100 MiB; below 128 MB Redshift reads a Parquet
    /// file on one slice.
    pub part_bytes: u64,
    /// Bytes of a request, and of what waits to be sent for each request in flight. Default: 8 MiB; S3 takes no less
    /// than 5 MiB.
    pub chunk_bytes: usize,
    /// Requests in flight at most. Default: 4.
    pub concurrency: usize,
    /// The address of an S3-compatible store: `http://127.0.0.1:9000`. Default: `AWS_ENDPOINT_URL`, else Amazon's.
    pub endpoint: Option<String>,
    /// The bucket's region. Default: `AWS_REGION` or `AWS_DEFAULT_REGION`, else `us-east-1`.
    pub region: Option<String>,
    access_key: Option<AccessKey>,
    /// Whether an endpoint without TLS is spoken to. Default: false, unless `AWS_ALLOW_HTTP` is `true`.
    pub allow_http: bool,
}

impl StageOptions {
    /// Staging below a URL: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, `abfss://…`, or
    /// `file:///folder`.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) for another scheme, a URL without a bucket, or with a user or query in it.
    pub fn new(url: impl Into<String>) -> Result<Self> {
        let url = url.into().trim_end_matches('/').to_owned();
        Place::parse(&url)?;
        Ok(StageOptions {
            url,
            format: StageFormat::default(),
            slices: None,
            part_bytes: 100 << 20,
            chunk_bytes: 8 << 20,
            concurrency: 4,
            endpoint: None,
            region: None,
            access_key: None,
            allow_http: false,
        })
    }

    /// Whether it is Amazon S3, or a store that is like it.
    pub(in crate::load) fn is_s3(&self) -> bool {
        Place::parse(&self.url).is_ok_and(|place| place.kind == Kind::S3)
    }

    /// The URL, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sets the file format.
    #[must_use]
    pub fn with_format(mut self, format: StageFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets what the number of files is a multiple of; at least 1.
    #[must_use]
    pub fn with_slices(mut self, slices: u32) -> Self {
        self.slices = Some(slices.max(1));
        self
    }

    /// Sets about how large a file may become, in bytes; at least 1 MiB, at most 1 GB.
    #[must_use]
    pub fn with_part_bytes(mut self, bytes: u64) -> Self {
        self.part_bytes = bytes.clamp(1 << 20, 1_000_000_000);
        self
    }

    /// Sets the bytes of a request; at least 5 MiB, the least that S3 takes.
    #[must_use]
    pub fn with_chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = bytes.max(5 << 20);
        self
    }

    /// Sets how many requests are in flight at most; at least 1.
    #[must_use]
    pub fn with_concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// Sets the address of an S3-compatible store. One that begins with `http://` is spoken to without TLS.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        let endpoint = endpoint.into();
        self.allow_http |= endpoint.starts_with("http://");
        self.endpoint = Some(endpoint);
        self
    }

    /// Gives the access key of an S3 store, where it is not in the environment; `token` is that of temporary credentials.
    #[must_use]
    pub fn with_access_key(mut self, id: impl Into<String>, secret: impl Into<String>, token: Option<String>) -> Self {
        self.access_key = Some(AccessKey { id: id.into(), secret: secret.into(), token });
        self
    }

    pub(super) fn access_key(&self) -> Option<&AccessKey> {
        self.access_key.as_ref()
    }

    /// Sets the bucket's region.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }
}

/// An access key of S3 that is not in the environment.
#[derive(Clone)]
pub(super) struct AccessKey {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(…)")
    }
}

/// A staging URL taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) kind: Kind,
    /// `s3://bucket`; nothing for a folder.
    pub(super) base: &'a str,
    /// Below the bucket, or the folder; without slashes around it in the first case.
    pub(super) prefix: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    S3,
    Google,
    Azure,
}

impl<'a> Place<'a> {
    pub(super) fn parse(url: &'a str) -> Result<Self> {
        let refuse = |what: &str| {
            Error::config(format!("the staging URL {what}"))
                .with_hint("write s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///folder")
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| refuse("names no store"))?;
        let kind = match scheme {
            "file" if Path::new(rest).is_absolute() => return Ok(Place { kind: Kind::Folder, base: "", prefix: rest }),
            "file" => return Err(refuse("names no absolute folder")),
            "s3" => Kind::S3,
            "gs" => Kind::Google,
            "az" | "azure" | "abfs" | "abfss" => Kind::Azure,
            _ => return Err(refuse("names a store that longshore does not know")),
        };
        if rest.contains(['?', '#', '\\']) || rest.contains(char::is_control) {
            return Err(refuse("holds `?`, `#`, a backslash or a control character"));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        // A user before `@` is how Azure names a container; elsewhere it would be a secret in a URL.
        if bucket.is_empty() || (bucket.contains('@') && kind != Kind::Azure) {
            return Err(refuse("names no bucket"));
        }
        let base = &url[..scheme.len() + "://".len() + bucket.len()];
        Ok(Place { kind, base, prefix: prefix.trim_matches('/') })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_key_is_never_shown() {
        let options =
            StageOptions::new("s3://b").unwrap().with_access_key("hunter2", "hunter2", Some("hunter2".into()));
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn a_staging_url_is_a_bucket_and_a_prefix() {
        let place = |url| Place::parse(url).unwrap();
        assert_eq!(place("s3://lake/a/b"), Place { kind: Kind::S3, base: "s3://lake", prefix: "a/b" });
        assert_eq!(place("gs://lake"), Place { kind: Kind::Google, base: "gs://lake", prefix: "" });
        assert_eq!(place("abfss://c@acc.dfs.core.windows.net/x").base, "abfss://c@acc.dfs.core.windows.net");
        assert_eq!(place("file:///tmp/x"), Place { kind: Kind::Folder, base: "", prefix: "/tmp/x" });
        for url in ["", "lake", "s3://", "s3:///x", "s3://key@lake/x", "file://x", "s3://lake/x?y", "ftp://lake/x"] {
            let error = Place::parse(url).unwrap_err();
            assert!(error.hint().is_some(), "{url}");
        }
    }
}
