//! Sessions: a random token in a cookie, its hash here.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest as _, Sha256};
use sovereign_node::ports::rng::Rng;
use tokio::time::Instant;

use crate::Limits;

/// Bytes of a token.
const TOKEN: usize = 32;
/// Cookies that are looked at; a browser may hold more of other programs on this host.
const MAX_COOKIES: usize = 64;

/// All sessions, by the hash of their tokens: looking one up tells nothing by its timing.
pub(crate) struct Sessions {
    used: Mutex<BTreeMap<[u8; 32], Instant>>,
    limits: Limits,
    cookie: String,
}

impl Sessions {
    /// Browsers do not keep the cookies of two ports apart, so the port is in the name.
    pub(crate) fn new(port: u16, limits: Limits) -> Self {
        Self {
            used: Mutex::default(),
            limits,
            cookie: format!("sovereign-{port}"),
        }
    }

    /// Begins a session; what the `Set-Cookie` header says.
    pub(crate) fn begin(&self, rng: &dyn Rng, now: Instant) -> String {
        let mut token = [0; TOKEN];
        rng.fill(&mut token);
        let mut used = self.lock();
        self.forget_old(&mut used, now);
        while used.len() >= self.limits.sessions.max(1) {
            let oldest = used
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(hash, _)| *hash);
            if let Some(oldest) = oldest {
                used.remove(&oldest);
            }
        }
        let token = hex::encode(token);
        used.insert(hash(&token), now);
        format!(
            "{}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}",
            self.cookie,
            self.limits.session.as_secs()
        )
    }

    /// Whether a `Cookie` header names a session; that counts as using it.
    pub(crate) fn knows(&self, header: &str, now: Instant) -> bool {
        let mut used = self.lock();
        self.forget_old(&mut used, now);
        let known = self.tokens(header).find(|hash| used.contains_key(hash));
        if let Some(known) = known {
            used.insert(known, now);
        }
        known.is_some()
    }

    /// Ends the session that a `Cookie` header names; what the `Set-Cookie` header says.
    pub(crate) fn end(&self, header: &str) -> String {
        let mut used = self.lock();
        for hash in self.tokens(header) {
            used.remove(&hash);
        }
        format!(
            "{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0",
            self.cookie
        )
    }

    fn tokens<'a>(&'a self, header: &'a str) -> impl Iterator<Item = [u8; 32]> + 'a {
        header
            .split(';')
            .take(MAX_COOKIES)
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, value)| *name == self.cookie && value.len() == 2 * TOKEN)
            .map(|(_, value)| hash(value))
    }

    fn forget_old(&self, used: &mut BTreeMap<[u8; 32], Instant>, now: Instant) {
        used.retain(|_, at| now.saturating_duration_since(*at) < self.limits.session);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Instant>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sovereign_node::adapters::rng::SeededRng;

    use super::*;

    fn pair(set: &str) -> String {
        set.split(';').next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_session_lives_while_it_is_used() {
        let limits = Limits::default();
        let sessions = Sessions::new(80, limits);
        let rng = SeededRng::new(1);
        let now = Instant::now();
        let set = sessions.begin(&rng, now);
        assert!(set.contains("; HttpOnly; SameSite=Strict"), "{set}");
        let cookie = pair(&set);
        assert!(cookie.starts_with("sovereign-80="));
        let tick = Duration::from_millis(1);
        assert!(sessions.knows(&format!("a=b; {cookie}"), now + limits.session - tick));
        // Used just now: as long again, and not a moment longer.
        let end = now + limits.session - tick + limits.session;
        assert!(!sessions.knows(&cookie, end));
        assert!(!sessions.knows(&cookie, now));
    }

    #[tokio::test]
    async fn other_cookies_and_ended_sessions_are_nothing() {
        let sessions = Sessions::new(80, Limits::default());
        let now = Instant::now();
        let cookie = pair(&sessions.begin(&SeededRng::new(1), now));
        for other in [
            "",
            "sovereign-80=",
            "sovereign-80",
            &cookie.replace("-80", "-81"),
            &cookie[..cookie.len() - 1],
            &format!("{cookie}0"),
        ] {
            assert!(!sessions.knows(other, now), "{other:?}");
        }
        assert!(sessions.knows(&cookie, now));
        assert!(sessions.end(&cookie).ends_with("Max-Age=0"));
        assert!(!sessions.knows(&cookie, now));
    }

    #[tokio::test]
    async fn there_are_never_more_than_the_limit() {
        let limits = Limits {
            sessions: 2,
            ..Limits::default()
        };
        let sessions = Sessions::new(80, limits);
        let rng = SeededRng::new(1);
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let first = pair(&sessions.begin(&rng, now));
        let other = pair(&sessions.begin(&rng, now + second));
        assert!(sessions.knows(&first, now + 2 * second));
        let third = pair(&sessions.begin(&rng, now + 3 * second));
        assert!(!sessions.knows(&other, now + 3 * second));
        assert!(sessions.knows(&first, now + 3 * second));
        assert!(sessions.knows(&third, now + 3 * second));
    }
}
