//! The index when it is too large for memory: a sled that is never opened twice.
//!
//! Keys come blinded; locations are sealed under a key that is drawn here and never written down, so
//! what a crash leaves behind is noise. Nothing is flushed: nobody will read it after this run.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305};

use super::index::{IndexKey, Location, Span};
use super::key::random;

/// Why the index cannot be used any more; it is then rebuilt in memory.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("sled: {0}")]
    Sled(#[from] sled::Error),
    #[error("an index entry is not what was written")]
    Entry,
    #[error("the operating system refused: {0}")]
    Io(#[from] std::io::Error),
}

const PLAIN: usize = 16;
const SEALED: usize = 8 + PLAIN + 16;
/// sled's cache, in bytes. Its page table comes on top and cannot be bounded.
const CACHE: u64 = 4 << 20;

pub(super) struct SledIndex {
    /// `None` only while dropping: the files are removed after sled has let go of them.
    db: Option<sled::Db>,
    dir: PathBuf,
    cipher: XChaCha20Poly1305,
    nonce: AtomicU64,
}

impl SledIndex {
    /// Creates an empty index in a directory that does not exist yet.
    pub(super) fn create(dir: PathBuf) -> Result<Self, Broken> {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        random(&mut key[..])?;
        let db = sled::Config::new()
            .path(&dir)
            .create_new(true)
            .cache_capacity(CACHE)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(None)
            .open()?;
        let cipher = XChaCha20Poly1305::new(&(*key).into());
        Ok(Self {
            db: Some(db),
            dir,
            cipher,
            nonce: AtomicU64::new(0),
        })
    }

    pub(super) fn insert(&self, key: &IndexKey, new: Location) -> Result<Option<Location>, Broken> {
        let sealed = self.seal(key, new);
        self.db()?
            .insert(key, &sealed[..])?
            .map(|old| self.open(key, &old))
            .transpose()
    }

    pub(super) fn remove(&self, key: &IndexKey) -> Result<Option<Location>, Broken> {
        self.db()?
            .remove(key)?
            .map(|old| self.open(key, &old))
            .transpose()
    }

    pub(super) fn get(&self, key: &IndexKey) -> Result<Option<Location>, Broken> {
        self.db()?
            .get(key)?
            .map(|sealed| self.open(key, &sealed))
            .transpose()
    }

    pub(super) fn prefix(&self, tag: [u8; 2]) -> Result<Vec<Location>, Broken> {
        let mut found = Vec::new();
        for pair in self.db()?.scan_prefix(tag) {
            let (key, sealed) = pair?;
            found.push(self.open(&key, &sealed)?);
        }
        Ok(found)
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.db().and_then(|db| Ok(db.size_on_disk()?)).unwrap_or(0)
    }

    fn db(&self) -> Result<&sled::Db, Broken> {
        self.db.as_ref().ok_or(Broken::Entry)
    }

    fn seal(&self, key: &[u8], location: Location) -> [u8; SEALED] {
        let number = self.nonce.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let mut out = [0; SEALED];
        out[..8].copy_from_slice(&number);
        out[8..16].copy_from_slice(&location.record.to_le_bytes());
        out[16..20].copy_from_slice(&location.span.at.to_le_bytes());
        out[20..24].copy_from_slice(&location.span.len.to_le_bytes());
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce(&number), key, (&mut out[8..24]).into())
            .expect("sixteen bytes are below the cipher's limit");
        out[24..].copy_from_slice(&tag);
        out
    }

    fn open(&self, key: &[u8], sealed: &[u8]) -> Result<Location, Broken> {
        let mut sealed: [u8; SEALED] = sealed.try_into().map_err(|_| Broken::Entry)?;
        let number: [u8; 8] = sealed[..8].try_into().map_err(|_| Broken::Entry)?;
        let tag: [u8; 16] = sealed[24..].try_into().map_err(|_| Broken::Entry)?;
        let tag = Tag::from(tag);
        self.cipher
            .decrypt_inout_detached(&nonce(&number), key, (&mut sealed[8..24]).into(), &tag)
            .map_err(|_| Broken::Entry)?;
        let long = |at: usize| u64::from_le_bytes(sealed[at..at + 8].try_into().expect("eight"));
        let short = |at: usize| u32::from_le_bytes(sealed[at..at + 4].try_into().expect("four"));
        let span = Span {
            at: short(16),
            len: short(20),
        };
        Ok(Location {
            record: long(8),
            span,
        })
    }
}

impl Drop for SledIndex {
    fn drop(&mut self) {
        self.db = None;
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::debug!(%error, "an old index stays until the next start");
        }
    }
}

/// Unique for the index: the key is its own, the number counts its entries.
fn nonce(number: &[u8; 8]) -> chacha20poly1305::XNonce {
    let mut nonce = [0; 24];
    nonce[..8].copy_from_slice(number);
    nonce.into()
}
