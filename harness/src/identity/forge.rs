//! Forged, broken and missing tokens: each is what an attacker would send in the place of a rightful one.
//!
//! The catalogue is a table. A forgery starts from the claims of a principal who may do what the request
//! asks, so that the token is the only thing wrong with it.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::token::{assemble, unix_now};
use super::{Claims, Issuer, KeyError};
use crate::target::TokenStyle;

/// One way to forge a token.
#[derive(Clone, Copy)]
pub struct Forgery {
    /// Its name in check paths: `alg-none`.
    pub id: &'static str,
    /// What is wrong with the token, for a reader.
    pub what: &'static str,
    /// Common Weakness Enumeration number.
    pub cwe: u32,
    /// OWASP ASVS 5.0 requirement.
    pub asvs: &'static str,
    /// The style of tokens it makes sense in; any without one.
    only: Option<TokenStyle>,
    make: fn(&Issuer, Claims) -> Result<Option<String>, KeyError>,
}

impl Forgery {
    /// Those that make sense where tokens have a style.
    pub fn of_style(style: TokenStyle) -> impl Iterator<Item = &'static Forgery> {
        FORGERIES.iter().filter(move |forgery| forgery.only.is_none_or(|only| only == style))
    }

    /// The value of the `Authorization` header, or `None` where the attack is to send none.
    pub fn header(&self, issuer: &Issuer, rightful: &Claims) -> Result<Option<String>, KeyError> {
        (self.make)(issuer, rightful.clone())
    }
}

impl std::fmt::Debug for Forgery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

/// Seconds past every tolerance: leeways of a minute are common.
const WELL_PAST: u64 = 3600;

