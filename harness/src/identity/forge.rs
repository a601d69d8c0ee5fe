//! Forged, broken and missing tokens: each is what an attacker would send in the place of a rightful one.
//!
//! The catalogue is a table, in parts by what is wrong. A forgery starts from the claims of a principal who may do
//! what the request asks, so that the token is the only thing wrong with it. Where a standard lets a target believe
//! something, no forgery asks that it must not.

mod boundary;
mod certificate;
mod claims;
mod given;
mod keys;
mod sealed;
mod shape;
mod signature;

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::hmac;
use serde_json::{Map, Value, json};

use super::token::{compact, unix_now};
use super::{Claims, Credential, Issuer, KeyError, KeyPair};
use crate::record::Severity;
use crate::target::{Secret, TokenStyle};

pub use boundary::{BOUNDARIES, Boundary};
pub use given::{Counterfeit, Given};

/// One way to forge a token.
#[derive(Clone, Copy)]
pub struct Forgery {
    /// Its name in check paths: `alg-none`.
    pub id: &'static str,
    /// What is wrong with the token, for a reader.
    pub what: &'static str,
    /// What the mistake of believing it is known as.
    pub known: Known,
    /// The style of tokens it makes sense in; any without one.
    only: Option<TokenStyle>,
    make: Make,
}

type Make = fn(&Issuer, Claims) -> Result<Forged, KeyError>;

/// What a kind of mistake is known as, and how bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Common Weakness Enumeration number.
    pub cwe: u32,
    /// OWASP ASVS 5.0 requirement.
    pub asvs: &'static str,
    /// How bad believing it is.
    pub severity: Severity,
}

/// A forgery in the making of one request.
#[derive(Clone, Debug)]
pub struct Forged {
    /// What is sent in the place of the rightful credential.
    pub credential: Credential,
    /// The bait in it that a target must not come for, as [`JwksServer::has_lured`](super::JwksServer::has_lured)
    /// takes it.
    pub bait: Option<String>,
}

impl Forgery {
    /// Those that make sense where tokens have a style.
    pub fn of_style(style: TokenStyle) -> impl Iterator<Item = &'static Forgery> {
        let parts = [signature::ROWS, claims::ROWS, shape::ROWS, keys::ROWS];
        let all = parts.into_iter().flatten();
        all.filter(move |forgery| forgery.only.is_none_or(|only| only == style))
    }

    /// What is sent in the place of a rightful credential with these claims.
    pub fn forge(&self, issuer: &Issuer, rightful: &Claims) -> Result<Forged, KeyError> {
        (self.make)(issuer, rightful.clone())
    }

    const fn new(id: &'static str, what: &'static str, known: Known, make: Make) -> Forgery {
        Forgery { id, what, known, only: None, make }
    }

    const fn only(self, style: TokenStyle) -> Forgery {
        Forgery { only: Some(style), ..self }
    }
}

impl std::fmt::Debug for Forgery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

impl Known {
    /// Believing it makes the attacker anyone.
    const fn critical(cwe: u32, asvs: &'static str) -> Known {
        Known { cwe, asvs, severity: Severity::Critical }
    }

    /// Believing it lets a token do what it was not made for, or longer than it was made for.
    const fn high(cwe: u32, asvs: &'static str) -> Known {
        Known { cwe, asvs, severity: Severity::High }
    }

    /// Believing it takes an attacker who holds something already.
    const fn medium(cwe: u32, asvs: &'static str) -> Known {
        Known { cwe, asvs, severity: Severity::Medium }
    }

    /// Believing it is a sign of a reader that can be confused.
    const fn low(cwe: u32, asvs: &'static str) -> Known {
        Known { cwe, asvs, severity: Severity::Low }
    }
}

/// Each bait is asked for at most once, so that whoever comes for it is known.
static BAITS: AtomicU64 = AtomicU64::new(0);

impl Forged {
    /// One `Authorization` header of this value.
    #[expect(clippy::unnecessary_wraps, reason = "every row of the tables has the same shape")]
    fn header(value: impl Into<String>) -> Result<Forged, KeyError> {
        Ok(Forged { credential: Credential::Verbatim(Secret::new(value)), bait: None })
    }

    /// A bearer token.
    fn bearer(token: &str) -> Result<Forged, KeyError> {
        Forged::header(format!("Bearer {token}"))
    }

    /// A bearer token with a URL in it that leads to the attacker's keys.
    fn lured(
        issuer: &Issuer,
        token: impl FnOnce(&str) -> Result<String, KeyError>,
    ) -> Result<Forged, KeyError> {
        let bait = format!("{}-{}", std::process::id(), BAITS.fetch_add(1, Ordering::Relaxed));
        let token = token(&format!("{}{bait}", issuer.lure))?;
        Ok(Forged { bait: Some(bait), ..Forged::bearer(&token)? })
    }
}

/// A token in the making: what is not touched is as the issuer would make it.
struct Draft<'i> {
    issuer: &'i Issuer,
    header: Map<String, Value>,
    claims: Claims,
}

