//! The double keeps Redshift's rules, and longshore keeps its promises on it.

mod conformance;
mod copy;
mod drift;
#[path = "../../../support/grammar.rs"]
mod grammar;
mod killed;
mod million;
mod places;
mod session;
mod support;
mod target;
mod verdicts;
