//! The one-time code: shown on the terminal, typed by the person, gone when it was used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sovereign_node::ports::rng::Rng;
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;

/// Letters of a code, the hyphen not counted: 40 bits.
pub const CODE_LENGTH: usize = 8;
/// Crockford's base 32: no I, L, O or U, so that nothing is read as something else.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Wrong tries before the code is replaced.
const TRIES: u32 = 10;

/// The present code and those who watch it.
#[derive(Clone)]
pub struct Codes {
    rng: Arc<dyn Rng>,
    /// Wrong tries at the present code.
    wrong: Arc<Mutex<u32>>,
    shown: watch::Sender<String>,
}

impl std::fmt::Debug for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The code is a secret (OPS-2).
        f.write_str("Codes")
    }
}

impl Codes {
    pub(crate) fn new(rng: Arc<dyn Rng>) -> Self {
        let (shown, _) = watch::channel(draw(&*rng));
        Self {
            rng,
            wrong: Arc::default(),
            shown,
        }
    }

    /// The code to show, as `XXXX-XXXX`; it changes when it was used or guessed at too often.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<String> {
        self.shown.subscribe()
    }

    /// Takes a code once. Case, hyphens and spaces do not matter, and I, L, O are read as 1, 1, 0.
    pub(crate) fn redeem(&self, typed: &str) -> bool {
        let mut wrong = self.lock();
        let typed = canonical(typed);
        let right = canonical(&self.shown.borrow());
        let fits = typed.len() == CODE_LENGTH && bool::from(typed.ct_eq(&right));
        if !fits {
            *wrong += 1;
        }
        if fits || *wrong >= TRIES {
            *wrong = 0;
            self.shown.send_replace(draw(&*self.rng));
        }
        fits
    }

    fn lock(&self) -> MutexGuard<'_, u32> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn draw(rng: &dyn Rng) -> String {
    let mut bytes = [0; CODE_LENGTH];
    rng.fill(&mut bytes);
    let letters = bytes.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    let (first, second) = letters.split_at(CODE_LENGTH / 2);
    format!(
        "{}-{}",
        first.iter().collect::<String>(),
        second.iter().collect::<String>()
    )
}

/// At most one letter more than a code has, so that nothing long is kept.
fn canonical(text: &str) -> Vec<u8> {
    text.bytes()
        .filter(|byte| !matches!(byte, b'-' | b' '))
        .take(CODE_LENGTH + 1)
        .map(|byte| match byte.to_ascii_uppercase() {
            b'I' | b'L' => b'1',
            b'O' => b'0',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use sovereign_node::adapters::rng::SeededRng;

    use super::*;

    fn codes() -> Codes {
        Codes::new(Arc::new(SeededRng::new(7)))
    }

    #[test]
    fn a_code_works_once() {
        let codes = codes();
        let shown = codes.watch();
        let first = shown.borrow().clone();
        assert_eq!(first.len(), CODE_LENGTH + 1);
        assert!(codes.redeem(&format!(" {} ", first.to_lowercase().replace('-', " "))));
        assert!(!codes.redeem(&first));
        let second = shown.borrow().clone();
        assert_ne!(first, second);
        assert!(codes.redeem(&second));
    }

    #[test]
    fn what_is_too_long_or_empty_is_wrong() {
        let codes = codes();
        let code = codes.watch().borrow().clone();
        for wrong in ["", "-", &code[..8], &format!("{code}0")] {
            assert!(!codes.redeem(wrong), "{wrong:?}");
        }
        assert!(codes.redeem(&code));
    }

    #[test]
    fn too_many_wrong_tries_change_it() {
        let codes = codes();
        let shown = codes.watch();
        let code = shown.borrow().clone();
        for _ in 1..TRIES {
            assert!(!codes.redeem("wrong"));
        }
        assert_eq!(*shown.borrow(), code);
        assert!(!codes.redeem("wrong"));
        assert_ne!(*shown.borrow(), code);
        assert!(!codes.redeem(&code));
    }

    #[test]
    fn letters_that_look_alike_are_the_same() {
        assert_eq!(canonical("iL-o0 ab"), b"1100AB");
    }
}
