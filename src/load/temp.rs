//! A throwaway Postgres server from the programs installed on this machine.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::error::{Error, ErrorKind, Result};

/// Where a caller can name the folder that holds `initdb`, `pg_ctl` and `postgres`.
const BIN_VARIABLE: &str = "LONGSHORE_PG_BIN";
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];
/// What the kernel allows for a socket's path, and what `/.s.PGSQL.65535` takes of it.
const LONGEST_FOLDER: usize = 107 - 16;
/// Another process may take the free port before the server does.
const PORT_TRIES: usize = 5;

/// Stops the server and removes its folder once the pipe at standard input closes: when the [`TempCluster`] is
/// dropped, and as well when its process is killed. `$1` is the folder, the rest the command that stops the server. An `initdb`
/// or `pg_ctl start` that was under way may write for a moment longer, hence the loop.
const WATCH: &str = r#"
read -r word
[ "$word" = keep ] && exit 0
folder=$1
shift
cd /
for try in 1 2 3 4 5; do
    "$@" >/dev/null 2>&1
    rm -rf -- "$folder"
    [ -e "$folder" ] || exit 0
    sleep 1
done
"#;

/// How a [`TempCluster`] is set up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TempOptions {
    /// Whether commits reach the disk (`fsync` and what goes with it). Default: true. Tests, which need no data after
    /// a crash of the machine, are faster without.
    pub durable: bool,
}

impl Default for TempOptions {
    fn default() -> Self {
        TempOptions { durable: true }
    }
}

impl TempOptions {
    /// Makes the options for tests: commits do not wait for the disk.
    pub fn for_tests() -> Self {
        TempOptions { durable: false }
    }
}

/// A Postgres server of its own, in a temporary folder, that goes away with this value.
///
/// It listens on a socket in its folder and on a free port of the loopback address, and trusts every local user, as
/// the superuser `postgres`. It is stopped and its folder deleted on drop, also when the thread panics or the process
/// is killed. Started by root, it runs as `postgres` or else `nobody`, because Postgres refuses to run as root.
///
/// ```no_run
/// use longshore::load::{TempCluster, TempOptions};
/// let cluster = TempCluster::start(TempOptions::default())?;
/// println!("psql {}", cluster.url());
/// # Ok::<(), longshore::Error>(())
/// ```
#[derive(Debug)]
pub struct TempCluster {
    folder: PathBuf,
    url: String,
    port: u16,
    watch: Child,
    kept: bool,
}

impl TempCluster {
    /// Creates and starts a server; takes about a second.
    ///
    /// The programs are looked for in the folder that the environment variable `LONGSHORE_PG_BIN` names, in `PATH`,
    /// then where distributions put them, newest version first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the programs are not installed, [`ErrorKind::Io`] if the server does not start.
    pub fn start(options: TempOptions) -> Result<Self> {
        let bin = programs()?;
        let user = unprivileged()?;
        let folder = make_folder(user)?;
        let setup = Setup { bin, user, folder };
        let watch = setup.watch().inspect_err(|_| drop(fs::remove_dir_all(&setup.folder)))?;
        // From here on the folder and the server go with this value, also if the next steps fail.
        let mut cluster = TempCluster { folder: setup.folder.clone(), url: String::new(), port: 0, watch, kept: false };
        cluster.port = setup.start(&options)?;
        cluster.url = format!("postgres://postgres@127.0.0.1:{}/postgres", cluster.port);
        Ok(cluster)
    }

    /// Where to connect, as a URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with the server's data, socket and log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves the server running and returns its folder. It is stopped with `pg_ctl -D FOLDER/data stop`.
    pub fn keep(mut self) -> PathBuf {
        if let Some(mut pipe) = self.watch.stdin.take() {
            let _ = pipe.write_all(b"keep\n");
        }
        self.kept = true;
        self.folder.clone()
    }
}

