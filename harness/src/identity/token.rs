//! Tokens as Amazon Cognito or Clerk issues them, signed with the run's keys.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::{KeyError, KeyPair, Keys};
use crate::target::TokenStyle;

/// The claims of a token, as JSON so that a forgery can be any shape.
pub type Claims = Map<String, Value>;

/// Clerk lets a token begin this long before it is issued, for clocks that differ.
const CLERK_EARLIER_SECONDS: u64 = 10;

impl TokenStyle {
    /// How long a minted token is valid: Cognito's default for access tokens, Clerk's for session tokens.
    pub fn life(self) -> Duration {
        match self {
            TokenStyle::Cognito => Duration::from_hours(1),
            TokenStyle::Clerk => Duration::from_mins(1),
        }
    }
}

/// Signs the tokens of one issuer.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// `iss`.
    pub url: String,
    /// Whose tokens its own look like.
    pub style: TokenStyle,
    /// `client_id`; `azp` in Clerk's.
    pub client_id: String,
    /// How many seconds past their time the target still believes tokens, for clocks that differ.
    pub leeway: u64,
    /// Where an attacker serves keys of their own, as a URL to append a path to: on the stand-in, which tells who came.
    pub lure: String,
    /// The keys.
    pub keys: Arc<Keys>,
}

impl Issuer {
    /// The claims of a user's token, valid from now: of a Cognito access token with the e-mail that the V2 pre-token
    /// trigger adds, or of a Clerk session token with the e-mail that a custom claim adds.
    pub fn claims(&self, subject: &str, email: &str) -> Claims {
        let claims = match self.style {
            TokenStyle::Cognito => json!({
                "sub": subject,
                "username": email.split('@').next().unwrap_or(email),
                "email": email,
                "email_verified": true,
                "iss": self.url,
                "client_id": self.client_id,
                "token_use": "access",
                "scope": "openid",
                "jti": uuid_like(),
                "auth_time": unix_now(),
            }),
            TokenStyle::Clerk => json!({
                "sub": subject,
                "sid": format!("sess_{}", uuid_like()),
                "email": email,
                "iss": self.url,
                "azp": self.client_id,
            }),
        };
        match claims {
            Value::Object(claims) => self.renewed(&claims),
            _ => Claims::new(),
        }
    }

    /// The same claims, valid from now.
    pub fn renewed(&self, claims: &Claims) -> Claims {
        let now = unix_now();
        let mut claims = claims.clone();
        claims.insert("iat".into(), now.into());
        claims.insert("exp".into(), (now + self.style.life().as_secs()).into());
        if self.style == TokenStyle::Clerk {
            claims.insert("nbf".into(), (now - CLERK_EARLIER_SECONDS).into());
        }
        claims
    }

    /// A rightful token: RS256, with the published key's id.
    pub fn mint(&self, claims: &Claims) -> Result<String, KeyError> {
        self.sign_with(&self.keys.rsa, claims)
    }

    /// A token signed with any key, under that key's id and algorithm.
    pub fn sign_with(&self, key: &KeyPair, claims: &Claims) -> Result<String, KeyError> {
        self.sign_under(Some(&key.id), key, claims)
    }

    /// A token signed with any key, under any id or none.
    pub fn sign_under(&self, id: Option<&str>, key: &KeyPair, claims: &Claims) -> Result<String, KeyError> {
        let mut header = json!({ "alg": key.algorithm().as_str(), "typ": "JWT" });
        if let Some(id) = id {
            header["kid"] = id.into();
        }
        assemble(&header, &Value::Object(claims.clone()), |message| key.sign(message))
    }

    /// A token under a MAC, as whoever has a secret makes it.
    pub fn mac_under(&self, id: &str, secret: &[u8], claims: &Claims) -> Result<String, KeyError> {
        let header = json!({ "alg": "HS256", "typ": "JWT", "kid": id });
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        assemble(&header, &Value::Object(claims.clone()), |message| {
            Ok(hmac::sign(&key, message).as_ref().to_vec())
        })
    }
}

/// Compact serialisation (RFC 7515 7.1) of any header and payload with any signature.
pub(super) fn assemble<E>(
    header: &Value,
    payload: &Value,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    compact(header.to_string().as_bytes(), payload.to_string().as_bytes(), sign)
}

/// The same of what need not be JSON.
pub(super) fn compact<E>(
    header: &[u8],
    payload: &[u8],
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = sign(message.as_bytes())?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Seconds since 1970.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn uuid_like() -> String {
    crate::leak::random_code(24)
}
