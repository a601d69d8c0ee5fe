//! Counterfeits of a token that the target signed: what can be made of it, and of the published keys, by whom it was
//! given to. What takes the issuer's key, such as rightful signatures over other claims, is not among them.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::certificate::subject_public_key_info;
use super::{EMPTY_FILE, Known};
use crate::identity::keys::pem;
use crate::identity::token::compact;
use crate::identity::{Algorithm, KeyError, KeyPair};

const UNSIGNED: Known = Known::critical(347, "9.1.1");
const ALGORITHM: Known = Known::critical(347, "9.1.2");
const KEY: Known = Known::critical(347, "9.1.3");
const BROUGHT: Known = Known::critical(345, "9.1.3");
/// The secret that a header brings along.
const PLANTED: &[u8] = b"watertight";
/// Whoever the claims of a changed token are about.
const SOMEBODY: &str = "somebody-else";

/// A token that the target signed, taken apart, with the key that it is checked with.
#[derive(Debug)]
pub struct Given {
    token: String,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    key: Value,
    attacker: KeyPair,
}

/// One way to make something of a token.
pub struct Counterfeit {
    /// Its name in check paths: `alg-none`.
    pub id: &'static str,
    /// What is wrong with the token, for a reader.
    pub what: &'static str,
    /// What the mistake of believing it is known as.
    pub known: Known,
    make: fn(&Given) -> Result<String, KeyError>,
}

impl Counterfeit {
    /// All of them.
    pub const ALL: &[Counterfeit] = ROWS;

    /// The token.
    pub fn of(&self, given: &Given) -> Result<String, KeyError> {
        (self.make)(given)
    }
}

