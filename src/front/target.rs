//! From a loader's settings to the target that they name.

use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};
use crate::load::Target;

/// Where files are staged, and for what.
#[cfg(feature = "redshift")]
#[derive(Debug, Clone)]
pub(super) enum Staging {
    /// For a cluster that we are connected to.
    Redshift(Box<crate::load::RedshiftOptions>),
    /// For a script that somebody else runs.
    Script(Box<crate::load::ScriptOptions>),
}

#[cfg(feature = "redshift")]
impl Staging {
    /// Opens the cluster at `url`, or the store that the script reads from.
    pub(super) fn open(&self, url: &str) -> Result<Box<dyn Target>> {
        match self {
            Staging::Redshift(options) => Ok(Box::new(crate::load::RedshiftTarget::connect(url, (**options).clone())?)),
            Staging::Script(options) => Ok(Box::new(crate::load::StageTarget::new((**options).clone()))),
        }
    }
}

/// Opens the target that a URL names.
pub(super) fn open(url: &str) -> Result<Box<dyn Target>> {
    if let Some(path) = url.strip_prefix("dir:") {
        return folder(path);
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return postgres(url);
    }
    if url.starts_with("redshift://") {
        return redshift();
    }
    Err(Error::new(ErrorKind::Config, "a target that is neither postgres:// nor dir:")
        .with_hint("write postgres://user@host/database or dir:PATH"))
}

/// The folder of a load, where its target is one.
#[cfg(feature = "parquet")]
pub(super) fn folder_of(url: &str, table: &str, load_id: &str) -> Result<Option<PathBuf>> {
    let root = url.strip_prefix("dir:");
    root.map(|root| crate::load::FolderTarget::folder_of(root, table, load_id)).transpose()
}

#[cfg(not(feature = "parquet"))]
pub(super) fn folder_of(_: &str, _: &str, _: &str) -> Result<Option<PathBuf>> {
    Ok(None)
}

#[cfg(feature = "parquet")]
fn folder(path: &str) -> Result<Box<dyn Target>> {
    Ok(Box::new(crate::load::FolderTarget::new(path)))
}

#[cfg(not(feature = "parquet"))]
fn folder(_: &str) -> Result<Box<dyn Target>> {
    Err(missing("parquet"))
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<Box<dyn Target>> {
    Ok(Box::new(crate::load::PostgresTarget::connect(url)?))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<Box<dyn Target>> {
    Err(missing("postgres"))
}

#[cfg(feature = "redshift")]
fn redshift() -> Result<Box<dyn Target>> {
    Err(Error::config("rows come into Redshift through an object store, and none is named")
        .with_hint("name one with Loader::redshift, or `--staging s3://bucket/prefix`"))
}

#[cfg(not(feature = "redshift"))]
fn redshift() -> Result<Box<dyn Target>> {
    Err(missing("redshift"))
}

#[cfg(not(all(feature = "postgres", feature = "parquet", feature = "redshift")))]
fn missing(feature: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("this build of longshore has no feature `{feature}`"))
        .with_hint("turn it on in Cargo.toml")
}
