//! Which objects a COPY reads.

use crate::refusal::Refusal;
use crate::s3::Store;
use crate::sql::copy::{Copy, Format};

/// An object that is to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) url: String,
    pub(crate) size: u64,
}

/// The region of the double's cluster.
const REGION: &str = "us-east-1";

/// The objects that are there. What is listed twice is loaded twice.
pub(crate) fn entries(copy: &Copy, store: &Store) -> Result<Vec<Entry>, Refusal> {
    if !copy.from.starts_with("s3://") {
        return Err(Refusal::double_lacks("sources other than S3"));
    }
    let entries = if copy.manifest { listed(copy, store)? } else { by_prefix(copy, store)? };
    if entries.is_empty() {
        return Err(Refusal::internal(format!("The specified S3 prefix '{}' does not exist", copy.from)));
    }
    for entry in &entries {
        same_region(copy, store, &entry.url)?;
    }
    Ok(entries)
}

/// Every object whose key begins so, wanted or not.
fn by_prefix(copy: &Copy, store: &Store) -> Result<Vec<Entry>, Refusal> {
    let found = store.list(&copy.from)?;
    Ok(found.into_iter().map(|(url, size)| Entry { url, size }).collect())
}

fn listed(copy: &Copy, store: &Store) -> Result<Vec<Entry>, Refusal> {
    let text = store.read(&copy.from).map_err(|_| {
        Refusal::internal("COPY with MANIFEST parameter requires full path of an Amazon S3 object.").with_detail(
            "error:  COPY with MANIFEST parameter requires full path of an Amazon S3 object.\n code:      8001",
        )
    })?;
    let broken = |what: &str| Refusal::internal("The manifest is invalid").with_detail(what.to_owned());
    let manifest: serde_json::Value = serde_json::from_slice(&text).map_err(|error| broken(&error.to_string()))?;
    let list = manifest["entries"].as_array().ok_or_else(|| broken("it has no array `entries`"))?;
    let mut found = Vec::new();
    for item in list {
        let url = item["url"].as_str().ok_or_else(|| broken("an entry has no `url`"))?;
        let mandatory = item["mandatory"].as_bool().unwrap_or(false);
        let Some(size) = store.size(url)? else {
            if mandatory {
                return Err(Refusal::internal("Mandatory url is not present in manifest file.").with_detail(format!(
                    "error:  Mandatory url is not present in manifest file.\n code:      8001\n context:   {url}"
                )));
            }
            continue;
        };
        if copy.format == Format::Parquet {
            exact_length(item, url, size)?;
        }
        found.push(Entry { url: url.to_owned(), size });
    }
    Ok(found)
}

/// Columnar files are read by their declared length.
fn exact_length(item: &serde_json::Value, url: &str, size: u64) -> Result<(), Refusal> {
    let declared = item["meta"]["content_length"].as_u64().ok_or_else(|| {
        Refusal::internal("File entry does not have 'meta' key")
            .with_detail(format!("code:      15003\n context:   File entry does not have 'meta' key: {url}"))
    })?;
    if declared != size {
        return Err(Refusal::internal("Spectrum Scan Error").with_detail(format!(
            "error:  Spectrum Scan Error\n code:      15001\n context:   S3 Query Exception (Fetch). HTTP response error code: 416 \
             Message: InvalidRange The requested range is not satisfiable: {url}"
        )));
    }
    Ok(())
}

fn same_region(copy: &Copy, store: &Store, url: &str) -> Result<(), Refusal> {
    let region = store.region(url);
    if region == REGION {
        return Ok(());
    }
    if copy.format == Format::Parquet {
        return Err(Refusal::internal(
            "S3ServiceException: The bucket is in another region; columnar COPY needs the same region",
        )
        .with_detail(format!("context:   {url} is in {region}")));
    }
    if copy.value("region") == Some(region.as_str()) {
        return Ok(());
    }
    Err(Refusal::internal(
        "S3ServiceException: The bucket you are attempting to access must be addressed using the specified endpoint.",
    )
    .with_detail(format!("Status 301, Error PermanentRedirect: the bucket is in {region}")))
}
