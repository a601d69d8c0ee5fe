//! Forgeries of the form: what stands in the wrong place, twice, in another serialisation, or is made to be costly to
//! read.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::sealed::{bomb, encrypted};
use super::{Draft, Forged, Forgery, Known, object_text, past};
use crate::identity::token::compact;
use crate::identity::{Claims, Credential, Issuer, KeyError};
use crate::target::Secret;

const DUPLICATE: Known = Known::medium(436, "9.1.1");
/// RFC 7519 4 lets a reader take the last of several.
const DUPLICATE_BENIGN: Known = Known::low(436, "9.1.1");
const CRITICAL: Known = Known::medium(347, "9.1.2");
const SERIALISATION: Known = Known::low(436, "9.1.1");
const ENCRYPTED: Known = Known::critical(347, "9.1.2");
const COSTLY: Known = Known::medium(400, "9.1.2");
const PLACE: Known = Known::low(598, "14.2.1");
const TWICE: Known = Known::medium(436, "9.1.1");
const MALFORMED: Known = Known::low(755, "16.5.1");

/// Deeper than any reader goes.
const DEEP: usize = 2_000;
/// More rounds than anyone waits for.
const ROUNDS: u32 = 2_147_483_647;
/// Longer than any token.
const LONG: usize = 6_000;

