//! Passphrases: from a terminal without echo, an environment variable or a file, never from the
//! command line, where other users could read them.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read, Write as _},
    path::Path,
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use sovereign_node::{api::ApiError, backup::MAX_PASSPHRASE};

use crate::failure::{invalid, io_error};

/// The environment variable for scripts.
const VARIABLE: &str = "SOVEREIGN_PASSPHRASE";
/// A shorter one gets a warning on a terminal.
const SHORT: usize = 10;

/// Gets a passphrase; `twice` when a new one is chosen.
///
/// # Errors
/// `invalid` when there is none to be had, it is too long, or the two differ.
pub(crate) fn get(file: Option<&Path>, twice: bool) -> Result<String, ApiError> {
    if let Some(path) = file {
        return from_file(path);
    }
    if let Some(value) = std::env::var_os(VARIABLE) {
        let text = value
            .into_string()
            .map_err(|_| invalid(format!("{VARIABLE} is not UTF-8"), ""))?;
        return checked(text);
    }
    if !io::stdin().is_terminal() {
        return Err(invalid(
            "a passphrase is needed, and there is no terminal to ask on",
            format!("set {VARIABLE} or give --passphrase-file FILE"),
        ));
    }
    let first = checked(ask("Passphrase: ")?)?;
    if !twice {
        return Ok(first);
    }
    if first.chars().count() < SHORT {
        let _ = writeln!(
            io::stderr(),
            "That is short: whoever finds the backup can try all of them. Some random words are better."
        );
    }
    if ask("Again: ")? != first {
        return Err(invalid("the two passphrases differ", "try again"));
    }
    Ok(first)
}

fn from_file(path: &Path) -> Result<String, ApiError> {
    let mut text = String::new();
    // Room for the line break of the longest one.
    File::open(path)
        .and_then(|file| {
            file.take(MAX_PASSPHRASE as u64 + 2)
                .read_to_string(&mut text)
        })
        .map_err(|error| io_error(&format!("cannot read {}", path.display()), &error))?;
    let line = text.split('\n').next().unwrap_or_default();
    checked(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn checked(text: String) -> Result<String, ApiError> {
    if text.is_empty() || text.len() > MAX_PASSPHRASE {
        return Err(invalid(
            format!("a passphrase has 1 to {MAX_PASSPHRASE} bytes"),
            "take some words that you will remember",
        ));
    }
    Ok(text)
}

/// Gives the terminal back as it was.
struct Restore(Termios);

impl Drop for Restore {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

fn ask(prompt: &str) -> Result<String, ApiError> {
    let failed = |error: io::Error| io_error("cannot read the passphrase", &error);
    let before = tcgetattr(io::stdin()).map_err(|errno| failed(errno.into()))?;
    let mut quiet = before.clone();
    // Without ISIG an interrupt comes as a byte, so that the terminal is always given back.
    quiet
        .local_modes
        .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    let _restore = Restore(before);
    tcsetattr(io::stdin(), OptionalActions::Flush, &quiet).map_err(|errno| failed(errno.into()))?;
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{prompt}").and_then(|()| stderr.flush());
    let line = read_keys(&mut io::stdin().lock());
    let _ = writeln!(stderr);
    match line.map_err(failed)? {
        Some(line) => Ok(line),
        None => Err(invalid("interrupted", "")),
    }
}

/// Reads keys until Enter; `None` when it was interrupted.
fn read_keys(keys: &mut impl Read) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut key = [0];
    while keys.read(&mut key)? == 1 {
        match key[0] {
            b'\r' | b'\n' => {
                return String::from_utf8(line)
                    .map(Some)
                    .map_err(|_| io::ErrorKind::InvalidData.into());
            }
            // Ctrl-C, Ctrl-D, Ctrl-\.
            0x03 | 0x04 | 0x1c => return Ok(None),
            // Ctrl-U.
            0x15 => line.clear(),
            // Backspace: the whole last character.
            0x08 | 0x7f => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            byte if line.len() <= MAX_PASSPHRASE => line.push(byte),
            _ => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(input: &[u8]) -> Option<String> {
        read_keys(&mut &input[..]).unwrap()
    }

    #[test]
    fn keys_are_edited() {
        assert_eq!(keys(b"abc\n").as_deref(), Some("abc"));
        assert_eq!(
            keys("aé\u{7f}b\u{7f}\u{7f}\u{7f}c\r".as_bytes()).as_deref(),
            Some("c")
        );
        assert_eq!(keys(b"abc\x15d\n").as_deref(), Some("d"));
        assert_eq!(keys(b"abc\x03"), None);
        assert_eq!(keys(b"abc"), None);
        assert!(read_keys(&mut &b"\xff\n"[..]).is_err());
        let long = [vec![b'x'; 5000], vec![b'\n']].concat();
        assert_eq!(keys(&long).unwrap().len(), MAX_PASSPHRASE + 1);
        assert!(checked(keys(&long).unwrap()).is_err());
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        std::fs::write(&path, "two words\r\nsecond line\n").unwrap();
        assert_eq!(from_file(&path).unwrap(), "two words");
        std::fs::write(&path, "\n").unwrap();
        assert!(from_file(&path).is_err());
        std::fs::write(&path, "x".repeat(MAX_PASSPHRASE)).unwrap();
        assert!(from_file(&path).is_ok());
        std::fs::write(&path, "x".repeat(MAX_PASSPHRASE + 1)).unwrap();
        assert!(from_file(&path).is_err());
    }
}
