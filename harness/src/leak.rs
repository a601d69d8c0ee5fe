//! The leak detector: a response to a principal of one tenant that holds another tenant's canary or id.
//!
//! Two things give a tenant away. Its **canary**, a string that stands in every free text the harness
//! writes for it, and its **ids**, entered here as they are learnt. Both are searched as substrings in the
//! whole response, headers and body, so an id inside a larger token (`ORG#<id>`) is found too.
//!
//! No leak is: what belongs to a tenant the principal is entitled to, and what the request itself carried
//! (an echo proves nothing).

mod index;

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

use rand::Rng as _;
use serde::{Deserialize, Serialize};

use index::Index;

/// What every canary begins with. A canary of an unknown tenant is recognised by it.
const CANARY_PREFIX: &str = "wtc";
/// Random characters of a canary, after the prefix.
const CANARY_CODE: usize = 13;
/// Characters that follow from the random ones, at the end.
const CANARY_CHECK: u32 = 3;
/// Characters of a canary in all.
const CANARY_LENGTH: usize = CANARY_PREFIX.len() + CANARY_CODE + CANARY_CHECK as usize;
/// Ids shorter than this would be found by accident.
const SHORTEST_ID: usize = 8;

/// `[a-z0-9]` without the characters people confuse.
const ALPHABET: &[u8] = b"23456789abcdefghjkmnpqrstuvwxyz";

/// `length` random characters of `[a-z0-9]` without the ones people confuse.
pub fn random_code(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

/// The string that marks a tenant's free text: `wtc`, 13 random characters (64 bits) and three that follow from
/// them, lower case, so that it survives slugs and case folding. Without those three, every few thousandth cursor
/// (base64, compared without regard to case) would hold something that looks like a canary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Canary(String);

impl Canary {
    /// A canary no other tenant has.
    pub fn fresh() -> Canary {
        let code = random_code(CANARY_CODE);
        Canary(format!("{CANARY_PREFIX}{code}{}", check(&code)))
    }

    /// Whether lower-case text of the right length is one.
    fn is_formed(text: &str) -> bool {
        let parts = text.strip_prefix(CANARY_PREFIX).and_then(|rest| rest.split_at_checked(CANARY_CODE));
        parts.is_some_and(|(code, end)| end == check(code))
    }

    /// The string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The end of a canary (FNV-1a of its code: no secret, only unlikely by accident).
fn check(code: &str) -> String {
    let hash = code.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let length = ALPHABET.len() as u64;
    let place = |at: u32| usize::try_from(hash / length.pow(at) % length).unwrap_or_default();
    (0..CANARY_CHECK).map(|at| char::from(ALPHABET[place(at)])).collect()
}

impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tenant as the detector knows it: its canary is its name.
pub type TenantKey = Canary;

/// Whose data a principal may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entitlement {
    /// These tenants and no other. Empty for anonymous callers.
    Tenants(BTreeSet<TenantKey>),
    /// Every tenant: a platform administrator.
    All,
}

impl Entitlement {
    /// No tenant at all.
    pub fn none() -> Entitlement {
        Entitlement::Tenants(BTreeSet::new())
    }

    /// One tenant.
    pub fn of(tenant: &TenantKey) -> Entitlement {
        Entitlement::Tenants(BTreeSet::from([tenant.clone()]))
    }

    /// This entitlement and one tenant more.
    #[must_use]
    pub fn and(mut self, tenant: &TenantKey) -> Entitlement {
        if let Entitlement::Tenants(tenants) = &mut self {
            tenants.insert(tenant.clone());
        }
        self
    }

    fn covers(&self, tenant: &TenantKey) -> bool {
        match self {
            Entitlement::All => true,
            Entitlement::Tenants(tenants) => tenants.contains(tenant),
        }
    }
}

/// Something foreign in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What was found.
    pub found: String,
    /// What it is: `canary` or the slot kind of the id.
    pub kind: String,
    /// Where: `body` or the header's name.
    pub place: String,
    /// The text around it, at most 80 characters.
    pub around: String,
    /// Whether it is the caller's own tenant's, in an answer that should have been a refusal.
    pub own: bool,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} '{}' in the response's {}: ...{}...",
            if self.own { "their own tenant's" } else { "another tenant's" },
            self.kind,
            self.found,
            self.place,
            self.around
        )
    }
}

/// Everything the harness knows to be some tenant's own. One per process, shared by all clients.
#[derive(Clone, Debug, Default)]
pub struct LeakDetector {
    known: Arc<RwLock<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    index: Index,
    owners: HashMap<String, Owned>,
    /// Secrets whose bearer may see a tenant's public side: invitation tokens.
    passes: HashMap<String, TenantKey>,
    pass_index: Index,
}

