//! Forgeries of the signature: missing, broken, of another algorithm or another key.

use super::{Draft, Forged, Forgery, Known};
use crate::identity::{Claims, Issuer, KeyError};

/// The order of P-256 (SEC 2, 2.4.2): as good as zero, for whoever compares with zero alone.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// Bytes of a signature under P-256.
const ECDSA_LENGTH: usize = 64;

const UNSIGNED: Known = Known::critical(347, "9.1.1");
const ALGORITHM: Known = Known::critical(347, "9.1.2");
const KEY: Known = Known::critical(347, "9.1.3");
/// The issuer's own key, used as it was not published for.
const OWN_KEY: Known = Known::low(347, "9.1.2");

pub(super) const ROWS: &[Forgery] = &[
    Forgery::new("no-token", "a request without a token", Known::critical(306, "8.2.1"), |_, _| {
        Ok(Forged { credential: crate::identity::Credential::None, bait: None })
    }),
    Forgery::new(
        "truncated-signature",
        "a rightful token without the second half of its signature",
        UNSIGNED,
        |issuer, claims| {
            let token = issuer.mint(&claims)?;
            let signature = token.rsplit('.').next().map_or(0, str::len);
            Forged::bearer(&token[..token.len() - signature / 2])
        },
    ),
    Forgery::new(
        "one-bit-off",
        "a rightful token with one bit of its signature turned",
        UNSIGNED,
        |issuer, claims| {
            let token = Draft::of(issuer, claims).sealed(|message| {
                let mut signature = issuer.keys.rsa.sign(message)?;
                signature[0] ^= 1;
                Ok(signature)
            });
            Forged::bearer(&token?)
        },
    ),
    Forgery::new(
        "null-signature",
        "a rightful header and payload with an empty signature",
        UNSIGNED,
        |issuer, claims| Forged::bearer(&Draft::of(issuer, claims).sealed(|_| Ok(Vec::new()))?),
    ),
    Forgery::new("zero-signature", "a signature of nothing but zeros", UNSIGNED, |issuer, claims| {
        let token = Draft::of(issuer, claims)
            .sealed(|message| Ok(issuer.keys.rsa.sign(message)?.iter().map(|_| 0).collect()));
        Forged::bearer(&token?)
    }),
    Forgery::new(
        "no-signature-part",
        "a header and a payload, and no third part",
        UNSIGNED,
        |issuer, claims| {
            let token = issuer.mint(&claims)?;
            Forged::bearer(token.rsplit_once('.').map_or("", |(unsigned, _)| unsigned))
        },
    ),
    Forgery::new("alg-none", "alg none and no signature", ALGORITHM, |issuer, claims| {
        unsigned(issuer, "none", claims)
    }),
    Forgery::new(
        "alg-none-mixed-case",
        "alg nOnE, past a filter that compares case",
        ALGORITHM,
        |issuer, claims| unsigned(issuer, "nOnE", claims),
    ),
    Forgery::new(
        "alg-none-upper-case",
        "alg NONE, past a filter that compares case",
        ALGORITHM,
        |issuer, claims| unsigned(issuer, "NONE", claims),
    ),
    Forgery::new(
        "alg-none-capital",
        "alg None, past a filter that compares case",
        ALGORITHM,
        |issuer, claims| unsigned(issuer, "None", claims),
    ),
    Forgery::new(
        "alg-none-with-signature",
        "alg none, and a signature of no meaning behind it",
        ALGORITHM,
        |issuer, claims| Draft::of(issuer, claims).head("alg", "none").by_stranger(),
    ),
    Forgery::new(
        "alg-none-with-kid",
        "alg none under the id of a published key",
        ALGORITHM,
        |issuer, claims| {
            Forged::bearer(&Draft::of(issuer, claims).head("alg", "none").sealed(|_| Ok(Vec::new()))?)
        },
    ),
    Forgery::new("alg-empty", "an empty alg and no signature", ALGORITHM, |issuer, claims| {
        unsigned(issuer, "", claims)
    }),
    Forgery::new("alg-absent", "no alg and no signature", ALGORITHM, |issuer, claims| {
        Forged::bearer(&Draft::of(issuer, claims).headless("alg").sealed(|_| Ok(Vec::new()))?)
    }),
    Forgery::new("hs256-with-blank-key", "HS256 with an empty secret", ALGORITHM, |issuer, claims| {
        Draft::of(issuer, claims).mac("HS256", b"")
    }),
    Forgery::new(
        "hs256-with-blank-key-without-kid",
        "HS256 with an empty secret and no kid",
        ALGORITHM,
        |issuer, claims| Draft::of(issuer, claims).headless("kid").mac("HS256", b""),
    ),
    Forgery::new("hs256-with-weak-secret", "HS256 with the secret 'secret'", ALGORITHM, |issuer, claims| {
        Draft::of(issuer, claims).mac("HS256", b"secret")
    }),
    Forgery::new(
        "hs256-with-sample-secret",
        "HS256 with the secret of every tutorial",
        ALGORITHM,
        |issuer, claims| Draft::of(issuer, claims).mac("HS256", b"your-256-bit-secret"),
    ),
    Forgery::new(
        "hs256-with-client-id",
        "HS256 with the client's id for a secret",
        ALGORITHM,
        |issuer, claims| Draft::of(issuer, claims).mac("HS256", issuer.client_id.as_bytes()),
    ),
    Forgery::new("hs256-with-kid", "HS256 with the key's id for a secret", ALGORITHM, |issuer, claims| {
        Draft::of(issuer, claims).mac("HS256", issuer.keys.rsa.id.as_bytes())
    }),
    Forgery::new(
        "hs256-with-public-key",
        "HS256, with the issuer's public key as the HMAC secret",
        ALGORITHM,
        |issuer, claims| Draft::of(issuer, claims).mac("HS256", issuer.keys.rsa.public_pem()?.as_bytes()),
    ),
    Forgery::new(
        "hs256-with-public-key-trimmed",
        "HS256, with the issuer's public key without its last line break as the HMAC secret",
        ALGORITHM,
        |issuer, claims| {
            Draft::of(issuer, claims).mac("HS256", issuer.keys.rsa.public_pem()?.trim_end().as_bytes())
        },
    ),
    Forgery::new(
        "hs256-with-public-key-der",
        "HS256, with the bytes of the issuer's public key as the HMAC secret",
        ALGORITHM,
        |issuer, claims| Draft::of(issuer, claims).mac("HS256", &issuer.keys.rsa.public_der()?),
    ),
    Forgery::new(
        "hs256-with-jwk",
        "HS256, with the issuer's public key as JWKS has it as the HMAC secret",
        ALGORITHM,
        |issuer, claims| Draft::of(issuer, claims).mac("HS256", issuer.keys.rsa.jwk().to_string().as_bytes()),
    ),
    Forgery::new(
        "hs512-with-public-key",
        "HS512, with the issuer's public key as the HMAC secret",
        ALGORITHM,
        |issuer, claims| Draft::of(issuer, claims).mac("HS512", issuer.keys.rsa.public_pem()?.as_bytes()),
    ),
    Forgery::new(
        "hs256-with-other-public-key",
        "HS256 under the id of the issuer's EC key, with that key as the HMAC secret",
        ALGORITHM,
        |issuer, claims| {
            let key = &issuer.keys.ec;
            Draft::of(issuer, claims).head("kid", key.id.as_str()).mac("HS256", key.public_pem()?.as_bytes())
        },
    ),
    Forgery::new(
        "es256-over-rsa-key",
        "ES256 of a published key under the id of an RSA key",
        OWN_KEY,
        |issuer, claims| {
            let keys = &issuer.keys;
            Forged::bearer(&Draft::of(issuer, claims).head("alg", "ES256").signed(&keys.ec)?)
        },
    ),
    Forgery::new("rs256-over-ec-key", "RS256 under the id of an EC key", ALGORITHM, |issuer, claims| {
        Draft::of(issuer, claims).head("kid", issuer.keys.ec.id.as_str()).by_stranger()
    }),
    Forgery::new(
        "es256-named-rs256",
        "an ES256 signature that is called RS256",
        OWN_KEY,
        |issuer, claims| {
            let key = &issuer.keys.ec;
            Forged::bearer(&Draft::of(issuer, claims).head("kid", key.id.as_str()).signed(key)?)
        },
    ),
    Forgery::new(
        "rs256-named-es256",
        "an RS256 signature that is called ES256",
        OWN_KEY,
        |issuer, claims| Draft::of(issuer, claims).head("alg", "ES256").rightly(),
    ),
    Forgery::new(
        "rs256-named-rs512",
        "an RS256 signature that is called RS512",
        OWN_KEY,
        |issuer, claims| Draft::of(issuer, claims).head("alg", "RS512").rightly(),
    ),
    Forgery::new("ps256", "PS256 of a key that is published for RS256", OWN_KEY, |issuer, claims| {
        other_padding(issuer, "PS256", claims)
    }),
    Forgery::new("rs512", "RS512 of a key that is published for RS256", OWN_KEY, |issuer, claims| {
        other_padding(issuer, "RS512", claims)
    }),
    Forgery::new(
        "ecdsa-zero",
        "ES256 with r and s zero, which some verifiers find true of any message",
        ALGORITHM,
        |issuer, claims| ecdsa(issuer, claims, vec![0; ECDSA_LENGTH]),
    ),
    Forgery::new(
        "ecdsa-order",
        "ES256 with r and s the order of the curve, as good as zero",
        ALGORITHM,
        |issuer, claims| ecdsa(issuer, claims, [ORDER, ORDER].concat()),
    ),
    Forgery::new("ecdsa-empty", "ES256 without a signature", ALGORITHM, |issuer, claims| {
        ecdsa(issuer, claims, Vec::new())
    }),
    Forgery::new("unknown-key", "signed with a key the issuer never published", KEY, |issuer, claims| {
        Forged::bearer(&issuer.sign_with(&issuer.keys.stranger, &claims)?)
    }),
    Forgery::new(
        "stranger-under-known-kid",
        "signed with a stranger's key under the published key's id",
        UNSIGNED,
        |issuer, claims| Draft::of(issuer, claims).by_stranger(),
    ),
    Forgery::new(
        "stranger-without-kid",
        "signed with a stranger's key under no id",
        KEY,
        |issuer, claims| Draft::of(issuer, claims).headless("kid").by_stranger(),
    ),
    Forgery::new(
        "changed-after-signing",
        "the payload changed after signing",
        UNSIGNED,
        |issuer, mut claims| {
            let rightful = issuer.mint(&claims)?;
            claims.insert("scope".into(), "openid admin".into());
            let changed = issuer.mint(&claims)?;
            let signature = rightful.rsplit('.').next().unwrap_or_default();
            let unsigned = changed.rsplit_once('.').map_or(changed.as_str(), |(unsigned, _)| unsigned);
            Forged::bearer(&format!("{unsigned}.{signature}"))
        },
    ),
    Forgery::new(
        "header-changed-after-signing",
        "the header changed after signing",
        UNSIGNED,
        |issuer, claims| {
            let rightful = issuer.mint(&claims)?;
            let changed = Draft::of(issuer, claims).head("cty", "JWT").sealed(|_| Ok(Vec::new()))?;
            let head = changed.split('.').next().unwrap_or_default();
            let rest = rightful.split_once('.').map_or("", |(_, rest)| rest);
            Forged::bearer(&format!("{head}.{rest}"))
        },
    ),
];

fn unsigned(issuer: &Issuer, alg: &str, claims: Claims) -> Result<Forged, KeyError> {
    let draft = Draft::of(issuer, claims).head("alg", alg).headless("kid");
    Forged::bearer(&draft.sealed(|_| Ok(Vec::new()))?)
}

/// Under the id of the published EC key.
fn ecdsa(issuer: &Issuer, claims: Claims, signature: Vec<u8>) -> Result<Forged, KeyError> {
    let draft = Draft::of(issuer, claims).head("alg", "ES256").head("kid", issuer.keys.ec.id.as_str());
    Forged::bearer(&draft.sealed(|_| Ok(signature))?)
}

fn other_padding(issuer: &Issuer, alg: &str, claims: Claims) -> Result<Forged, KeyError> {
    let token =
        Draft::of(issuer, claims).head("alg", alg).sealed(|message| issuer.keys.rsa.sign_as(alg, message));
    Forged::bearer(&token?)
}
