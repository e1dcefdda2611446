//! Users and their passwords (bcrypt).
//!
//! A hash of bcrypt takes a part of a second by design. So passwords are verified one at a time, in a thread apart from
//! the agent's; few requests may wait; and what was verified once is remembered, by a digest with a key of this process.
//! After a wrong password none is verified for some time, so that a flood of them takes a tenth of a processor.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use axum::http::HeaderValue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bcrypt::HashParts;
use monitor_classify::text::escape;
use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};
use ring::rand::SystemRandom;
use tokio::sync::{Semaphore, oneshot};

/// Requests that may wait for the verification of a password; more are refused at once.
const WAITING: usize = 16;
/// How long none is verified after a wrong one, as a multiple of the time that it took.
const REST: u32 = 9;
/// Highest cost of a hash. Each step doubles the time, and 14 takes about a second.
const COST_MAX: u32 = 14;
/// Characters shown of a user's name.
const NAME_SHOWN: usize = 80;
/// What follows the cost in the hash of an unknown user. No password fits.
const NO_PASSWORD: &str = ".....................................................";

/// Users and the hashes of their passwords.
#[derive(Debug, Default)]
pub(super) struct Users {
    hashes: BTreeMap<String, String>,
    /// The highest cost among them.
    cost: u32,
}

/// Whether a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::surface::http) enum Admission {
    /// It is answered.
    Admitted,
    /// It has no user, though one is needed.
    Anonymous,
    /// The user or the password is wrong.
    Refused,
    /// Too many requests wait for the verification of their passwords.
    Busy,
}

impl Users {
    /// Checks the hashes.
    ///
    /// # Errors
    /// Whose hash is not one of bcrypt.
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Result<Users> {
        let mut cost = 0;
        for (name, hash) in &hashes {
            let name = escape(name, NAME_SHOWN);
            let parts = HashParts::from_str(hash).map_err(|_| {
                anyhow!("the hash of the user \"{name}\" is not one of bcrypt; make one with `htpasswd -nBC 10 {name}`")
            })?;
            if !(4..=COST_MAX).contains(&parts.get_cost()) {
                bail!(
                    "the hash of the user \"{name}\" has the cost {}, and 4 to {COST_MAX} are allowed",
                    parts.get_cost()
                );
            }
            cost = cost.max(parts.get_cost());
        }
        Ok(Users { hashes, cost })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// Verifies passwords, with what it remembers of them.
pub(super) struct Verifier {
    key: Key,
    /// The last verified password of each user, as a digest with the user's name and hash.
    verified: Mutex<HashMap<String, Tag>>,
    waiting: Semaphore,
    running: Arc<Semaphore>,
}

impl Verifier {
    /// # Errors
    /// If the kernel gives no random numbers.
    pub(super) fn new() -> Result<Verifier> {
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new());
        Ok(Verifier {
            key: key.map_err(|_| anyhow!("the kernel gives no random numbers"))?,
            verified: Mutex::default(),
            waiting: Semaphore::new(WAITING),
            running: Arc::new(Semaphore::new(1)),
        })
    }

    /// Forgets the users that are gone.
    pub(super) fn keep(&self, users: &Users) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.retain(|name, _| users.hashes.contains_key(name));
    }