#[derive(Debug)]
struct Owned {
    tenants: BTreeSet<TenantKey>,
    kind: String,
}

impl LeakDetector {
    /// Enters an id as belonging to a tenant. An id that belongs to two tenants (a user of both) is entered
    /// for both, and is foreign only to who may see neither. Ids under eight characters are left out:
    /// they would be found by accident.
    pub fn learn(&self, tenant: &TenantKey, kind: &str, id: &str) {
        if id.len() < SHORTEST_ID {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(owned) = known.owners.get_mut(id) {
            owned.tenants.insert(tenant.clone());
            return;
        }
        let owned = Owned { tenants: BTreeSet::from([tenant.clone()]), kind: kind.to_owned() };
        known.owners.insert(id.to_owned(), owned);
        known.index.add(id);
    }

    /// Enters a secret that lets whoever sends it see the tenant's public side.
    pub fn learn_pass(&self, tenant: &TenantKey, secret: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.passes.insert(secret.to_owned(), tenant.clone()).is_none() {
            known.pass_index.add(secret);
        }
    }

    /// The first foreign thing in a response, if there is one.
    ///
    /// `request` gives all that the request carried (URL, headers without the token, body), and is asked where something
    /// has to be looked for in it: what stands there is an echo, and an invitation token there entitles to the inviting
    /// tenant. `response` is `(place, text)` for the body and each header.
    pub fn scan<'r, 't>(
        &self,
        entitlement: &Entitlement,
        request: impl Fn() -> &'r str,
        response: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Option<Leak> {
        if *entitlement == Entitlement::All {
            return None;
        }
        self.settle();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut entitlement = Cow::Borrowed(entitlement);
        if !known.passes.is_empty() {
            known.pass_index.find(request(), |_, secret| -> Option<()> {
                if let Some(tenant) = known.passes.get(secret)
                    && let Entitlement::Tenants(tenants) = entitlement.to_mut()
                {
                    tenants.insert(tenant.clone());
                }
                None
            });
        }
        // Most responses hold nothing that one would have to look for in the request.
        let request = LazyCell::new(|| request().to_ascii_lowercase());
        response.into_iter().find_map(|(place, text)| {
            let id = known.foreign_id(&entitlement, &request, text);
            let found = id.or_else(|| foreign_canary(&entitlement, &request, text));
            found.map(|(at, found, kind)| Leak {
                around: around(text, at, found.len()),
                place: place.to_owned(),
                found,
                kind,
                own: false,
            })
        })
    }

    /// Builds what was learnt since the last scan into the index.
    fn settle(&self) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let pending = known.index.is_pending() || known.pass_index.is_pending();
        drop(known);
        if pending {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.index.settle();
            known.pass_index.settle();
        }
    }
}

impl Known {
    fn foreign_id(
        &self,
        entitlement: &Entitlement,
        request: &impl Deref<Target = String>,
        text: &str,
    ) -> Option<(usize, String, String)> {
        self.index.find(text, |at, id| {
            let owned = self.owners.get(id)?;
            let own = owned.tenants.iter().any(|tenant| entitlement.covers(tenant));
            (!own && !request.contains(&id.to_ascii_lowercase()))
                .then(|| (at, id.to_owned(), owned.kind.clone()))
        })
    }
}

/// Canaries need no index: their form gives them away, also those of tenants this process never saw (another
/// process of the run, an earlier run).
fn foreign_canary(
    entitlement: &Entitlement,
    request: &impl Deref<Target = String>,
    text: &str,
) -> Option<(usize, String, String)> {
    // Every response is searched, and hardly any holds one: only what begins like a canary is looked at.
    let begin = CANARY_PREFIX.as_bytes()[0];
    memchr::memchr2_iter(begin, begin.to_ascii_uppercase(), text.as_bytes()).find_map(|at| {
        let candidate = text.get(at..at + CANARY_LENGTH)?;
        let begins = candidate.get(..CANARY_PREFIX.len())?.eq_ignore_ascii_case(CANARY_PREFIX);
        let canary = begins.then(|| Canary(candidate.to_ascii_lowercase()))?;
        (Canary::is_formed(&canary.0) && !entitlement.covers(&canary) && !request.contains(&canary.0))
            .then(|| (at, canary.0, "canary".to_owned()))
    })
}

fn around(text: &str, at: usize, length: usize) -> String {
    const MARGIN: usize = 20;
    let start = (0..=at.saturating_sub(MARGIN)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let end = (at + length + MARGIN..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    text[start..end].to_owned()
}

#[cfg(test)]
mod tests;