pub(super) const ROWS: &[Forgery] = &[
    Forgery::new("duplicate-expiry", "exp twice, of which the last is over", DUPLICATE, |issuer, claims| {
        twice(issuer, claims, "exp", past().into(), Last::Hostile)
    }),
    Forgery::new(
        "duplicate-issuer",
        "iss twice, of which the last is another's",
        DUPLICATE,
        |issuer, claims| twice(issuer, claims, "iss", "https://another-issuer.invalid".into(), Last::Hostile),
    ),
    Forgery::new(
        "duplicate-subject",
        "sub twice, of which the last is nobody's",
        DUPLICATE,
        |issuer, claims| twice(issuer, claims, "sub", "".into(), Last::Hostile),
    ),
    Forgery::new(
        "duplicate-subject-first",
        "sub twice, of which the first is nobody's",
        DUPLICATE_BENIGN,
        |issuer, claims| twice(issuer, claims, "sub", "".into(), Last::Rightful),
    ),
    Forgery::new(
        "duplicate-expiry-first",
        "exp twice, of which the first is over",
        DUPLICATE_BENIGN,
        |issuer, claims| twice(issuer, claims, "exp", past().into(), Last::Rightful),
    ),
    Forgery::new(
        "duplicate-subject-escaped",
        "sub twice, once spelt with an escape",
        DUPLICATE_BENIGN,
        |issuer, claims| {
            let payload = Value::Object(claims).to_string().replacen('{', "{\"s\\u0075b\":\"\",", 1);
            rightly(issuer, head(issuer).as_bytes(), payload.as_bytes())
        },
    ),
    Forgery::new(
        "duplicate-algorithm",
        "alg twice, of which the last is none",
        DUPLICATE,
        |issuer, claims| {
            let head = object_text([
                ("alg", json!("RS256")),
                ("kid", json!(issuer.keys.rsa.id)),
                ("alg", json!("none")),
            ]);
            rightly(issuer, head.as_bytes(), Value::Object(claims).to_string().as_bytes())
        },
    ),
    Forgery::new("duplicate-kid", "kid twice, of which the last is unknown", DUPLICATE, |issuer, claims| {
        let id = &issuer.keys.rsa.id;
        let head = object_text([("alg", json!("RS256")), ("kid", json!(id)), ("kid", json!("another"))]);
        rightly(issuer, head.as_bytes(), Value::Object(claims).to_string().as_bytes())
    }),
    Forgery::new("payload-not-utf-8", "a payload that is not UTF-8", SERIALISATION, |issuer, claims| {
        let payload = spoilt(&Value::Object(claims).to_string());
        rightly(issuer, head(issuer).as_bytes(), &payload)
    }),
    Forgery::new("header-not-utf-8", "a header that is not UTF-8", SERIALISATION, |issuer, claims| {
        rightly(issuer, &spoilt(&head(issuer)), Value::Object(claims).to_string().as_bytes())
    }),
    Forgery::new("payload-in-utf-16", "a payload in UTF-16", SERIALISATION, |issuer, claims| {
        let payload: Vec<u8> =
            Value::Object(claims).to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
        rightly(issuer, head(issuer).as_bytes(), &payload)
    }),
    Forgery::new(
        "unknown-crit",
        "an extension that must be understood and is not known",
        CRITICAL,
        |issuer, claims| {
            let draft = Draft::of(issuer, claims).head("crit", json!(["urn:watertight:only-at-noon"]));
            draft.head("urn:watertight:only-at-noon", true).rightly()
        },
    ),
    Forgery::new(
        "crit-empty",
        "an empty list of extensions that must be understood",
        Known::low(347, "9.1.2"),
        |issuer, claims| Draft::of(issuer, claims).head("crit", json!([])).rightly(),
    ),
    Forgery::new(
        "crit-of-nothing",
        "an extension that must be understood and is not there",
        CRITICAL,
        |issuer, claims| Draft::of(issuer, claims).head("crit", json!(["exp-must-be-signed"])).rightly(),
    ),
    Forgery::new(
        "unencoded-payload",
        "a payload that is said to be signed as it stands",
        CRITICAL,
        |issuer, claims| Draft::of(issuer, claims).head("crit", json!(["b64"])).head("b64", false).rightly(),
    ),
    Forgery::new(
        "flattened-json",
        "the JSON serialisation in the place of the compact one",
        SERIALISATION,
        |issuer, claims| {
            let [head, payload, signature] = parts(issuer, &claims)?;
            Forged::bearer(
                &json!({ "protected": head, "payload": payload, "signature": signature }).to_string(),
            )
        },
    ),
    Forgery::new(
        "general-json",
        "the general JSON serialisation, with two signatures",
        SERIALISATION,
        |issuer, claims| {
            let [head, payload, signature] = parts(issuer, &claims)?;
            let good = json!({ "protected": head, "signature": signature });
            let bad = json!({ "protected": head, "signature": "AAAA" });
            Forged::bearer(&json!({ "payload": payload, "signatures": [bad, good] }).to_string())
        },
    ),
    Forgery::new(
        "encrypted",
        "claims that anyone encrypted to the issuer's public key",
        ENCRYPTED,
        |issuer, claims| {
            Forged::bearer(&encrypted(issuer, json!({}), Value::Object(claims).to_string().as_bytes())?)
        },
    ),
    Forgery::new(
        "encrypted-unsigned",
        "an unsigned token that anyone encrypted to the issuer's public key",
        ENCRYPTED,
        |issuer, claims| {
            let inner = Draft::of(issuer, claims).head("alg", "none").sealed(|_| Ok(Vec::new()))?;
            Forged::bearer(&encrypted(issuer, json!({ "cty": "JWT" }), inner.as_bytes())?)
        },
    ),
    Forgery::new(
        "compressed-bomb",
        "a token that unpacks to a thousand times its size",
        COSTLY,
        |issuer, _| Forged::bearer(&encrypted(issuer, json!({ "zip": "DEF" }), &bomb())?),
    ),
    Forgery::new(
        "giant-p2c",
        "a token whose key takes two thousand million rounds to derive",
        COSTLY,
        |_, _| {
            let head =
                json!({ "alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": ROUNDS, "p2s": "AAAAAAAAAAA" });
            let part = |length: usize| URL_SAFE_NO_PAD.encode(vec![7; length]);
            let head = URL_SAFE_NO_PAD.encode(head.to_string());
            Forged::bearer(&format!("{head}.{}.{}.{}.{}", part(40), part(12), part(64), part(16)))
        },
    ),
    Forgery::new("deep-header", "a header nested deeper than any reader goes", COSTLY, |issuer, claims| {
        let nested = format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP));
        let head = head(issuer).replacen('{', &format!("{{\"x\":{nested},"), 1);
        rightly(issuer, head.as_bytes(), Value::Object(claims).to_string().as_bytes())
    }),
    Forgery::new(
        "token-in-query",
        "a rightful token in the query, where logs keep it",
        PLACE,
        |issuer, claims| query("access_token", issuer, &claims),
    ),
    Forgery::new(
        "token-in-query-as-token",
        "a rightful token in the query under the name token",
        PLACE,
        |issuer, claims| query("token", issuer, &claims),
    ),
    Forgery::new(
        "token-in-query-as-jwt",
        "a rightful token in the query under the name jwt",
        PLACE,
        |issuer, claims| query("jwt", issuer, &claims),
    ),
    Forgery::new(
        "two-headers-rightful-first",
        "two Authorization headers, the first a rightful one",
        TWICE,
        |issuer, claims| several(&[&issuer.mint(&claims)?, "not.a.token"]),
    ),
    Forgery::new(
        "two-headers-rightful-last",
        "two Authorization headers, the last a rightful one",
        TWICE,
        |issuer, claims| several(&["not.a.token", &issuer.mint(&claims)?]),
    ),
    Forgery::new("two-headers-alike", "the rightful Authorization header twice", TWICE, |issuer, claims| {
        let token = issuer.mint(&claims)?;
        several(&[&token, &token])
    }),
    Forgery::new(
        "two-tokens-in-one-header",
        "two tokens in one Authorization header",
        TWICE,
        |issuer, claims| {
            let token = issuer.mint(&claims)?;
            Forged::header(format!("Bearer {token}, Bearer not.a.token"))
        },
    ),
    Forgery::new("not-a-token", "a bearer value that is no token at all", MALFORMED, |_, _| {
        Forged::bearer("..%00{}")
    }),
    Forgery::new("empty-bearer", "the word Bearer and nothing else", MALFORMED, |_, _| {
        Forged::header("Bearer")
    }),
    Forgery::new("bare-token", "a rightful token without the word Bearer", MALFORMED, |issuer, claims| {
        Forged::header(issuer.mint(&claims)?)
    }),
    Forgery::new("another-scheme", "a rightful token under another scheme", MALFORMED, |issuer, claims| {
        Forged::header(format!("Token {}", issuer.mint(&claims)?))
    }),
    Forgery::new("basic-scheme", "a rightful token as a password", MALFORMED, |issuer, claims| {
        let pair = format!(
            "{}:{}",
            claims.get("sub").and_then(Value::as_str).unwrap_or_default(),
            issuer.mint(&claims)?
        );
        Forged::header(format!("Basic {}", STANDARD.encode(pair)))
    }),
    Forgery::new(
        "token-with-a-tail",
        "a rightful token and a word behind it",
        MALFORMED,
        |issuer, claims| Forged::bearer(&format!("{} admin", issuer.mint(&claims)?)),
    ),
    Forgery::new("quoted-token", "a rightful token in quotes", MALFORMED, |issuer, claims| {
        Forged::bearer(&format!("\"{}\"", issuer.mint(&claims)?))
    }),
    Forgery::new("fourth-part", "a rightful token with a fourth part", MALFORMED, |issuer, claims| {
        Forged::bearer(&format!("{}.AAAA", issuer.mint(&claims)?))
    }),
    Forgery::new("dots", "nothing but dots", MALFORMED, |_, _| Forged::bearer("..")),
    Forgery::new("header-no-json", "a header that is no JSON", MALFORMED, |issuer, claims| {
        rightly(issuer, b"alg=RS256", Value::Object(claims).to_string().as_bytes())
    }),
    Forgery::new("header-null", "a header that is null", MALFORMED, |issuer, claims| {
        rightly(issuer, b"null", Value::Object(claims).to_string().as_bytes())
    }),
    Forgery::new("payload-array", "a payload that is an array", MALFORMED, |issuer, claims| {
        rightly(issuer, head(issuer).as_bytes(), json!([claims]).to_string().as_bytes())
    }),
    Forgery::new("payload-empty", "an empty payload", MALFORMED, |issuer, _| {
        rightly(issuer, head(issuer).as_bytes(), b"")
    }),
    Forgery::new("not-ascii", "a bearer value that is not even text", MALFORMED, |_, _| {
        Forged::bearer("\u{ff}\u{fe}.\u{c3}\u{28}.\u{80}")
    }),
    Forgery::new("endless", "a bearer value longer than any token", MALFORMED, |_, _| {
        Forged::bearer(&"A".repeat(LONG))
    }),
];

