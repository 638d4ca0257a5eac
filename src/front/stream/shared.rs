//! What all of a stream's batches have in common, whichever thread they are on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rows::Shapes;
use super::tables::Tables;
use super::{StreamOptions, StreamTotals};
use crate::front::loader::Loader;
use crate::load::EarlyCopies;
use crate::records::Format;

/// What a stream is set to, the numbers of its tables, and what it has done.
pub(super) struct Shared {
    pub(super) settings: Loader,
    pub(super) options: StreamOptions,
    pub(super) format: Format,
    pub(super) tables: Tables,
    pub(super) shapes: Shapes,
    pub(super) early: Arc<EarlyCopies>,
    totals: Mutex<StreamTotals>,
}

impl Shared {
    pub(super) fn new(settings: Loader, options: StreamOptions, format: Format, early: Arc<EarlyCopies>) -> Self {
        let tables = Tables::new(options.route.clone());
        Shared { settings, options, format, tables, shapes: Shapes::default(), early, totals: Mutex::default() }
    }

    /// What was done since the stream was opened.
    pub(super) fn totals(&self) -> MutexGuard<'_, StreamTotals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
