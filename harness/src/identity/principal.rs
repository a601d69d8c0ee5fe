//! A principal: who sends a request, with what credential, and whose data may come back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::token::unix_now;
use super::{Claims, Issuer, KeyError};
use crate::contract::Operation;
use crate::leak::Entitlement;
use crate::target::Secret;

/// Who sends a request.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The persona's name in records: `org-admin`, `viewer`, `anonymous`.
    pub label: String,
    /// The user's id at the target (`sub`); empty for the anonymous.
    pub subject: String,
    /// The user's e-mail; empty for the anonymous.
    pub email: String,
    /// Whose data may come back.
    pub entitlement: Entitlement,
    /// What is sent in `Authorization`.
    pub credential: Credential,
    /// What is sent in its place to the operations that want a token of this name.
    pub tokens: BTreeMap<String, Credential>,
}

/// What goes into the `Authorization` header, or into whatever header the target wants it in.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nothing.
    None,
    /// A token minted for these claims, and minted anew before it expires.
    Minted(Arc<Minted>),
    /// The header's value as it stands: a forgery, or a token from elsewhere. A character is one byte.
    Verbatim(Secret),
    /// What the target gave at sign-in, in the header in which it wants it back.
    Given {
        /// The header, in lower case.
        header: String,
        /// Its value.
        value: Secret,
    },
    /// The header once for each value, in this order.
    Several(Vec<Secret>),
    /// No header: a member of the query string, by its name.
    Query(&'static str, Secret),
}

/// A token that renews itself.
#[derive(Debug)]
pub struct Minted {
    issuer: Issuer,
    claims: Claims,
    current: Mutex<Option<(Secret, u64)>>,
}

/// A token is minted anew this long before it expires, but for the last part of a short life.
const RENEW_BEFORE_SECONDS: u64 = 60;
/// One part in so many of a life is the last.
const LAST_PART: u64 = 4;

impl Credential {
    /// A credential that mints tokens with these claims; `iat` and `exp` are set at each minting.
    pub fn minted(issuer: Issuer, claims: Claims) -> Credential {
        Credential::Minted(Arc::new(Minted { issuer, claims, current: Mutex::new(None) }))
    }

    /// The header that carries it.
    pub fn name(&self) -> &str {
        match self {
            Credential::Given { header, .. } => header,
            _ => "authorization",
        }
    }

    /// Where the secret begins in a value of the header: behind the scheme, in a cookie behind its name. At the end may
    /// well stand '=', which fills up base64.
    pub fn secret_begins(&self, value: &str) -> usize {
        let before = if self.name() == "cookie" { value.find('=') } else { value.rfind(' ') };
        before.map_or(0, |at| at + 1)
    }

    /// The header's value, if there is one; of several the first.
    pub fn header(&self) -> Result<Option<Secret>, KeyError> {
        Ok(self.headers()?.into_iter().next())
    }

    /// The header's values, one for each time it is sent.
    pub fn headers(&self) -> Result<Vec<Secret>, KeyError> {
        Ok(match self {
            Credential::None | Credential::Query(..) => Vec::new(),
            Credential::Verbatim(value) | Credential::Given { value, .. } => vec![value.clone()],
            Credential::Several(values) => values.clone(),
            Credential::Minted(minted) => vec![minted.header()?],
        })
    }

    /// The same credential with its end turned round: of the right form, and not valid. `None` where there is none.
    pub fn spoilt(&self) -> Result<Option<Credential>, KeyError> {
        let spoil = |value: Secret| {
            let text = value.reveal();
            let begin = self.secret_begins(text);
            let kept = text[begin..].rfind('.').map_or(begin, |at| begin + at + 1);
            let turned: String = text[kept..].chars().rev().collect();
            let value = Secret::new(format!("{}{turned}", &text[..kept]));
            match self {
                Credential::Given { header, .. } => Credential::Given { header: header.clone(), value },
                _ => Credential::Verbatim(value),
            }
        };
        Ok(self.header()?.map(spoil))
    }
}

impl Minted {
    /// The claims the tokens carry.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    fn header(&self) -> Result<Secret, KeyError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = unix_now();
        let life = self.issuer.style.life().as_secs();
        if let Some((header, expires)) = &*current
            && now + RENEW_BEFORE_SECONDS.min(life / LAST_PART) < *expires
        {
            return Ok(header.clone());
        }
        let token = self.issuer.mint(&self.issuer.renewed(&self.claims))?;
        let header = Secret::new(format!("Bearer {token}"));
        *current = Some((header.clone(), now + life));
        Ok(header)
    }
}

/// A copy, for whoever keeps it.
impl From<&Principal> for Arc<Principal> {
    fn from(principal: &Principal) -> Self {
        Arc::new(principal.clone())
    }
}

impl Principal {
    /// Nobody: no token, no entitlement.
    pub fn anonymous() -> Principal {
        Principal {
            label: "anonymous".to_owned(),
            subject: String::new(),
            email: String::new(),
            entitlement: Entitlement::none(),
            credential: Credential::None,
            tokens: BTreeMap::new(),
        }
    }

    /// A user whose tokens the harness mints.
    pub fn minted(
        label: &str,
        issuer: &Issuer,
        subject: &str,
        email: &str,
        entitlement: Entitlement,
    ) -> Principal {
        Principal {
            label: label.to_owned(),
            subject: subject.to_owned(),
            email: email.to_owned(),
            entitlement,
            credential: Credential::minted(issuer.clone(), issuer.claims(subject, email)),
            tokens: BTreeMap::new(),
        }
    }

    /// What an operation is sent: the token that it wants, or the credential.
    pub fn credential_for(&self, operation: &Operation) -> &Credential {
        let token = operation.token.as_ref().and_then(|name| self.tokens.get(name));
        token.unwrap_or(&self.credential)
    }

    /// The same principal with other claims: an unverified e-mail, a claimed organisation. `None` when its
    /// tokens are not minted here.
    pub fn with_claims(&self, change: impl FnOnce(&mut Claims)) -> Option<Principal> {
        let Credential::Minted(minted) = &self.credential else {
            return None;
        };
        let mut claims = minted.claims.clone();
        change(&mut claims);
        Some(Principal { credential: Credential::minted(minted.issuer.clone(), claims), ..self.clone() })
    }

    /// The same principal under another name in the records.
    #[must_use]
    pub fn named(&self, label: &str) -> Principal {
        Principal { label: label.to_owned(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::Credential;
    use crate::target::Secret;

    #[test]
    fn a_spoilt_credential_keeps_its_form_and_is_another() {
        let spoilt = |text: &str| {
            let spoilt = Credential::Verbatim(Secret::new(text)).spoilt().unwrap().unwrap();
            spoilt.header().unwrap().unwrap().reveal().to_owned()
        };
        assert_eq!(spoilt("Bearer head.payload.signature"), "Bearer head.payload.erutangis");
        assert_eq!(spoilt("Bearer opaque"), "Bearer euqapo");
        assert_eq!(spoilt("Bearer opaque=="), "Bearer ==euqapo");
        let cookie = Credential::Given { header: "cookie".to_owned(), value: Secret::new("sid=abc==") };
        let cookie = cookie.spoilt().unwrap().unwrap();
        assert_eq!((cookie.name(), cookie.header().unwrap().unwrap().reveal()), ("cookie", "sid===cba"));
        assert!(Credential::None.spoilt().unwrap().is_none());
    }
}
