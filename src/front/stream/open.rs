//! Opening a stream.

use std::sync::Arc;

use super::ahead::Ahead;
use super::buffer::Buffer;
use super::commit::Committer;
use super::shared::Shared;
use super::{ChildTables, StreamLoader, StreamOptions};
use crate::error::{Error, Result};
use crate::front::loader::Loader;
use crate::load::{LoadRequest, Mode, PostgresStream};

impl Loader {
    /// Opens a long-lived loader into a Postgres table, with the default options. See [`StreamLoader`].
    ///
    /// Policy, limits, threads, format and `max_quarantined` (for each batch) are those of this loader. The format is
    /// NDJSON unless [`ReadOptions::format`](crate::ReadOptions::format) says CSV.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) without a table, for a target other than Postgres, for a mode other than
    /// [`Mode::Append`] and [`Mode::Merge`], and for a load id: those of a stream are made from its offsets. [`Database`](crate::ErrorKind::Database) if
    /// the server refuses or cannot be reached.
    pub fn open(self) -> Result<StreamLoader> {
        self.open_with(StreamOptions::default())
    }

    /// Opens a long-lived loader with options.
    ///
    /// # Errors
    ///
    /// As [`Loader::open`], and [`Config`](crate::ErrorKind::Config) for CSV without columns.
    pub fn open_with(self, mut options: StreamOptions) -> Result<StreamLoader> {
        if options.child_tables == ChildTables::None {
            options.child_tables = self.child_tables.clone();
        }
        let format = options.format(&self.read.format)?;
        let table = self.streamed_table()?;
        options.check(&format)?;
        let request = LoadRequest {
            table,
            // Each batch has its own; this one only has to be a possible one.
            load_id: "stream".into(),
            mode: self.mode.clone(),
            sources: Vec::new(),
            formats: vec![format.written()],
            content_hash: String::new(),
            bytes: 0,
            max_quarantined: self.max_quarantined,
            isolate_rows: false,
        };
        let stream = PostgresStream::connect(&self.url, &request, options.contract.clone(), options.postgres.clone())?;
        let shared = Arc::new(Shared::new(self, options, format, stream.early()));
        let committer = Some(Box::new(Committer::new(shared.clone(), request, stream)));
        let (buffer, under_way, ahead) = (Buffer::default(), Vec::new(), Ahead::start()?);
        Ok(StreamLoader { shared, buffer, front: None, committer, spent: None, under_way, ahead })
    }

    fn streamed_table(&self) -> Result<String> {
        if !self.url.starts_with("postgres://") && !self.url.starts_with("postgresql://") {
            return Err(
                Error::config("a stream needs a Postgres server").with_hint("write postgres://user@host/database")
            );
        }
        match &self.mode {
            Mode::Append => {}
            Mode::Merge(keys) => keys.check()?,
            _ => {
                return Err(Error::config("a stream adds to its table or merges into it")
                    .with_hint("choose the mode append or merge"));
            }
        }
        if self.load_id.is_some() {
            return Err(
                Error::config("a stream makes its own load ids, from its offsets").with_hint("leave the id out")
            );
        }
        let missing = || Error::config("a stream needs a table").with_hint("name one with `Loader::table`");
        self.table.clone().ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::load::MergeKeys;

    #[test]
    fn what_a_stream_cannot_do_is_refused_before_anything_is_connected() {
        let url = "postgres://u@127.0.0.1:1/d";
        let csv = crate::ReadOptions::default()
            .format(crate::records::FormatOptions { kind: Some(crate::records::Kind::Csv), ..Default::default() });
        for loader in [
            Loader::new(url),
            Loader::new("dir:out").table("t"),
            Loader::new(url).table("t").load_id("1"),
            Loader::new(url).table("t").mode(Mode::Replace),
            Loader::new(url).table("t").mode(Mode::Merge(MergeKeys::default())),
            Loader::new(url).table("t").read(csv),
            Loader::new(url).table("_longshore_offsets"),
        ] {
            let error = loader.open().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.hint().is_some());
        }
    }
}
