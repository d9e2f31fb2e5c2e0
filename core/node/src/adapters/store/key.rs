//! The store key and what is derived from it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;
use zeroize::Zeroizing;

use super::files::Files;
use super::index::IndexKey;
use crate::ports::store::Table;

/// Name of the key file.
pub(super) const KEY_FILE: &str = "store.key";
/// `magic ‖ kind ‖ key ‖ crc32`, all of them fixed in size.
const MAGIC: [u8; 8] = *b"SVRNSKEY";
/// The key lies in the file as it is. Platforms that wrap it add kinds.
const KIND_PLAIN: u32 = 1;
const FILE_LEN: usize = 8 + 4 + 32 + 4;
/// What a wipe writes over the key: as long as the file, and nothing that damage would write.
pub(super) const TOMBSTONE: [u8; FILE_LEN] = *b"wiped: this key is gone, and all that it sealed.";

/// What the key file says.
pub(super) enum KeyState {
    Missing,
    Plain(Zeroizing<[u8; 32]>),
    /// A way of keeping the key that this program does not know.
    Newer(u32),
    /// Destroyed by a wipe that was then interrupted.
    Wiped,
    Damaged,
}

/// Reads the key file.
///
/// # Errors
/// What the operating system says, a missing file excepted.
pub(super) fn read(dir: &Path) -> std::io::Result<KeyState> {
    let file = match File::open(dir.join(KEY_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(KeyState::Missing),
        Err(error) => return Err(error),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LEN + 1));
    file.take(FILE_LEN as u64 + 1).read_to_end(&mut bytes)?;
    if bytes[..] == TOMBSTONE {
        return Ok(KeyState::Wiped);
    }
    if bytes.len() != FILE_LEN || bytes[..8] != MAGIC {
        return Ok(KeyState::Damaged);
    }
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    if number(FILE_LEN - 4) != crc32fast::hash(&bytes[..FILE_LEN - 4]) {
        return Ok(KeyState::Damaged);
    }
    match number(8) {
        KIND_PLAIN => {
            let mut key = Zeroizing::new([0; 32]);
            key.copy_from_slice(&bytes[12..44]);
            Ok(KeyState::Plain(key))
        }
        kind => Ok(KeyState::Newer(kind)),
    }
}

/// Draws a new key and writes it durably.
///
/// # Errors
/// What the operating system says.
pub(super) fn create(files: &Files, dir: &Path) -> std::io::Result<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    random(&mut key[..])?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LEN));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&KIND_PLAIN.to_le_bytes());
    bytes.extend_from_slice(&key[..]);
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    files.write_whole(dir, KEY_FILE, &bytes)?;
    Ok(key)
}

/// Random bytes of the operating system.
///
/// # Errors
/// What the operating system says.
pub(super) fn random(out: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(out).map_err(std::io::Error::other)
}

/// Where a sealed part stands in its record, in bytes. Nonces are never reused: 16 random bytes drawn
/// for each record, then this number. Nothing is counted across restarts, so a truncated tail, a copied
/// directory or a restored snapshot cannot repeat one.
pub(super) type Part = u64;
/// The part that authenticates the record's header.
pub(super) const HEADER_PART: Part = u64::MAX;
/// The part that proves that a journal was sealed under this key.
pub(super) const FILE_PART: Part = u64::MAX - 1;

/// The keys of an open store. The cipher's key is derived from the store key; the blinding key lives
/// and dies with this run, as the index does.
pub(super) struct Keys {
    cipher: XChaCha20Poly1305,
    blind: SipHasher24,
}

impl Keys {
    /// # Errors
    /// When the operating system has no random bytes.
    pub(super) fn new(store_key: &[u8; 32]) -> std::io::Result<Self> {
        let mut derive = <Hmac<Sha256> as KeyInit>::new_from_slice(store_key)
            .expect("HMAC takes keys of any length");
        derive.update(b"sovereign/store/1/journal");
        let derived = Zeroizing::new(<[u8; 32]>::from(derive.finalize().into_bytes()));
        let mut blind = Zeroizing::new([0; 16]);
        random(&mut blind[..])?;
        Ok(Self {
            cipher: XChaCha20Poly1305::new(&(*derived).into()),
            blind: SipHasher24::new_with_key(&blind),
        })
    }

    /// Seals in place; returns the tag.
    pub(super) fn seal(&self, id: &[u8; 16], part: Part, aad: &[u8], text: &mut [u8]) -> [u8; 16] {
        self.cipher
            .encrypt_inout_detached(&nonce(id, part), aad, text.into())
            .expect("parts are far below the cipher's limit of 256 GiB")
            .into()
    }

    /// Opens in place; `false` when it was not sealed so.
    pub(super) fn open(
        &self,
        id: &[u8; 16],
        part: Part,
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; 16],
    ) -> bool {
        let tag = Tag::from(*tag);
        self.cipher
            .decrypt_inout_detached(&nonce(id, part), aad, text.into(), &tag)
            .is_ok()
    }

    /// The blinded key of an entry: two bytes for the table, fourteen for the key.
    pub(super) fn blind(&self, table: Table, key: &[u8]) -> IndexKey {
        let mut hasher = self.blind;
        hasher.write(&[1, table as u8]);
        hasher.write(key);
        let mut out = hasher.finish128().as_bytes();
        out[..2].copy_from_slice(&self.blind_table(table));
        out
    }

    /// What the blinded keys of a table begin with. Two tables may share it: an entry names its own.
    pub(super) fn blind_table(&self, table: Table) -> [u8; 2] {
        let mut hasher = self.blind;
        hasher.write(&[0, table as u8]);
        let out = hasher.finish128().as_bytes();
        [out[0], out[1]]
    }
}

fn nonce(id: &[u8; 16], part: Part) -> XNonce {
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(id);
    nonce[16..].copy_from_slice(&part.to_le_bytes());
    nonce.into()
}
