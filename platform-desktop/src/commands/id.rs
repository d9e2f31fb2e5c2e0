//! `id show|backup|restore|wipe`.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _},
    path::Path,
};

use sovereign_node::{
    api::{ApiError, Command, ErrorKind},
    backup, wipe,
};

use super::ask;
use crate::{
    cli::{IdAction, absolute},
    control::Client,
    failure::{Outcome, invalid},
    output::Output,
    passphrase,
};

/// Runs one of them.
pub(super) fn run(action: IdAction, data: &Path, output: Output) -> Outcome {
    match action {
        IdAction::Show => ask::identity(data, output),
        IdAction::Backup {
            file,
            passphrase: args,
        } => {
            let path = absolute(&file).map_err(|why| invalid(why, "give another path"))?;
            if file.symlink_metadata().is_ok() {
                return Err(exists(&path).into());
            }
            // Connected before the passphrase is asked for: without a node there is nothing to type it for.
            let mut client = Client::connect(data)?;
            client.call(&Command::IdShow)?;
            drop(client);
            let passphrase = passphrase::get(args.passphrase_file.as_deref(), true)?;
            let command = Command::IdBackup {
                path: path.clone(),
                passphrase,
            };
            Client::connect(data)?.call(&command)?;
            let value = serde_json::json!({ "path": path });
            output.either(&value, |_| {
                format!("{path}\nKeep it and the passphrase apart. It holds no messages.")
            })
        }
        IdAction::Restore {
            file,
            passphrase: args,
        } => {
            not_in_use(data)?;
            let bytes = backup::read_file(&file)?;
            let passphrase = passphrase::get(args.passphrase_file.as_deref(), false)?;
            let backup = backup::open(&bytes, &passphrase)?;
            sovereign_node::restore(data, &backup)?;
            let value =
                serde_json::json!({ "name": backup.name, "channels": backup.channels.len() });
            output.either(&value, |_| {
                format!(
                    "Restored {} with {} channels. Do not run the old installation any more.",
                    crate::text::name(&backup.name),
                    backup.channels.len()
                )
            })
        }
        IdAction::Wipe { yes } => {
            if !wipe::is_data_dir(data) {
                return Err(ApiError::new(
                    ErrorKind::NotFound,
                    format!("there is no node's data in {}", data.display()),
                    "check --data",
                )
                .into());
            }
            if !yes {
                confirm(data)?;
            }
            // A running node wipes itself and ends; where none answers, or it fails, it is done here.
            // What a node held until its end is tidied up in any case.
            let by_node = Client::connect(data).and_then(|mut client| {
                client.call(&Command::IdWipe)?;
                client.until_closed()
            });
            match wipe::wipe(data) {
                Err(error) if by_node.is_err() || error.kind != ErrorKind::NotFound => {
                    return Err(error.into());
                }
                _ => {}
            }
            output.either(&serde_json::json!({}), |_| "Wiped.".to_owned())
        }
    }
}

/// Before a passphrase is asked for: nothing may be there.
fn not_in_use(data: &Path) -> Result<(), ApiError> {
    if Client::connect(data).is_ok() {
        return Err(ApiError::new(
            ErrorKind::Held,
            format!("a node is running on {}", data.display()),
            "stop it, or give another --data DIR",
        ));
    }
    if !sovereign_node::is_free(data) {
        return Err(ApiError::new(
            ErrorKind::Exists,
            format!("{} is not empty", data.display()),
            "give an empty or new --data DIR",
        ));
    }
    Ok(())
}

fn exists(path: &str) -> ApiError {
    ApiError::new(
        ErrorKind::Exists,
        format!("{path} exists"),
        "choose a new file name",
    )
}

fn confirm(data: &Path) -> Result<(), ApiError> {
    if !io::stdin().is_terminal() {
        return Err(invalid(
            "a wipe must be confirmed, and there is no terminal to ask on",
            "say --yes",
        ));
    }
    let mut stderr = io::stderr();
    let asked = write!(
        stderr,
        "This destroys the identity, keys and messages in {}.\nWithout a backup there is no way back. Type wipe to go on: ",
        data.display()
    );
    let _ = asked.and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = io::stdin().lock().take(64).read_line(&mut answer);
    if read.is_ok() && answer.trim() == "wipe" {
        Ok(())
    } else {
        Err(ApiError::new(
            ErrorKind::Invalid,
            "nothing was wiped",
            "type the word wipe to go on",
        ))
    }
}
