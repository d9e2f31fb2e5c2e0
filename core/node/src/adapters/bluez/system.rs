//! Bluetooth as the system has it, and how to say that it has not.

use bluer::{Adapter, Error, ErrorKind, InternalErrorKind, Session};

use super::Config;
use crate::ports::radio::RadioState;

/// Connects to D-Bus.
pub(super) async fn connect() -> Result<Session, RadioState> {
    Session::new().await.map_err(|error| state_of(&error))
}

/// The controller, if it is there and switched on.
pub(super) async fn adapter(session: &Session, config: &Config) -> Result<Adapter, RadioState> {
    let mut names = session.adapter_names().await.map_err(|e| state_of(&e))?;
    names.sort();
    let name = match &config.adapter {
        Some(wanted) => names.into_iter().find(|name| name == wanted),
        None => names.into_iter().next(),
    };
    let Some(name) = name else {
        return Err(absent(config.adapter.as_deref()));
    };
    let adapter = session.adapter(&name).map_err(|e| state_of(&e))?;
    match adapter.is_powered().await {
        Ok(true) => Ok(adapter),
        Ok(false) => Err(off()),
        Err(error) => Err(state_of(&error)),
    }
}

/// Switched off, by its owner or by a switch for all radios.
pub(super) fn off() -> RadioState {
    RadioState::Off(String::from(
        "Bluetooth is switched off: switch it on in the system's settings, or run `rfkill unblock bluetooth` \
         and `bluetoothctl power on`",
    ))
}

fn absent(wanted: Option<&str>) -> RadioState {
    RadioState::Absent(match wanted {
        Some(name) => format!(
            "there is no Bluetooth adapter {name}: `bluetoothctl list` shows those there are"
        ),
        None => String::from("there is no Bluetooth adapter: plug one in"),
    })
}

/// What an error of BlueZ or D-Bus means for the radio, and what to do about it.
pub(super) fn state_of(error: &Error) -> RadioState {
    match &error.kind {
        ErrorKind::NotFound | ErrorKind::DoesNotExist => absent(None),
        ErrorKind::NotReady => off(),
        ErrorKind::NotAuthorized | ErrorKind::NotPermitted => forbidden(error),
        ErrorKind::Internal(InternalErrorKind::DBus(name)) => {
            match name.strip_prefix("org.freedesktop.DBus.Error.") {
                Some("AccessDenied" | "AuthFailed" | "InteractiveAuthorizationRequired") => {
                    forbidden(error)
                }
                // As D-Bus puts it when nobody answers to `org.bluez` and nobody can be started.
                Some(word)
                    if word.starts_with("Spawn.")
                        || matches!(word, "ServiceUnknown" | "NameHasNoOwner") =>
                {
                    RadioState::Off(String::from(
                        "the Bluetooth service does not run: install bluez and run `systemctl enable --now \
                         bluetooth`",
                    ))
                }
                Some("FileNotFound" | "NoServer" | "BadAddress" | "Disconnected" | "IOError") => {
                    RadioState::Off(String::from(
                        "there is no D-Bus system bus, by which Bluetooth is reached: start dbus and bluetooth",
                    ))
                }
                _ => unclear(error),
            }
        }
        _ => unclear(error),
    }
}

fn forbidden(error: &Error) -> RadioState {
    RadioState::Forbidden(format!(
        "the system does not let this user use Bluetooth ({}): add the user to the group `bluetooth` and log in again",
        error.kind
    ))
}

fn unclear(error: &Error) -> RadioState {
    RadioState::Off(format!(
        "Bluetooth does not answer ({error}): `systemctl status bluetooth` tells more"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(kind: ErrorKind) -> RadioState {
        state_of(&Error {
            kind,
            message: "as BlueZ says it".to_owned(),
        })
    }

    fn dbus(name: &str) -> RadioState {
        let name = format!("org.freedesktop.DBus.Error.{name}");
        state(ErrorKind::Internal(InternalErrorKind::DBus(name)))
    }

    #[test]
    fn each_reason_has_its_words() {
        let off = |state: RadioState, words: &str| match state {
            RadioState::Off(said) => assert!(said.contains(words), "{said}"),
            other => panic!("{other:?}"),
        };
        off(state(ErrorKind::NotReady), "power on");
        off(state(ErrorKind::Failed), "as BlueZ says it");
        off(dbus("ServiceUnknown"), "systemctl");
        off(dbus("Spawn.ExecFailed"), "systemctl");
        off(dbus("FileNotFound"), "D-Bus");
        off(dbus("NoReply"), "does not answer");
        for refused in [
            dbus("AccessDenied"),
            state(ErrorKind::NotAuthorized),
            state(ErrorKind::NotPermitted),
        ] {
            assert!(matches!(refused, RadioState::Forbidden(said) if said.contains("group")));
        }
        assert!(matches!(state(ErrorKind::NotFound), RadioState::Absent(_)));
        assert!(matches!(absent(Some("hci7")), RadioState::Absent(said) if said.contains("hci7")));
    }
}
