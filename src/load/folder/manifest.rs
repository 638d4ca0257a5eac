//! What a load consists of, for us and for Redshift.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::parts::Part;
use crate::error::{Error, ErrorKind, Result};
use crate::load::target::{Counts, LoadRequest};
use crate::plan::TableName;
use crate::schema::Schema;

const FILE: &str = "manifest.json";
/// Changes when older readers would misread the document.
const FORM: u32 = 1;

/// The content of `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    form: u32,
    longshore: String,
    pub(super) table: String,
    pub(super) load_id: String,
    read: u64,
    pub(super) loaded: u64,
    quarantined: u64,
    deduplicated: u64,
    pub(super) bytes: u64,
    pub(super) content_hash: String,
    pub(super) sources: Vec<String>,
    #[serde(default)]
    pub(super) formats: Vec<String>,
    columns: Vec<ManifestColumn>,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ManifestColumn {
    path: String,
    name: String,
    #[serde(rename = "type")]
    ty: String,
    nullable: bool,
}

impl Manifest {
    pub(super) fn new(
        table: &TableName,
        request: &LoadRequest,
        schema: &Schema,
        counts: Counts,
        parts: Vec<Part>,
    ) -> Self {
        let columns = schema.columns.iter().map(|column| ManifestColumn {
            path: column.path.to_string(),
            name: column.name.clone(),
            ty: column.ty.to_string(),
            nullable: column.nullable,
        });
        Manifest {
            form: FORM,
            longshore: env!("CARGO_PKG_VERSION").to_owned(),
            table: table.quoted(),
            load_id: request.load_id.clone(),
            read: counts.read,
            loaded: counts.loaded,
            quarantined: counts.quarantined,
            deduplicated: counts.deduplicated,
            bytes: request.bytes,
            content_hash: request.content_hash.clone(),
            sources: request.sources.clone(),
            formats: request.formats.clone(),
            columns: columns.collect(),
            parts,
        }
    }

    /// Reads the manifest of a load's folder, if the folder is there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if the folder has no manifest that can be read: longshore never leaves it so.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        if !folder.exists() {
            return Ok(None);
        }
        let path = folder.join(FILE);
        let damaged = |what: String| {
            Error::new(ErrorKind::Corrupt, format!("{}: {what}", path.display()))
                .with_hint("the folder was changed by something else: move it away, then load again")
        };
        let text = std::fs::read(&path).map_err(|cause| damaged(cause.to_string()))?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        match manifest.form {
            FORM => Ok(Some(manifest)),
            other => Err(damaged(format!("the manifest has form {other}, this version reads {FORM}"))),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let Manifest { read, loaded, quarantined, deduplicated, .. } = *self;
        Counts { read, loaded, quarantined, deduplicated }
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        pretty(&serde_json::to_value(self).map_err(unwritten)?)
    }

    /// The parts as Redshift's COPY wants them: each of them must be there, in exactly this size.
    pub(super) fn for_redshift(&self, url: &str) -> Result<Vec<u8>> {
        let entries = self.parts.iter().map(|part| {
            json!({
                "url": format!("{url}/{}", part.file),
                "mandatory": true,
                "meta": { "content_length": part.bytes },
            })
        });
        pretty(&json!({ "entries": entries.collect::<Vec<_>>() }))
    }
}

fn pretty(value: &serde_json::Value) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).map_err(unwritten)?;
    text.push(b'\n');
    Ok(text)
}

fn unwritten(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Syntax, format!("writing the manifest: {error}"))
}
