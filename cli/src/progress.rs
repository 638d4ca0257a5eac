//! The progress bar: on a terminal only, drawn by a thread of its own that looks at counters.

use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use longshore::source::Progress;
use longshore::{Source, Watch};

const INTERVAL: Duration = Duration::from_millis(100);
const WITH_TOTAL: &str = "{prefix} {wide_bar} {bytes}/{total_bytes}, {msg}, {bytes_per_sec}, {eta} left";
const WITHOUT_TOTAL: &str = "{prefix} {spinner} {bytes}, {msg}, {bytes_per_sec}";

/// A bar that is drawn until this is dropped, and leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Bar {
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Bar {
    /// Shows how far the reading of a source has come; in a pipe, and if `quiet`, nothing.
    pub(crate) fn show(source: &Source, watch: &Watch, passes: u64, quiet: bool) -> Bar {
        if quiet || !std::io::stderr().is_terminal() {
            return Bar { running: None };
        }
        let (progress, watch) = (source.progress(), watch.clone());
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut look = Look { bar: bar(&progress), progress, watch, passes, pass: 0 };
            loop {
                look.draw();
                if stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    return look.bar.finish_and_clear();
                }
            }
        });
        Bar { running: Some((stop, thread)) }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn bar(progress: &Progress) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(progress.total(), ProgressDrawTarget::stderr());
    bar.set_message("0 rows");
    let template = if progress.total().is_some() { WITH_TOTAL } else { WITHOUT_TOTAL };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What the drawing thread looks at.
struct Look {
    bar: ProgressBar,
    progress: Progress,
    watch: Watch,
    passes: u64,
    pass: u64,
}

impl Look {
    fn draw(&mut self) {
        let pass = self.watch.pass().max(1);
        if pass != self.pass {
            self.pass = pass;
            self.bar.set_prefix(match self.passes {
                1 => "reading".to_string(),
                // Child tables want a pass each.
                passes if pass > passes => format!("pass {pass}, rows"),
                passes => format!("pass {pass} of {passes}, {}", if pass == 1 { "types" } else { "rows" }),
            });
            // The rate of one pass says nothing about the other.
            self.bar.reset();
        }
        // The counter goes over all passes, and each pass but the last reads everything.
        let before = self.progress.total().unwrap_or(0) * (pass - 1);
        self.bar.set_position(self.progress.stored_bytes_read().saturating_sub(before));
        let rows = self.watch.records();
        let seconds = self.bar.elapsed().as_secs_f64();
        let rate = if seconds > 0.2 { rows as f64 / seconds } else { 0.0 };
        self.bar.set_message(format!("{} rows ({}/s)", HumanCount(rows), HumanCount(rate as u64)));
        self.bar.tick();
    }
}
