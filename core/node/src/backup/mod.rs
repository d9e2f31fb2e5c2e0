//! Encrypted backups (ID-1): the identity, the name and the keys of the joined channels, in a
//! passphrase-encrypted age file (<https://age-encryption.org/v1>). No messages, no superseded keys.

mod contents;
mod file;

use std::io::{Read as _, Write as _};

use age::{
    DecryptError, Decryptor, Encryptor,
    scrypt::{Identity, Recipient},
    secrecy::SecretString,
};
use zeroize::Zeroizing;

#[cfg(test)]
pub(crate) use contents::sample;
pub use contents::{Backup, MAX_CHANNELS};
pub use file::{read_file, write_file};

use crate::api::{ApiError, ErrorKind};

/// Largest backup file, in bytes; some four thousand channels fit.
pub const MAX_FILE: usize = 1024 * 1024;
/// Longest passphrase, in bytes.
pub const MAX_PASSPHRASE: usize = 1024;
/// scrypt's cost for new backups: N = 2^17, r = 8, 128 MiB (OWASP Password Storage Cheat Sheet).
const WORK_FACTOR: u8 = 17;
/// Highest cost that is read, 512 MiB: a file from elsewhere must not take the machine down.
const MAX_WORK_FACTOR: u8 = 19;

/// Encrypts a backup; takes some tenths of a second, so call it off the event loop.
///
/// # Errors
/// [`ErrorKind::Invalid`] for an empty or overlong passphrase, [`ErrorKind::TooLarge`].
pub fn seal(backup: &Backup, passphrase: &str) -> Result<Vec<u8>, ApiError> {
    seal_with(backup, passphrase, WORK_FACTOR)
}

/// Decrypts and checks a backup; as slow as [`seal`].
///
/// # Errors
/// [`ErrorKind::WrongPassphrase`]; [`ErrorKind::BadFile`] when it is no backup, damaged, or asks for
/// too much work; [`ErrorKind::StoreNewer`] for one of a later version; [`ErrorKind::TooLarge`].
pub fn open(bytes: &[u8], passphrase: &str) -> Result<Backup, ApiError> {
    if bytes.len() > MAX_FILE {
        return Err(too_large());
    }
    let bad = |what: &str| {
        ApiError::new(
            ErrorKind::BadFile,
            what,
            "choose a file that `sovereign id backup` wrote",
        )
    };
    let decryptor =
        Decryptor::new(bytes).map_err(|_| bad("the file is not a backup, or it is damaged"))?;
    if !decryptor.is_scrypt() {
        return Err(bad("the file is not encrypted with a passphrase"));
    }
    let mut identity = Identity::new(secret(passphrase)?);
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    let reader = decryptor
        .decrypt(std::iter::once(&identity as &dyn age::Identity))
        .map_err(|error| match error {
            DecryptError::NoMatchingKeys
            | DecryptError::KeyDecryptionFailed
            | DecryptError::DecryptionFailed => ApiError::new(
                ErrorKind::WrongPassphrase,
                "the passphrase is wrong",
                "try again; without the passphrase nobody can read the backup",
            ),
            DecryptError::ExcessiveWork { .. } => {
                bad("the file asks for more work than a backup needs")
            }
            _ => bad("the backup is damaged"),
        })?;
    // The plain text is shorter than the file.
    let mut plain = Zeroizing::new(Vec::with_capacity(bytes.len()));
    reader
        .take(MAX_FILE as u64)
        .read_to_end(&mut plain)
        .map_err(|_| bad("the backup is damaged"))?;
    Backup::decode(&plain)
}

fn seal_with(backup: &Backup, passphrase: &str, work_factor: u8) -> Result<Vec<u8>, ApiError> {
    let plain = backup.encode()?;
    let mut recipient = Recipient::new(secret(passphrase)?);
    recipient.set_work_factor(work_factor);
    let failed = || {
        ApiError::new(
            ErrorKind::Internal,
            "the backup could not be encrypted",
            "report this",
        )
    };
    let encryptor = Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
        .map_err(|_| failed())?;
    let mut sealed = Vec::with_capacity(plain.len() + 1024);
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|_| failed())?;
    writer.write_all(&plain).map_err(|_| failed())?;
    writer.finish().map_err(|_| failed())?;
    if sealed.len() > MAX_FILE {
        return Err(too_large());
    }
    Ok(sealed)
}

