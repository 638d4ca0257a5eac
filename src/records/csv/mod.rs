//! Delimited text: finding its dialect and header.

mod class;
mod header;
pub(super) mod sniff;
mod split;