    /// Whether a request with this header `Authorization` is answered.
    pub(super) async fn admit(&self, users: &Users, header: Option<&HeaderValue>) -> Admission {
        if users.is_empty() {
            return Admission::Admitted;
        }
        let Some(header) = header else {
            return Admission::Anonymous;
        };
        let Some((name, password)) = credentials(header) else {
            return Admission::Refused;
        };
        let hash = users.hashes.get(&name);
        if hash.is_some_and(|hash| self.remembers(&name, hash, &password)) {
            return Admission::Admitted;
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            return Admission::Busy;
        };
        let Ok(turn) = Arc::clone(&self.running).acquire_owned().await else {
            return Admission::Busy;
        };
        // Another request may have had the same password verified meanwhile.
        if hash.is_some_and(|hash| self.remembers(&name, hash, &password)) {
            return Admission::Admitted;
        }
        let unknown = format!("$2b${:02}${NO_PASSWORD}", users.cost);
        let (tried, cost) = (hash.unwrap_or(&unknown).clone(), users.cost);
        let secret = password.clone();
        let (found, answer) = oneshot::channel();
        tokio::spawn(async move {
            // Held until the rest is over, also where the client has left.
            let _turn = turn;
            let start = Instant::now();
            let work = tokio::task::spawn_blocking(move || fits(&secret, &tried, cost));
            let fits = work.await.unwrap_or(false);
            let took = start.elapsed();
            found.send(fits).ok();
            if !fits {
                tokio::time::sleep(took * REST).await;
            }
        });
        match (answer.await, hash) {
            (Ok(true), Some(hash)) => {
                let tag = sign(&self.key, &message(&name, hash, &password));
                let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
                verified.insert(name, tag);
                Admission::Admitted
            }
            _ => Admission::Refused,
        }
    }

    fn remembers(&self, name: &str, hash: &str, password: &[u8]) -> bool {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let tag = verified.get(name);
        // Compared in constant time.
        tag.is_some_and(|tag| {
            verify(&self.key, &message(name, hash, password), tag.as_ref()).is_ok()
        })
    }
}

/// Whether a password has this hash, in the time that the highest cost of all users takes: else the time of an answer would
/// reveal which users there are.
fn fits(password: &[u8], hash: &str, cost: u32) -> bool {
    let own = HashParts::from_str(hash).map_or(cost, |parts| parts.get_cost());
    let times = 1u32 << cost.saturating_sub(own).min(COST_MAX);
    let mut fits = true;
    for _ in 0..times {
        fits &= bcrypt::verify(password, hash).unwrap_or(false);
    }
    fits
}

/// What is remembered of a password: with the lengths, no other three parts give the same bytes.
fn message(name: &str, hash: &str, password: &[u8]) -> Vec<u8> {
    let parts = [name.as_bytes(), hash.as_bytes(), password];
    let part = |bytes: &[u8]| [&bytes.len().to_be_bytes(), bytes].concat();
    parts.map(part).concat()
}

