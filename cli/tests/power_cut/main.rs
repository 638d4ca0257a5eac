//! The power may go at any moment: what the command has acknowledged is still there, and the rest is completed by the next run.
//!
//! The command runs once, its calls to the file system recorded. From these a model rebuilds what a disk may hold at worst after
//! each call, and each of these states must be one that readers and the next run get along with. Some states by default,
//! with `LONGSHORE_FULL=1` many more.
#![cfg(target_os = "linux")]

mod cuts;
mod folder;
mod loads;
#[cfg(feature = "redshift")]
mod staging;
