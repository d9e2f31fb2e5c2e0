//! The `sovereign` command: a node with a live prompt, and the commands that talk to a running node.
//! A library so that tests can put a fake node behind the control socket; `run` is its one purpose.

mod chat;
mod cli;
mod commands;
mod config;
pub mod control;
mod failure;
mod logs;
mod output;
mod passphrase;
mod show;
mod text;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;

use cli::{Action, Cli};
use config::Sources;
use failure::Outcome;
use output::Output;

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json = failure::wants_json(&arguments);
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error, json),
    };
    let data_flag = arguments.iter().any(|argument| {
        argument
            .to_str()
            .is_some_and(|text| text == "--data" || text.starts_with("--data="))
    });
    match dispatch(cli, !data_flag) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure::report(&failure, json),
    }
}

fn dispatch(cli: Cli, data_from_env: bool) -> Outcome<u8> {
    let Cli {
        global,
        node,
        action,
    } = cli;
    let output = Output::new(global.json);
    if node.any_flag() && !matches!(action, None | Some(Action::Node(_) | Action::Config(_))) {
        let hint = "they belong to `sovereign node` and `sovereign config`";
        return Err(failure::invalid("flags of a node before another command", hint).into());
    }
    let settings = |node: &cli::NodeArgs| {
        config::load(&Sources {
            global: &global,
            data_from_env,
            node,
            variable: |name| std::env::var(name).ok(),
        })
    };
    let action = match action {
        None => return chat::run(&settings(&node)?, output),
        Some(Action::Node(after)) => return chat::run(&settings(&node.joined(after))?, output),
        Some(Action::Config(after)) => {
            let settings = settings(&node.joined(after))?;
            return commands::config(&settings, output).map(|()| failure::DONE);
        }
        Some(action) => action,
    };
    let basics = config::basics(&global, |name| std::env::var(name).ok())?;
    logs::start(basics.log.as_deref(), logs::Mode::Command);
    commands::run(action, &basics.data, output)
}
