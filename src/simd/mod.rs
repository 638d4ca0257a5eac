//! Vector code, and the only place with `unsafe`.
//!
//! Each function has a scalar twin that gives the same answer; tests compare them at all lengths and offsets. Which
//! one runs is found out once, when the process first asks.

#![allow(unsafe_code, reason = "vector loads; each block says why it is sound")]

mod append;
mod csv;
mod utf8;
mod vector;

pub(crate) use append::{Appender, extend_short};
pub(crate) use csv::{Separators, separators};
pub(crate) use utf8::string_array;
pub(crate) use vector::{Job, Quotes, Vector, WINDOW, Window, dispatch};