const ROWS: &[Counterfeit] = &[
    row("alg-none", "alg none and no signature", ALGORITHM, |given| given.unsigned(json!("none"))),
    row("alg-none-mixed-case", "alg nOnE, past a filter that compares case", ALGORITHM, |given| {
        given.unsigned(json!("nOnE"))
    }),
    row("alg-empty", "an empty alg and no signature", ALGORITHM, |given| given.unsigned(json!(""))),
    row("alg-absent", "no alg and no signature", ALGORITHM, |given| given.unsigned(Value::Null)),
    row("null-signature", "a rightful header and payload with an empty signature", UNSIGNED, |given| {
        Ok(format!("{}.", given.message()))
    }),
    row("no-signature-part", "a header and a payload, and no third part", UNSIGNED, |given| {
        Ok(given.message().to_owned())
    }),
    row("zero-signature", "a signature of nothing but zeros", UNSIGNED, |given| {
        let length = given.signature().map_or(64, |signature| signature.len());
        Ok(format!("{}.{}", given.message(), URL_SAFE_NO_PAD.encode(vec![0; length])))
    }),
    row("one-bit-off", "a rightful token with one bit of its signature turned", UNSIGNED, |given| {
        let mut signature = given.signature().unwrap_or_default();
        if let Some(first) = signature.first_mut() {
            *first ^= 1;
        }
        Ok(format!("{}.{}", given.message(), URL_SAFE_NO_PAD.encode(signature)))
    }),
    row("changed-after-signing", "another subject under the rightful signature", UNSIGNED, |given| {
        let mut claims = given.claims.clone();
        claims.insert("sub".into(), SOMEBODY.into());
        let signature = given.signature().unwrap_or_default();
        compact(&bytes(&given.header), &bytes(&claims), |_| Ok(signature))
    }),
    row("lasting-longer", "a later end under the rightful signature", UNSIGNED, |given| {
        let mut claims = given.claims.clone();
        let end = claims.get("exp").and_then(Value::as_u64).unwrap_or_default();
        claims.insert("exp".into(), (end + 86_400).into());
        let signature = given.signature().unwrap_or_default();
        compact(&bytes(&given.header), &bytes(&claims), |_| Ok(signature))
    }),
    row("hs256-with-public-key", "HS256, with the published key as PEM for the secret", ALGORITHM, |given| {
        given.mac(given.public_pem().as_bytes())
    }),
    row(
        "hs256-with-public-key-trimmed",
        "HS256, with the published key as PEM without its last line break for the secret",
        ALGORITHM,
        |given| given.mac(given.public_pem().trim_end().as_bytes()),
    ),
    row(
        "hs256-with-public-key-der",
        "HS256, with the bytes of the published key for the secret",
        ALGORITHM,
        |given| given.mac(&subject_public_key_info(&given.key).unwrap_or_default()),
    ),
    row(
        "hs256-with-jwk",
        "HS256, with the published key as JWKS has it for the secret",
        ALGORITHM,
        |given| given.mac(given.key.to_string().as_bytes()),
    ),
    row(
        "hs256-with-key-text",
        "HS256, with the key's number as JWKS has it for the secret",
        ALGORITHM,
        |given| given.mac(given.number().as_bytes()),
    ),
    row("hs256-with-key-number", "HS256, with the key's number for the secret", ALGORITHM, |given| {
        given.mac(&URL_SAFE_NO_PAD.decode(given.number()).unwrap_or_default())
    }),
    row("hs256-with-kid", "HS256 with the key's id for a secret", ALGORITHM, |given| {
        let id = given.header.get("kid").and_then(Value::as_str).unwrap_or_default();
        given.mac(id.as_bytes())
    }),
    row("hs256-with-blank-key", "HS256 with an empty secret", ALGORITHM, |given| given.mac(b"")),
    row("hs256-with-weak-secret", "HS256 with the secret 'secret'", ALGORITHM, |given| given.mac(b"secret")),
    row(
        "kid-of-no-file",
        "HS256 with an empty secret under an id that leads to an empty file",
        KEY,
        |given| {
            let mut header = given.header.clone();
            header.insert("kid".into(), EMPTY_FILE.into());
            mac(header, &given.claims, b"")
        },
    ),
    row("unknown-key", "signed with a key the issuer never published", KEY, |given| {
        given.by_attacker(&[("kid", given.attacker.id.clone().into())])
    }),
    row(
        "stranger-under-known-kid",
        "signed with a stranger's key under the published key's id",
        UNSIGNED,
        |given| given.by_attacker(&[]),
    ),
    row("stranger-without-kid", "signed with a stranger's key under no id", KEY, |given| {
        given.by_attacker(&[("kid", Value::Null)])
    }),
    row("jwk-embedded", "a key of the attacker's in the header", BROUGHT, |given| {
        let (id, jwk) = (given.attacker.id.clone(), given.attacker.jwk());
        given.by_attacker(&[("kid", id.into()), ("jwk", jwk)])
    }),
    row(
        "jwk-embedded-under-known-kid",
        "a key of the attacker's in the header, under a known id",
        BROUGHT,
        |given| {
            let mut jwk = given.attacker.jwk();
            jwk["kid"] = given.header.get("kid").cloned().unwrap_or_default();
            given.by_attacker(&[("jwk", jwk)])
        },
    ),
    row("secret-embedded", "a secret of the attacker's in the header", BROUGHT, |given| {
        let mut header = given.header.clone();
        let jwk = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(PLANTED), "alg": "HS256" });
        header.insert("jwk".into(), jwk);
        mac(header, &given.claims, PLANTED)
    }),
];

const fn row(
    id: &'static str,
    what: &'static str,
    known: Known,
    make: fn(&Given) -> Result<String, KeyError>,
) -> Counterfeit {
    Counterfeit { id, what, known, make }
}