/// User and password of the header `Authorization`.
fn credentials(header: &HeaderValue) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let pair = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let name = String::from_utf8(pair[..colon].to_vec()).ok()?;
    Some((name, pair[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    use crate::base::clock::thread_ns;

    fn header(pair: &str) -> HeaderValue {
        HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair))).unwrap()
    }

    fn users(all: &[(&str, &str, u32)]) -> Users {
        let hash = |(name, password, cost): &(&str, &str, u32)| {
            ((*name).to_owned(), bcrypt::hash(password, *cost).unwrap())
        };
        Users::new(all.iter().map(hash).collect()).unwrap()
    }

    #[tokio::test]
    async fn only_the_right_password_is_admitted() {
        let users = users(&[("ann", "a:b", 4), ("bob", "other", 4)]);
        let verifier = Verifier::new().unwrap();
        for (pair, admission) in [
            ("ann:a:b", Admission::Admitted),
            ("ann:a:b", Admission::Admitted),
            ("ann:other", Admission::Refused),
            ("bob:a:b", Admission::Refused),
            ("ann", Admission::Refused),
            ("ann:", Admission::Refused),
            ("carl:a:b", Admission::Refused),
            (":", Admission::Refused),
        ] {
            let header = header(pair);
            assert_eq!(
                verifier.admit(&users, Some(&header)).await,
                admission,
                "{pair}"
            );
        }
        assert_eq!(verifier.admit(&users, None).await, Admission::Anonymous);
        let bearer = HeaderValue::from_static("Bearer YTpi");
        assert_eq!(
            verifier.admit(&users, Some(&bearer)).await,
            Admission::Refused
        );
        let none = Users::default();
        assert_eq!(verifier.admit(&none, None).await, Admission::Admitted);
    }

    #[tokio::test]
    async fn what_was_verified_counts_for_its_hash_only() {
        let verifier = Verifier::new().unwrap();
        let ann = header("ann:old");
        let before = users(&[("ann", "old", 4)]);
        let after = users(&[("ann", "new", 4)]);
        assert_eq!(
            verifier.admit(&before, Some(&ann)).await,
            Admission::Admitted
        );
        assert_eq!(verifier.admit(&after, Some(&ann)).await, Admission::Refused);
        verifier.keep(&Users::default());
        assert!(verifier.verified.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn more_wrong_passwords_than_may_wait_are_refused_at_once_and_a_known_one_is_not() {
        let users = Arc::new(users(&[("ann", "right", 6)]));
        let verifier = Arc::new(Verifier::new().unwrap());
        let right = header("ann:right");
        assert_eq!(
            verifier.admit(&users, Some(&right)).await,
            Admission::Admitted
        );
        let wrong = (0..100).map(|n| {
            let (users, verifier) = (Arc::clone(&users), Arc::clone(&verifier));
            tokio::spawn(async move {
                verifier
                    .admit(&users, Some(&header(&format!("ann:{n}"))))
                    .await
            })
        });
        let wrong: Vec<_> = wrong.collect();
        tokio::task::yield_now().await;
        assert_eq!(
            verifier.admit(&users, Some(&right)).await,
            Admission::Admitted
        );
        let mut busy = 0;
        for one in wrong {
            match one.await.unwrap() {
                Admission::Busy => busy += 1,
                Admission::Refused => {}
                other => panic!("{other:?}"),
            }
        }
        // Fewer where some were refused before the last of them asked.
        assert!((1..=100 - WAITING).contains(&busy), "{busy}");
    }

    #[tokio::test]
    async fn after_a_wrong_password_none_is_verified_for_a_while() {
        let users = users(&[("ann", "right", 6)]);
        let verifier = Verifier::new().unwrap();
        let (name, hash) = users.hashes.first_key_value().unwrap();
        assert_eq!(name, "ann");
        let verify = || {
            let start = Instant::now();
            assert!(!fits(b"wrong", hash, 6));
            start.elapsed()
        };
        let quickest = || (0..5).map(|_| verify()).min().unwrap();
        let before = quickest();
        let start = Instant::now();
        for _ in 0..4 {
            // Clients that leave before the answer gain nothing.
            let header = header("ann:wrong");
            let ask = verifier.admit(&users, Some(&header));
            drop(tokio::time::timeout(before / 2, ask).await);
            assert_eq!(
                verifier.admit(&users, Some(&header)).await,
                Admission::Refused
            );
        }
        // Four rests at least, each as long as its own try asks for.
        let took = start.elapsed();
        // Processors have several speeds, and the tries may have had the higher one.
        let quickest = before.min(quickest());
        assert!(took >= quickest * REST * 3, "{took:?}, {quickest:?} each");
    }

    #[test]
    fn users_of_any_cost_and_unknown_ones_take_the_same_work() {
        let cheap = bcrypt::hash("x", 4).unwrap();
        let unknown = format!("$2b$08${NO_PASSWORD}");
        let took = |hash: &str| {
            let start = thread_ns();
            assert!(!fits(b"y", hash, 8));
            (thread_ns() - start) as f64
        };
        // The quickest of several: what else runs takes caches and speed.
        let quickest = |hash: &str| (0..5).map(|_| took(hash)).fold(f64::INFINITY, f64::min);
        let ratio = quickest(&cheap) / quickest(&unknown);
        assert!((0.5..2.0).contains(&ratio), "{ratio}");
        assert!(fits(b"x", &cheap, 8));
    }

    #[test]
    fn hashes_are_checked() {
        let one = |hash: &str| {
            let users = BTreeMap::from([("ann".to_owned(), hash.to_owned())]);
            Users::new(users).map(drop).unwrap_err().to_string()
        };
        assert!(one("secret").contains("\"ann\" is not one of bcrypt"));
        assert!(one(&format!("$2b$31${NO_PASSWORD}")).contains("the cost 31"));
        assert!(!one("secret").contains("secret"));
    }
}
