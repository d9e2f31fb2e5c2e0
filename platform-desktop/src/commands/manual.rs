//! Completion scripts and manual pages, made from the command line's own definition.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{
    cli::Cli,
    failure::{Outcome, io_error},
    output::Output,
};

/// `sovereign completions SHELL`
pub(super) fn completions(shell: Shell, output: Output) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sovereign", &mut script);
    output.raw(&script)
}

/// `sovereign man [--out DIR]`
pub(super) fn man(out: Option<&Path>, output: Output) -> Outcome {
    if let Some(directory) = out {
        clap_mangen::generate_to(Cli::command(), directory).map_err(|error| {
            io_error(
                &format!("cannot write into {}", directory.display()),
                &error,
            )
        })?;
        return Ok(());
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| io_error("cannot write the page", &error))?;
    output.raw(&page)
}
