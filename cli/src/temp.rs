//! `--to temp`: a throwaway Postgres server.

use longshore::ErrorKind;
use longshore::load::{TempCluster, TempOptions};

use crate::exit::{Failure, UNAVAILABLE};
use crate::load::Kept;
use crate::output::shell;

/// Starts a server that ends with the command.
pub(crate) fn start() -> Result<TempCluster, Failure> {
    TempCluster::start(TempOptions::default()).map_err(|error| match error.kind() {
        // The programs are missing, or there is nobody to run them as.
        ErrorKind::Config => Failure::with_code(error, UNAVAILABLE),
        _ => error.into(),
    })
}

/// Lets the server run on, and says how to stop it: the server ends at an interrupt, whoever may run `pg_ctl`.
pub(crate) fn keep(cluster: TempCluster) -> Kept {
    let url = cluster.url().to_string();
    let folder = cluster.keep().display().to_string();
    let pid = shell(&format!("{folder}/data/postmaster.pid"));
    let stop = format!("kill -INT $(head -n 1 {pid}), then delete {folder}");
    Kept { url, folder, stop }
}