fn secret(passphrase: &str) -> Result<SecretString, ApiError> {
    if passphrase.is_empty() || passphrase.len() > MAX_PASSPHRASE {
        return Err(ApiError::new(
            ErrorKind::Invalid,
            format!("a passphrase has 1 to {MAX_PASSPHRASE} bytes"),
            "take some words that you will remember",
        ));
    }
    Ok(SecretString::from(passphrase.to_owned()))
}

fn too_large() -> ApiError {
    ApiError::new(
        ErrorKind::TooLarge,
        format!("a backup has at most {MAX_FILE} bytes"),
        "choose a file that `sovereign id backup` wrote",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cheap, so that tests are quick; the code is the same.
    const CHEAP: u8 = 2;

    #[test]
    fn a_backup_comes_back() {
        // ID-1.
        let sealed = seal_with(&sample(), "correct horse", CHEAP).unwrap();
        assert!(sealed.starts_with(b"age-encryption.org/v1\n-> scrypt "));
        assert_eq!(open(&sealed, "correct horse").unwrap(), sample());
    }

    #[test]
    fn nothing_of_it_is_readable() {
        let sealed = seal_with(&sample(), "correct horse", CHEAP).unwrap();
        let backup = sample();
        let found = |needle: &[u8]| sealed.windows(needle.len()).any(|part| part == needle);
        assert!(!found(&backup.identity_seed[..8]));
        assert!(!found(backup.name.as_bytes()));
        assert!(!found(&backup.channels[0].1.fixed_secret[..8]));
    }

    #[test]
    fn a_wrong_passphrase_and_a_wrong_file_are_told_apart() {
        let sealed = seal_with(&sample(), "correct horse", CHEAP).unwrap();
        let kind = |bytes: &[u8], pass: &str| open(bytes, pass).unwrap_err().kind;
        assert_eq!(kind(&sealed, "battery staple"), ErrorKind::WrongPassphrase);
        assert_eq!(kind(b"", "x"), ErrorKind::BadFile);
        assert_eq!(kind(b"PK\x03\x04 holiday photos", "x"), ErrorKind::BadFile);
        assert_eq!(
            kind(&sealed[..sealed.len() - 1], "correct horse"),
            ErrorKind::BadFile
        );
        let mut flipped = sealed.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(kind(&flipped, "correct horse"), ErrorKind::BadFile);
        assert_eq!(kind(&vec![0; MAX_FILE + 1], "x"), ErrorKind::TooLarge);
        assert_eq!(kind(&vec![0; MAX_FILE], "x"), ErrorKind::BadFile);
        for pass in [String::new(), "x".repeat(MAX_PASSPHRASE + 1)] {
            assert_eq!(kind(&sealed, &pass), ErrorKind::Invalid);
            assert_eq!(seal(&sample(), &pass).unwrap_err().kind, ErrorKind::Invalid);
        }
    }

    #[test]
    fn a_file_that_asks_for_too_much_work_is_refused_unread() {
        let sealed = seal_with(&sample(), "correct horse", CHEAP).unwrap();
        let end = sealed.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let line_end = end + sealed[end..].iter().position(|b| *b == b'\n').unwrap();
        let line = std::str::from_utf8(&sealed[end..line_end]).unwrap();
        let cost = line
            .strip_suffix(" 2")
            .expect("the stanza ends with the work factor");
        let mut greedy = sealed[..end].to_vec();
        greedy.extend_from_slice(format!("{cost} {}", MAX_WORK_FACTOR + 1).as_bytes());
        greedy.extend_from_slice(&sealed[line_end..]);
        let error = open(&greedy, "correct horse").unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadFile);
        assert!(error.message.contains("more work"), "{}", error.message);
    }

    #[test]
    fn other_age_files_are_no_backups() {
        let mut recipient = Recipient::new(secret("x").unwrap());
        recipient.set_work_factor(CHEAP);
        let mut other = Vec::new();
        let encryptor =
            Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient)).unwrap();
        let mut writer = encryptor.wrap_output(&mut other).unwrap();
        writer.write_all(b"a diary").unwrap();
        writer.finish().unwrap();
        assert_eq!(open(&other, "x").unwrap_err().kind, ErrorKind::BadFile);
    }
}