impl Drop for TempCluster {
    fn drop(&mut self) {
        // Closes the pipe, upon which the watching process stops the server, unless it was told to keep it.
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
        if !self.kept {
            // The server's user may empty the folder but not remove it, if the parent is another user's.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

struct Setup {
    bin: PathBuf,
    user: Option<User>,
    folder: PathBuf,
}

impl Setup {
    fn start(&self, options: &TempOptions) -> Result<u16> {
        let data = self.folder.join("data");
        let mut initdb = self.command(&self.bin.join("initdb"));
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]).arg(&data);
        run(&mut initdb, "initdb")?;
        self.configure(&data, options)?;

        for tries_left in (0..PORT_TRIES).rev() {
            let port = free_port()?;
            let mut start = self.command(&self.bin.join("pg_ctl"));
            start.args(["-s", "-w", "-t", "60", "-l"]).arg(self.folder.join("server.log")).arg("-D").arg(&data);
            start.args(["-o", &format!("-p {port}"), "start"]);
            match run(&mut start, "pg_ctl") {
                Ok(()) => return Ok(port),
                Err(error) => {
                    let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
                    let taken = log.contains("could not bind") || log.contains("Address already in use");
                    if !taken || tries_left == 0 {
                        return Err(with_log(error, &log));
                    }
                }
            }
        }
        Err(Error::new(ErrorKind::Io, "found no free port for a throwaway Postgres server"))
    }

    /// A command run in the folder, as the user the server runs as, in the C locale.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("HOME", &self.folder).env("LC_ALL", "C").stdin(Stdio::null());
        for variable in ["PGDATA", "PGPORT", "PGHOST", "PGOPTIONS", "PGUSER", "PGDATABASE"] {
            command.env_remove(variable);
        }
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    fn configure(&self, data: &Path, options: &TempOptions) -> Result<()> {
        let socket_folder = self.folder.to_string_lossy().replace('\'', "''");
        let mut settings = format!(
            "\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{socket_folder}'\n\
             unix_socket_permissions = 0700\nmax_wal_size = 4GB\nlc_messages = 'C'\ntimezone = 'UTC'\n"
        );
        if !options.durable {
            settings.push_str("fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n");
        }
        let file = data.join("postgresql.conf");
        let appended =
            fs::OpenOptions::new().append(true).open(&file).and_then(|mut f| f.write_all(settings.as_bytes()));
        appended.map_err(|cause| Error::io(format_args!("writing {}", file.display()), cause))
    }

    /// Starts the process that cleans up; before all others, so that there is no moment without it.
    fn watch(&self) -> Result<Child> {
        let mut watch = self.command(Path::new("/bin/sh"));
        watch.args(["-c", WATCH, "sh"]).arg(&self.folder);
        watch
            .arg(self.bin.join("pg_ctl"))
            .args(["-s", "-m", "immediate", "-D"])
            .arg(self.folder.join("data"))
            .arg("stop");
        // In a group of its own, a Ctrl-C at the terminal does not reach it before it has done its work.
        watch.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        watch.spawn().map_err(|cause| Error::io("starting the shell that stops the server", cause))
    }
}

fn run(command: &mut Command, name: &str) -> Result<()> {
    let output = command.output().map_err(|cause| Error::io(format_args!("running {name}"), cause))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned();
    Err(Error::new(ErrorKind::Io, format!("{name} failed ({}): {last}", output.status)))
}

fn with_log(error: Error, log: &str) -> Error {
    match log.lines().rev().find(|line| line.contains("FATAL") || line.contains("ERROR")) {
        Some(line) => error.with_hint(format!("the server's log says: {}", line.trim())),
        None => error,
    }
}

fn free_port() -> Result<u16> {
    let address = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    Ok(address.map_err(|cause| Error::io("looking for a free port on 127.0.0.1", cause))?.port())
}

/// The folder that holds all three programs.
fn programs() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(BIN_VARIABLE).filter(|named| !named.is_empty()) {
        let folder = PathBuf::from(named);
        let missing = PROGRAMS.iter().find(|program| !folder.join(program).is_file());
        return match missing {
            None => Ok(folder),
            Some(missing) => {
                Err(Error::config(format!("{BIN_VARIABLE} names {}, which has no `{missing}`", folder.display())))
            }
        };
    }
    let candidates = on_path().into_iter().chain(well_known());
    let complete = candidates.into_iter().find(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file()));
    complete.ok_or_else(|| {
        Error::config("found no Postgres server programs (initdb, pg_ctl, postgres)").with_hint(format!(
            "install them (`apt-get install postgresql`, `brew install postgresql`) or name their folder in {BIN_VARIABLE}"
        ))
    })
}

