//! What the board gives whoever is signed in for the door beside it: a JWT, and the keys to check it with.

use std::sync::LazyLock;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::identity::{Algorithm, KeyPair};
use jsonwebtoken::{DecodingKey, Validation, decode, jwk::Jwk};
use serde_json::{Value, json};

use crate::board::Hole;

/// How the bindings of the board go on, for whoever tests the door as well.
pub const FILE: &str = r#"
[identity.tokens.badge]
call = "badge-get"
credential = "/badge"
send = "X-Badge: {}"
jwks = "keys"

[operations.badge-get]
request = "GET /badge"
permission = ["signed-in"]

[operations.keys]
request = "GET /keys"
permission = ["public"]

[operations.door]
request = "GET /door"
token = "badge"
permission = ["signed-in"]
"#;

/// Nobody is let in with a badge older than a quarter of an hour.
const LIFE: i64 = 900;

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate("door", Algorithm::ES256).unwrap());

pub fn keys() -> Value {
    json!({ "keys": [KEY.jwk()] })
}

pub fn badge_of(person: &str) -> String {
    let ends = time::OffsetDateTime::now_utc().unix_timestamp() + LIFE;
    let part = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = part(json!({ "alg": "ES256", "typ": "JWT", "kid": KEY.id }));
    let message = format!("{header}.{}", part(json!({ "sub": person, "exp": ends })));
    let signature = KEY.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Whose badge it is.
pub fn holder(badge: &str, hole: Hole) -> Result<String, StatusCode> {
    let refused = StatusCode::UNAUTHORIZED;
    let parts: Vec<&str> = badge.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { return Err(refused) };
    let object =
        |part: &str| URL_SAFE_NO_PAD.decode(part).ok().and_then(|part| serde_json::from_slice(&part).ok());
    let (header, claims): (Value, Value) = object(header).zip(object(claims)).ok_or(refused)?;
    let is_open = match hole {
        Hole::Unsigned => header["alg"] == "none" && signature.is_empty(),
        Hole::Confused => is_confused(badge),
        _ => false,
    };
    let checked = DecodingKey::from_jwk(&serde_json::from_value::<Jwk>(KEY.jwk()).unwrap()).unwrap();
    let is_right = decode::<Value>(badge, &checked, &Validation::new(jsonwebtoken::Algorithm::ES256)).is_ok();
    if is_open || is_right { Ok(claims["sub"].as_str().unwrap_or_default().to_owned()) } else { Err(refused) }
}

/// Whether the published key was taken for a secret.
fn is_confused(badge: &str) -> bool {
    let secret = DecodingKey::from_secret(KEY.public_pem().unwrap().as_bytes());
    decode::<Value>(badge, &secret, &Validation::new(jsonwebtoken::Algorithm::HS256)).is_ok()
}
