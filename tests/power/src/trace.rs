//! A command under ptrace: every call of every thread stops before and behind it.
#![allow(unsafe_code, reason = "ptrace, waitpid and kill have no safe form in the standard library")]

use std::collections::{HashMap, HashSet};
use std::io::{self, Error};
use std::mem::{MaybeUninit, size_of};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr::null_mut;

use libc::{c_int, c_void, pid_t};

use crate::Call;
use crate::intent::{self, Intent};

const ENTRY: u8 = 1;
const EXIT: u8 = 2;

/// What a command has done below a folder.
#[derive(Debug)]
pub struct Recording {
    /// Its calls, in the order in which they came back.
    pub calls: Vec<Call>,
    /// Its exit code; none if a signal has ended it.
    pub code: Option<i32>,
}

/// Runs a command and writes down what it, its threads and its children do to the files below a folder. With
/// `kill_behind`, it is killed once it has made so many calls there.
///
/// What the command says must not go into a pipe of this process, for nobody reads it meanwhile.
///
/// # Errors
///
/// Where ptrace is forbidden, and for a call that the model of the disk does not know.
pub fn record(command: &mut Command, below: &Path, kill_behind: Option<usize>) -> io::Result<Recording> {
    let below = below.canonicalize()?;
    // SAFETY: between fork and exec only `ptrace` is called, which is a plain system call.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<c_void>(), null_mut::<c_void>()) {
            0 => Ok(()),
            _ => Err(Error::last_os_error()),
        });
    }
    let process = command.spawn()?.id() as pid_t;
    let threads = HashSet::from([process]);
    let mut tracer = Tracer { process, below, threads, under_way: HashMap::new(), calls: Vec::new() };
    let outcome = tracer.follow(kill_behind);
    if outcome.is_err() {
        tracer.kill();
        while wait(-1).is_ok() {}
    }
    Ok(Recording { code: outcome?, calls: tracer.calls })
}

struct Tracer {
    process: pid_t,
    below: PathBuf,
    /// All that were seen and have not ended.
    threads: HashSet<pid_t>,
    /// The call that each thread is in.
    under_way: HashMap<pid_t, Intent>,
    calls: Vec<Call>,
}

impl Tracer {
    /// Lets all threads run until the last one has ended.
    fn follow(&mut self, kill_behind: Option<usize>) -> io::Result<Option<i32>> {
        let mut code = None;
        wait(self.process)?;
        let options = libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACEEXEC
            | libc::PTRACE_O_EXITKILL;
        ptrace(libc::PTRACE_SETOPTIONS, self.process, options as usize)?;
        ptrace(libc::PTRACE_SYSCALL, self.process, 0)?;
        loop {
            let (thread, status) = match wait(-1) {
                Ok(stopped) => stopped,
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(code),
                Err(error) => return Err(error),
            };
            if !libc::WIFSTOPPED(status) {
                self.under_way.remove(&thread);
                self.threads.remove(&thread);
                if thread == self.process && libc::WIFEXITED(status) {
                    code = Some(libc::WEXITSTATUS(status));
                }
                continue;
            }
            self.threads.insert(thread);
            let signal = match libc::WSTOPSIG(status) {
                signal if signal == libc::SIGTRAP | 0x80 => {
                    self.at_call(thread)?;
                    if kill_behind.is_some_and(|calls| self.calls.len() >= calls) {
                        self.kill();
                    }
                    0
                }
                // News of a thread, a child or an exec; and the stop with which each new one begins.
                _ if status >> 16 != 0 => 0,
                libc::SIGSTOP => 0,
                signal => signal,
            };
            match ptrace(libc::PTRACE_SYSCALL, thread, signal as usize) {
                // Killed meanwhile, which is told by the next wait.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                other => other?,
            }
        }
    }

