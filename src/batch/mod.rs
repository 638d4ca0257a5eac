//! Records + schema → Arrow batches + misfits.

mod misfit;

pub use misfit::Misfit;