impl<'i> Draft<'i> {
    fn of(issuer: &'i Issuer, claims: Claims) -> Draft<'i> {
        let header = [("alg", "RS256"), ("typ", "JWT"), ("kid", issuer.keys.rsa.id.as_str())];
        let header = header.map(|(name, value)| (name.to_owned(), Value::from(value)));
        Draft { issuer, header: header.into_iter().collect(), claims }
    }

    /// With a member of the header.
    fn head(mut self, name: &str, value: impl Into<Value>) -> Draft<'i> {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Without a member of the header.
    fn headless(mut self, name: &str) -> Draft<'i> {
        self.header.remove(name);
        self
    }

    /// With a claim.
    fn claim(mut self, name: &str, value: impl Into<Value>) -> Draft<'i> {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Without a claim.
    fn claimless(mut self, name: &str) -> Draft<'i> {
        self.claims.remove(name);
        self
    }

    /// The token, with whatever stands for a signature.
    fn sealed(self, sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, KeyError>) -> Result<String, KeyError> {
        let part = |part: Map<String, Value>| Value::Object(part).to_string().into_bytes();
        compact(&part(self.header), &part(self.claims), sign)
    }

    /// Signed with this key, whatever the header says.
    fn signed(self, key: &KeyPair) -> Result<String, KeyError> {
        self.sealed(|message| key.sign(message))
    }

    /// Signed as the issuer does.
    fn rightly(self) -> Result<Forged, KeyError> {
        let keys = self.issuer.keys.clone();
        Forged::bearer(&self.signed(&keys.rsa)?)
    }

    /// Signed by whom nobody knows.
    fn by_stranger(self) -> Result<Forged, KeyError> {
        let keys = self.issuer.keys.clone();
        Forged::bearer(&self.signed(&keys.stranger)?)
    }

    /// Under a MAC with this secret.
    fn mac(self, alg: &str, secret: &[u8]) -> Result<Forged, KeyError> {
        let algorithm = match alg {
            "HS384" => hmac::HMAC_SHA384,
            "HS512" => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        };
        let key = hmac::Key::new(algorithm, secret);
        let sealed = self.head("alg", alg).sealed(|message| Ok(hmac::sign(&key, message).as_ref().to_vec()));
        Forged::bearer(&sealed?)
    }
}

/// A key's id that leads whoever takes it for a path to a file with nothing in it.
const EMPTY_FILE: &str = "../../../../../../../../dev/null";

/// Seconds past every tolerance: leeways of a minute are common.
const WELL_PAST: u64 = 3600;

/// A moment that is over for every clock.
fn past() -> u64 {
    unix_now() - WELL_PAST
}

/// A moment that is to come for every clock.
fn ahead() -> u64 {
    unix_now() + WELL_PAST
}

/// The text of an object whose members stand in this order, whether or not their names are alike.
fn object_text<'m>(members: impl IntoIterator<Item = (&'m str, Value)>) -> String {
    let members = members.into_iter().map(|(name, value)| format!("{}:{value}", json!(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::{BOUNDARIES, Forgery};
    use crate::identity::{Algorithm, Issuer, KeyPair, Keys};
    use crate::target::TokenStyle;

    fn issuer(style: TokenStyle) -> Issuer {
        let key = |id: &str, algorithm| KeyPair::generate(id, algorithm).unwrap();
        let keys = Keys {
            rsa: key("rsa", Algorithm::RS256),
            ec: key("ec", Algorithm::ES256),
            stranger: key("stranger", Algorithm::RS256),
        };
        Issuer {
            url: "http://127.0.0.1:1".to_owned(),
            style,
            client_id: "client".to_owned(),
            leeway: 5,
            lure: "http://127.0.0.1:1/lure/".to_owned(),
            keys: Arc::new(keys),
        }
    }

    #[test]
    fn every_forgery_can_be_made_and_none_is_the_rightful_token_or_another_forgery() {
        for style in [TokenStyle::Cognito, TokenStyle::Clerk] {
            let issuer = issuer(style);
            let claims = issuer.claims("ann", "ann@watertight.invalid");
            let mut made = BTreeSet::from([format!("Bearer {}", issuer.mint(&claims).unwrap())]);
            let mut ids = BTreeSet::new();
            for forgery in Forgery::of_style(style) {
                let credential = forgery.forge(&issuer, &claims).unwrap().credential;
                let headers: Vec<String> =
                    credential.headers().unwrap().iter().map(|header| header.reveal().to_owned()).collect();
                // Without a header there is nothing to be the same.
                assert!(headers.is_empty() || made.insert(headers.join("\n")), "{forgery:?} is nothing new");
                assert!(ids.insert(forgery.id), "{forgery:?} stands twice");
            }
            assert!(BOUNDARIES.iter().all(|boundary| !ids.contains(boundary.id)));
        }
    }

    #[test]
    fn a_token_beside_a_line_is_a_second_on_its_side_of_it() {
        let issuer = issuer(TokenStyle::Cognito);
        let claims = issuer.claims("ann", "ann@watertight.invalid");
        for boundary in &BOUNDARIES {
            for beside in [boundary.outside(&issuer, &claims), boundary.inside(&issuer, &claims)] {
                assert!(beside.unwrap().holds(), "{}: at once it is where it should be", boundary.id);
            }
        }
    }
}
