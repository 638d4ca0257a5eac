//! The `longshore` command.

mod args;
mod ddl;
mod evidence;
mod exit;
mod explain;
mod infer;
mod json;
mod load;
mod loading;
mod log;
mod merge;
mod output;
mod progress;
mod promote;
mod quarantine;
mod redact;
mod stage;
mod staging;
mod stream;
#[cfg(unix)]
mod temp;
mod whole;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::exit::{Done, Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    let output = cli.command.output();
    let started = cli.log.map_or(Ok(()), log::start);
    match started.map_err(Failure::from).and_then(|()| run(&cli.command)) {
        Ok(done) => done.print(output),
        Err(failure) => failure.print(output.json),
    }
}

fn run(command: &Command) -> Result<Done, Failure> {
    match command {
        Command::Infer(args) => infer::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Ddl(args) => ddl::run(args),
        Command::Load(args) => load::run(args),
        Command::Stage(args) => stage::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Stream(args) => stream::run(args),
        Command::Promote(args) => promote::run(args),
        Command::Quarantine(args) => quarantine::run(args),
    }
}