impl Given {
    /// Takes a token apart. `jwks` is the document that the issuer publishes (RFC 7517 5). `None` for what is no signed
    /// JWT (RFC 7515 7.1), or whose key is not published.
    pub fn read(token: &str, jwks: &Value) -> Result<Option<Given>, KeyError> {
        let object = |part: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, _] = parts.as_slice() else { return Ok(None) };
        let (Some(header), Some(claims)) = (object(header), object(claims)) else { return Ok(None) };
        let published = jwks["keys"].as_array().into_iter().flatten();
        let Some(key) = published.into_iter().find(|key| key.get("kid") == header.get("kid")) else {
            return Ok(None);
        };
        let attacker = KeyPair::generate("attacker", Algorithm::ES256)?;
        Ok(Some(Given { token: token.to_owned(), header, claims, key: key.clone(), attacker }))
    }

    /// Header and payload as they were signed.
    fn message(&self) -> &str {
        self.token.rsplit_once('.').map_or(&self.token, |(message, _)| message)
    }

    fn signature(&self) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(self.token.rsplit('.').next()?).ok()
    }

    fn unsigned(&self, alg: Value) -> Result<String, KeyError> {
        let mut header = self.header.clone();
        header.remove("kid");
        match alg {
            Value::Null => header.remove("alg"),
            alg => header.insert("alg".into(), alg),
        };
        compact(&bytes(&header), &bytes(&self.claims), |_| Ok(Vec::new()))
    }

    fn mac(&self, secret: &[u8]) -> Result<String, KeyError> {
        mac(self.header.clone(), &self.claims, secret)
    }

    /// Signed by the attacker, with these members of the header; null takes one out.
    fn by_attacker(&self, members: &[(&str, Value)]) -> Result<String, KeyError> {
        let mut header = self.header.clone();
        header.insert("alg".into(), self.attacker.algorithm().as_str().into());
        for (name, value) in members {
            match value {
                Value::Null => header.remove(*name),
                value => header.insert((*name).to_owned(), value.clone()),
            };
        }
        compact(&bytes(&header), &bytes(&self.claims), |message| self.attacker.sign(message))
    }

    /// What an attacker of confusion with HMAC has of the key, as PEM; empty for a key of a kind that has none.
    fn public_pem(&self) -> String {
        subject_public_key_info(&self.key).map(|der| pem("PUBLIC KEY", &der)).unwrap_or_default()
    }

    /// The member of the JWK that is the key: `x`, or the modulus of RSA.
    fn number(&self) -> &str {
        ["x", "n"].iter().find_map(|name| self.key[*name].as_str()).unwrap_or_default()
    }
}

fn bytes(part: &Map<String, Value>) -> Vec<u8> {
    Value::Object(part.clone()).to_string().into_bytes()
}

fn mac(
    mut header: Map<String, Value>,
    claims: &Map<String, Value>,
    secret: &[u8],
) -> Result<String, KeyError> {
    header.insert("alg".into(), "HS256".into());
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    compact(&bytes(&header), &bytes(claims), |message| Ok(hmac::sign(&key, message).as_ref().to_vec()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::{Counterfeit, Given};
    use crate::identity::token::assemble;
    use crate::identity::{Algorithm, KeyPair};

    #[test]
    fn every_counterfeit_is_another_token_than_the_rightful_one() {
        for algorithm in [Algorithm::RS256, Algorithm::ES256] {
            let key = KeyPair::generate("published", algorithm).unwrap();
            let header = json!({ "alg": algorithm.as_str(), "kid": "published" });
            let token =
                assemble(&header, &json!({ "sub": "ann", "exp": 1 }), |message| key.sign(message)).unwrap();
            let given = Given::read(&token, &json!({ "keys": [key.jwk()] })).unwrap().unwrap();
            let (mut made, mut ids) = (BTreeSet::from([token]), BTreeSet::new());
            for counterfeit in Counterfeit::ALL {
                assert!(made.insert(counterfeit.of(&given).unwrap()), "{} is nothing new", counterfeit.id);
                assert!(ids.insert(counterfeit.id), "{} stands twice", counterfeit.id);
            }
        }
    }

    #[test]
    fn what_is_no_token_or_has_no_published_key_gives_nothing() {
        let key = KeyPair::generate("published", Algorithm::ES256).unwrap();
        let token = assemble(&json!({ "kid": "other" }), &json!({}), |message| key.sign(message)).unwrap();
        let jwks = json!({ "keys": [key.jwk()] });
        assert!(Given::read(&token, &jwks).unwrap().is_none());
        assert!(Given::read("opaque", &jwks).unwrap().is_none());
    }
}