/// Which of two is the last.
#[derive(Clone, Copy)]
enum Last {
    Hostile,
    Rightful,
}

/// A claim twice.
fn twice(
    issuer: &Issuer,
    mut claims: Claims,
    name: &str,
    hostile: Value,
    last: Last,
) -> Result<Forged, KeyError> {
    let rightful = claims.remove(name).unwrap_or(Value::Null);
    let (first, second) = match last {
        Last::Hostile => (rightful, hostile),
        Last::Rightful => (hostile, rightful),
    };
    let others = claims.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let payload = object_text([(name, first)].into_iter().chain(others).chain([(name, second)]));
    rightly(issuer, head(issuer).as_bytes(), payload.as_bytes())
}

/// The text of a rightful header.
fn head(issuer: &Issuer) -> String {
    json!({ "alg": "RS256", "typ": "JWT", "kid": issuer.keys.rsa.id }).to_string()
}

/// A bearer token of these bytes, signed as the issuer does.
fn rightly(issuer: &Issuer, head: &[u8], payload: &[u8]) -> Result<Forged, KeyError> {
    Forged::bearer(&compact(head, payload, |message| issuer.keys.rsa.sign(message))?)
}

/// With one more member, whose value is no text.
fn spoilt(object: &str) -> Vec<u8> {
    let rest = object.strip_prefix('{').unwrap_or(object);
    [b"{\"note\":\"\xff\xfe\",", rest.as_bytes()].concat()
}

/// The parts of a rightful token.
fn parts(issuer: &Issuer, claims: &Claims) -> Result<[String; 3], KeyError> {
    let token = issuer.mint(claims)?;
    let mut parts = token.split('.').map(str::to_owned);
    Ok([(); 3].map(|()| parts.next().unwrap_or_default()))
}

fn query(name: &'static str, issuer: &Issuer, claims: &Claims) -> Result<Forged, KeyError> {
    Ok(Forged { credential: Credential::Query(name, Secret::new(issuer.mint(claims)?)), bait: None })
}

#[expect(clippy::unnecessary_wraps, reason = "every row of the table has the same shape")]
fn several(tokens: &[&str]) -> Result<Forged, KeyError> {
    let headers = tokens.iter().map(|token| Secret::new(format!("Bearer {token}"))).collect();
    Ok(Forged { credential: Credential::Several(headers), bait: None })
}
