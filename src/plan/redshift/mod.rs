//! An existing Redshift table: its catalog as data, and what brings it to a schema.

mod catalog;
mod evolve;
mod fit;
mod steps;

pub use catalog::{RedshiftColumn, RedshiftTable, RedshiftType};
pub use evolve::{Impossible, RedshiftEvolution, RedshiftEvolve, RedshiftFitted, evolve_redshift};
pub(in crate::plan) use steps::RESERVED;