    /// A thread has stopped before or behind a call.
    fn at_call(&mut self, thread: pid_t) -> io::Result<()> {
        let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
        // SAFETY: the kernel writes at most as many bytes as it is told there are.
        let got = unsafe {
            libc::ptrace(
                libc::PTRACE_GET_SYSCALL_INFO,
                thread,
                size_of::<libc::ptrace_syscall_info>(),
                info.as_mut_ptr(),
            )
        };
        if got < 0 {
            let error = Error::last_os_error();
            return if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) };
        }
        // SAFETY: zeros are a value of this type, and the kernel's answer is one.
        let info = unsafe { info.assume_init() };
        match info.op {
            ENTRY => {
                // SAFETY: `op` says which part of the union is there.
                let entry = unsafe { info.u.entry };
                if let Some(intent) = intent::of(thread, entry.nr, entry.args)? {
                    self.under_way.insert(thread, intent);
                }
            }
            EXIT => {
                // SAFETY: as above.
                let exit = unsafe { info.u.exit };
                let intent = self.under_way.remove(&thread);
                if let Some(intent) = intent.filter(|_| exit.is_error == 0) {
                    self.done(thread, intent, exit.sval)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A call has succeeded.
    fn done(&mut self, thread: pid_t, intent: Intent, returned: i64) -> io::Result<()> {
        let mut note = |path: &Path, call: Call| {
            if path.starts_with(&self.below) {
                self.calls.push(call);
            }
        };
        match intent {
            Intent::Open { is_there: true, cuts: false, .. } => {}
            Intent::Open { path, is_there: true, .. } => note(&path, Call::Resize(path.clone(), 0)),
            Intent::Open { path, .. } => note(&path, Call::MakeFile(path.clone())),
            Intent::Write { fd, path, at } if path.starts_with(&self.below) => {
                let (at, bytes) = intent::written(thread, fd, &path, at, returned as usize)?;
                self.calls.push(Call::Write(path, at, bytes));
            }
            Intent::Write { .. } => {}
            Intent::Resize(path, len) => note(&path, Call::Resize(path.clone(), len)),
            Intent::Sync(path) => note(&path, Call::Sync(path.clone())),
            Intent::Remove(path) => note(&path, Call::Remove(path.clone())),
            Intent::MakeFolder(path) => note(&path, Call::MakeFolder(path.clone())),
            Intent::Rename(from, to) | Intent::Link(from, to)
                if from.starts_with(&self.below) != to.starts_with(&self.below) =>
            {
                return Err(unknown("a name from elsewhere", &to));
            }
            Intent::Rename(from, to) if from.parent() != to.parent() && to.starts_with(&self.below) => {
                return Err(unknown("a rename into another folder", &to));
            }
            Intent::Rename(from, to) => note(&to, Call::Rename(from, to.clone())),
            Intent::Link(from, to) => note(&to, Call::Link(from, to.clone())),
            Intent::Unknown(call, path) if path.starts_with(&self.below) => return Err(unknown(call, &path)),
            Intent::Unknown(..) => {}
        }
        Ok(())
    }

    fn kill(&self) {
        for thread in &self.threads {
            // SAFETY: its end was not waited for yet, so the number is still its own.
            unsafe { libc::kill(*thread, libc::SIGKILL) };
        }
    }
}

fn unknown(call: &str, path: &Path) -> Error {
    Error::other(format!("{}: {call} is not known to the model of the disk", path.display()))
}

fn ptrace(request: libc::c_uint, thread: pid_t, data: usize) -> io::Result<()> {
    // SAFETY: none of the requests that are made here reads or writes memory of this process.
    match unsafe { libc::ptrace(request, thread, null_mut::<c_void>(), data) } {
        -1 => Err(Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Waits for a thread that is traced from this one, or for any of them.
fn wait(thread: pid_t) -> io::Result<(pid_t, c_int)> {
    let mut status = 0;
    // SAFETY: `status` outlives the call. Children of other threads are left to these.
    match unsafe { libc::waitpid(thread, &mut status, libc::__WALL | libc::__WNOTHREAD) } {
        -1 => Err(Error::last_os_error()),
        thread => Ok((thread, status)),
    }
}
