//! The double keeps Redshift's rules, and longshore keeps its promises on it.

#[path = "../../../support/authority.rs"]
mod authority;
mod changes;
mod conformance;
mod copy;
mod drift;
#[path = "../../../support/grammar.rs"]
mod grammar;
mod killed;
mod million;
mod places;
mod refused;
mod session;
mod store;
mod support;
mod swaps;
mod target;
mod tls;
#[path = "../../../support/tls_front.rs"]
mod tls_front;
mod verdicts;
