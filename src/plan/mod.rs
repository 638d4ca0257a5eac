//! Schema + what the table is now → statements, pure and ordered.
//!
//! Nothing here connects, reads a clock or a file: the same schema gives the same text. [`Plan::create`] plans a new
//! table, [`evolve`] and [`evolve_redshift`] bring an existing table to what the data needs, and [`fit`] says what of a
//! schema a warehouse can hold.

mod alter;
mod comment;
mod create;
mod dialect;
mod fit;
mod matching;
mod options;
mod quote;
mod redshift;
mod statement;
mod table_name;
mod types;
mod widen;

pub use alter::{Evolution, evolve, fitted};
pub use comment::{comment_of, path_of_comment};
pub use dialect::Dialect;
#[cfg(feature = "redshift")]
pub(crate) use dialect::MAX_COLUMNS;
pub use fit::fit;
pub use options::{CreateOptions, Distribution, Encoding, JsonType, LongText, NotNull, VarcharWidth};
pub use quote::{identifier, literal};
pub use redshift::{
    Impossible, RedshiftColumn, RedshiftEvolution, RedshiftEvolve, RedshiftFitted, RedshiftTable, RedshiftType,
    evolve_redshift,
};
pub use statement::{Class, Lock, Plan, Statement};
pub use table_name::TableName;
pub use types::{ExistingColumn, ExistingTable, Fitted, PgType};
pub use widen::class_of;
#[cfg(feature = "postgres")]
pub(crate) use {fit::fit_type, matching::matched};
