//! The commands that end: they ask a running node, or work on its data directory.

mod ask;
mod doctor;
mod host;
mod id;
mod manual;
mod sim;
mod watch;

use std::path::Path;

use crate::{
    cli::Action,
    config::{KEYS, Settings},
    failure::{DONE, Outcome},
    output::Output,
    show,
};

/// Runs a command and gives its exit code.
///
/// # Errors
/// What went wrong, to be shown.
pub(crate) fn run(action: Action, data: &Path, output: Output) -> Outcome<u8> {
    match action {
        Action::Doctor => return doctor::run(data, output),
        Action::Peers { watch: true } => watch::peers(data, output)?,
        Action::Events => watch::events(data, output)?,
        Action::Id(action) => id::run(action, data, output)?,
        Action::Sim { arguments } => return sim::run(arguments, output),
        Action::Completions { shell } => manual::completions(shell, output)?,
        Action::Man { out } => manual::man(out.as_deref(), output)?,
        other => ask::run(other, data, output)?,
    }
    Ok(DONE)
}

/// `sovereign config`
///
/// # Errors
/// When stdout does not take it.
pub(crate) fn config(settings: &Settings, output: Output) -> Outcome {
    let mut document = serde_json::Map::new();
    document.insert(
        "data".to_owned(),
        serde_json::json!({ "value": settings.data, "from": settings.data_origin,
            "doc": "Data directory; owner-only" }),
    );
    for key in KEYS {
        let setting = settings.get(key);
        document.insert(
            key.name.to_owned(),
            serde_json::json!({ "value": setting.value, "from": setting.origin, "unit": key.unit,
                "range": key.range, "default": key.default.value(), "doc": key.doc,
                "variable": key.variable() }),
        );
    }
    output.either(&document, |paint| show::config(settings, paint))
}