/// Every forgery, of whatever style.
const FORGERIES: &[Forgery] = &[
    Forgery {
        id: "no-token",
        what: "a request without a token",
        cwe: 306,
        asvs: "8.2.1",
        only: None,
        make: |_, _| Ok(None),
    },
    Forgery {
        id: "truncated-signature",
        what: "a rightful token without the second half of its signature",
        cwe: 347,
        asvs: "9.1.1",
        only: None,
        make: |issuer, claims| {
            let token = issuer.mint(&claims)?;
            let signature = token.rsplit('.').next().map_or(0, str::len);
            bearer(&token[..token.len() - signature / 2])
        },
    },
    Forgery {
        id: "null-signature",
        what: "a rightful header and payload with an empty signature",
        cwe: 347,
        asvs: "9.1.1",
        only: None,
        make: |issuer, claims| {
            let token = issuer.mint(&claims)?;
            bearer(&token[..=token.rfind('.').unwrap_or(token.len() - 1)])
        },
    },
    Forgery {
        id: "alg-none",
        what: "alg none and no signature",
        cwe: 347,
        asvs: "9.1.2",
        only: None,
        make: |_, claims| unsigned("none", claims),
    },
    Forgery {
        id: "alg-none-mixed-case",
        what: "alg nOnE, past a filter that compares case",
        cwe: 347,
        asvs: "9.1.2",
        only: None,
        make: |_, claims| unsigned("nOnE", claims),
    },
    Forgery {
        id: "hs256-with-public-key",
        what: "HS256, with the issuer's public key as the HMAC secret",
        cwe: 347,
        asvs: "9.1.2",
        only: None,
        make: |issuer, claims| {
            let secret = issuer.keys.rsa.public_pem()?;
            let header = json!({ "alg": "HS256", "typ": "JWT", "kid": issuer.keys.rsa.id });
            hmac_signed(&header, claims, secret.as_bytes())
        },
    },
    Forgery {
        id: "hs256-with-blank-key",
        what: "HS256 with an empty secret",
        cwe: 347,
        asvs: "9.1.2",
        only: None,
        make: |issuer, claims| {
            hmac_signed(&json!({ "alg": "HS256", "typ": "JWT", "kid": issuer.keys.rsa.id }), claims, b"")
        },
    },
    Forgery {
        id: "unknown-key",
        what: "signed with a key the issuer never published",
        cwe: 347,
        asvs: "9.1.3",
        only: None,
        make: |issuer, claims| bearer(&issuer.sign_with(&issuer.keys.stranger, &claims)?),
    },
    Forgery {
        id: "stranger-under-known-kid",
        what: "signed with a stranger's key under the published key's id",
        cwe: 347,
        asvs: "9.1.1",
        only: None,
        make: |issuer, claims| {
            let header = json!({ "alg": "RS256", "typ": "JWT", "kid": issuer.keys.rsa.id });
            bearer(&assemble(&header, &Value::Object(claims), |message| issuer.keys.stranger.sign(message))?)
        },
    },
    Forgery {
        id: "changed-after-signing",
        what: "the payload changed after signing",
        cwe: 347,
        asvs: "9.1.1",
        only: None,
        make: |issuer, mut claims| {
            let rightful = issuer.mint(&claims)?;
            claims.insert("scope".into(), "openid admin".into());
            let changed = issuer.mint(&claims)?;
            let signature = rightful.rsplit('.').next().unwrap_or_default();
            let unsigned = changed.rsplit_once('.').map_or(changed.as_str(), |(unsigned, _)| unsigned);
            bearer(&format!("{unsigned}.{signature}"))
        },
    },
    Forgery {
        id: "expired",
        what: "expired an hour ago",
        cwe: 613,
        asvs: "9.2.1",
        only: None,
        make: |issuer, claims| minted_with(issuer, claims, "exp", (unix_now() - WELL_PAST).into()),
    },
    Forgery {
        id: "not-yet-valid",
        what: "nbf an hour ahead",
        cwe: 613,
        asvs: "9.2.1",
        only: None,
        make: |issuer, claims| minted_with(issuer, claims, "nbf", (unix_now() + WELL_PAST).into()),
    },
    Forgery {
        id: "no-expiry",
        what: "no exp claim",
        cwe: 613,
        asvs: "9.2.1",
        only: None,
        make: |issuer, mut claims| {
            claims.remove("exp");
            bearer(&issuer.mint(&claims)?)
        },
    },
    Forgery {
        id: "wrong-issuer",
        what: "another issuer's URL in iss",
        cwe: 345,
        asvs: "9.2.3",
        only: None,
        make: |issuer, claims| minted_with(issuer, claims, "iss", format!("{}/", issuer.url).into()),
    },
    Forgery {
        id: "wrong-client",
        what: "issued for another client",
        cwe: 345,
        asvs: "9.2.3",
        only: Some(TokenStyle::Cognito),
        make: |issuer, claims| minted_with(issuer, claims, "client_id", "another-client".into()),
    },
    Forgery {
        id: "wrong-party",
        what: "issued to another party",
        cwe: 345,
        asvs: "9.2.3",
        only: Some(TokenStyle::Clerk),
        make: |issuer, claims| minted_with(issuer, claims, "azp", "https://another-party.invalid".into()),
    },
    Forgery {
        id: "id-token",
        what: "an id token in the place of an access token",
        cwe: 345,
        asvs: "9.2.2",
        only: Some(TokenStyle::Cognito),
        make: |issuer, claims| minted_with(issuer, claims, "token_use", "id".into()),
    },
    Forgery {
        id: "no-subject",
        what: "no sub claim",
        cwe: 287,
        asvs: "9.2.3",
        only: None,
        make: |issuer, mut claims| {
            claims.remove("sub");
            bearer(&issuer.mint(&claims)?)
        },
    },
    Forgery {
        id: "not-a-token",
        what: "a bearer value that is no token at all",
        cwe: 755,
        asvs: "9.1.1",
        only: None,
        make: |_, _| bearer("..%00{}"),
    },
];

#[expect(clippy::unnecessary_wraps, reason = "every row of the table has the same shape")]
fn bearer(token: &str) -> Result<Option<String>, KeyError> {
    Ok(Some(format!("Bearer {token}")))
}

fn minted_with(
    issuer: &Issuer,
    mut claims: Claims,
    claim: &str,
    value: Value,
) -> Result<Option<String>, KeyError> {
    claims.insert(claim.to_owned(), value);
    bearer(&issuer.mint(&claims)?)
}

fn unsigned(alg: &str, claims: Claims) -> Result<Option<String>, KeyError> {
    bearer(&assemble(&json!({ "alg": alg, "typ": "JWT" }), &Value::Object(claims), |_| Ok(Vec::new()))?)
}

fn hmac_signed(header: &Value, claims: Claims, secret: &[u8]) -> Result<Option<String>, KeyError> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let token =
        assemble(header, &Value::Object(claims), |message| Ok(hmac::sign(&key, message).as_ref().to_vec()))?;
    bearer(&token)
}
