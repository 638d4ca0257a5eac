//! The double keeps Redshift's rules, and longshore keeps its promises on it.

mod copy;
mod session;
mod support;
mod target;
mod verdicts;