/// Folders of `PATH`, with links resolved: a link to `initdb` stands beside links to other programs, or none, but the
/// file it leads to stands beside those of its own version.
fn on_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("initdb"));
    found.filter_map(|file| fs::canonicalize(file).ok()?.parent().map(Path::to_owned)).collect()
}

fn well_known() -> Vec<PathBuf> {
    let patterns = [
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/opt/homebrew/opt/postgresql*/bin",
        "/usr/local/opt/postgresql*/bin",
        "/Applications/Postgres.app/Contents/Versions/*/bin",
    ];
    let found = patterns.iter().filter_map(|pattern| glob::glob(pattern).ok());
    let mut folders: Vec<PathBuf> = found.flat_map(|paths| paths.filter_map(|path| path.ok())).collect();
    folders.sort_by_key(|folder| std::cmp::Reverse(version_in(folder)));
    folders
}

/// The version number in a folder's name, such as 15 of `/usr/lib/postgresql/15/bin`.
fn version_in(folder: &Path) -> Vec<u32> {
    let text = folder.to_string_lossy().into_owned();
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// The user to run as if this process is root's.
fn unprivileged() -> Result<Option<User>> {
    if id(&["-u"]) != Some(0) {
        return Ok(None);
    }
    let user = ["postgres", "nobody"].iter().find_map(|name| {
        let (uid, gid) = (id(&["-u", name])?, id(&["-g", name])?);
        (uid != 0).then_some(User { uid, gid })
    });
    let none =
        || Error::config("Postgres cannot run as root, and there is no user `postgres` or `nobody` to run it as");
    Ok(Some(user.ok_or_else(none)?))
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Makes a folder with a short path that the server's user can reach.
fn make_folder(user: Option<User>) -> Result<PathBuf> {
    let preferred = std::env::temp_dir();
    let usable = |parent: &Path| {
        // The name that is appended is `/longshore-pg-XXXXXX`.
        parent.as_os_str().len() + 20 <= LONGEST_FOLDER && (user.is_none() || reachable(parent))
    };
    let parent = if usable(&preferred) { preferred } else { PathBuf::from("/tmp") };
    let failed = |cause| Error::io(format_args!("making a folder in {}", parent.display()), cause);
    let folder = tempfile::Builder::new().prefix("longshore-pg-").tempdir_in(&parent).map_err(failed)?;
    if let Some(user) = user {
        chown(folder.path(), Some(user.uid), Some(user.gid)).map_err(failed)?;
    }
    Ok(folder.keep())
}

/// Whether other users may step through every folder of the path.
fn reachable(path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    path.ancestors().all(|folder| fs::metadata(folder).is_ok_and(|data| data.permissions().mode() & 0o001 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_come_first() {
        let mut folders = ["/usr/lib/postgresql/9.6/bin", "/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/15/bin"];
        folders.sort_by_key(|folder| std::cmp::Reverse(version_in(Path::new(folder))));
        assert_eq!(folders.map(|folder| version_in(Path::new(folder))[0]), [17, 15, 9]);
    }

    #[test]
    fn a_cluster_is_gone_with_its_value_also_after_a_panic() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let panicked = std::thread::spawn(move || {
            let cluster =
                TempCluster::start(TempOptions::for_tests()).expect("Postgres must be installed for this test");
            sender.send((cluster.folder().to_owned(), cluster.port())).unwrap();
            panic!("on purpose");
        });
        let (folder, port) = receiver.recv().unwrap();
        assert!(folder.join("data/PG_VERSION").is_file());
        assert!(panicked.join().is_err());
        assert!(!folder.exists());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }

    #[test]
    fn a_cluster_that_is_kept_goes_on_running() {
        let cluster = TempCluster::start(TempOptions::for_tests()).expect("Postgres must be installed for this test");
        let (port, folder) = (cluster.port(), cluster.keep());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let setup = Setup { bin: programs().unwrap(), user: unprivileged().unwrap(), folder };
        let mut stop = setup.command(&setup.bin.join("pg_ctl"));
        stop.args(["-s", "-m", "immediate", "-D"]).arg(setup.folder.join("data")).arg("stop");
        run(&mut stop, "pg_ctl").unwrap();
        fs::remove_dir_all(&setup.folder).unwrap();
    }
}
