//! Keys in DER: a certificate that an attacker signs for their own key (RFC 5280), as good as none unless somebody
//! trusts it; and published keys as an attacker of confusion with HMAC has them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::identity::{KeyError, KeyPair};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const NULL: u8 = 0x05;
const OBJECT_ID: u8 = 0x06;
const UTF8: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const VERSION: u8 = 0xa0;

/// `rsaEncryption`, 1.2.840.113549.1.1.1 (RFC 8017).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `id-ecPublicKey`, 1.2.840.10045.2.1, and `secp256r1`, 1.2.840.10045.3.1.7 (RFC 5480).
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// `id-Ed25519`, 1.3.101.112 (RFC 8410).
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// What a point that is not compressed begins with (SEC 1, 2.3.3).
const UNCOMPRESSED: u8 = 0x04;

/// `sha256WithRSAEncryption`, 1.2.840.113549.1.1.11.
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
/// `commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// One value in DER: its tag, its length, its content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    let mut value = vec![tag];
    if content.len() >= 0x80 {
        value.push(0x80 | u8::try_from(significant.len()).unwrap_or_default());
    }
    value.extend_from_slice(significant);
    value.extend_from_slice(content);
    value
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(SEQUENCE, &parts.concat())
}

/// A positive number, whose first bit must not say otherwise.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes.first().is_some_and(|first| first & 0x80 != 0) { &[0] } else { &[] };
    der(INTEGER, &[sign, bytes].concat())
}

/// A published key (RFC 7517: RSA, P-256 or Ed25519) as a `SubjectPublicKeyInfo`; `None` for one of another kind.
pub(super) fn subject_public_key_info(jwk: &Value) -> Option<Vec<u8>> {
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
    let object = |id: &[u8]| der(OBJECT_ID, id);
    let (algorithm, key) = match (jwk["kty"].as_str()?, jwk["crv"].as_str()) {
        ("RSA", _) => {
            let key = sequence(&[integer(&member("n")?), integer(&member("e")?)]);
            (vec![object(RSA), der(NULL, &[])], key)
        }
        ("EC", Some("P-256")) => {
            (vec![object(EC), object(P256)], [vec![UNCOMPRESSED], member("x")?, member("y")?].concat())
        }
        ("OKP", Some("Ed25519")) => (vec![object(ED25519)], member("x")?),
        _ => return None,
    };
    Some(sequence(&[sequence(&algorithm), der(BIT_STRING, &[vec![0], key].concat())]))
}

/// An RSA key's own certificate, signed by itself, in DER.
pub(super) fn self_signed(key: &KeyPair) -> Result<Vec<u8>, KeyError> {
    let algorithm = sequence(&[der(OBJECT_ID, SHA256_WITH_RSA), der(NULL, &[])]);
    let name = sequence(&[der(OBJECT_ID, COMMON_NAME), der(UTF8, b"attacker.invalid")]);
    let name = sequence(&[der(SET, &name)]);
    let validity = sequence(&[der(UTC_TIME, b"250101000000Z"), der(UTC_TIME, b"491231235959Z")]);
    let signed = sequence(&[
        der(VERSION, &der(INTEGER, &[2])),
        der(INTEGER, &[1]),
        algorithm.clone(),
        name.clone(),
        validity,
        name,
        key.public_der()?,
    ]);
    let signature = key.sign(&signed)?;
    Ok(sequence(&[signed, algorithm, der(BIT_STRING, &[&[0], signature.as_slice()].concat())]))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::{SEQUENCE, der, subject_public_key_info};
    use crate::identity::{Algorithm, KeyPair};

    #[test]
    fn a_published_key_is_the_one_that_the_crypto_library_writes() {
        for algorithm in [Algorithm::RS256, Algorithm::ES256] {
            let key = KeyPair::generate("key", algorithm).unwrap();
            assert_eq!(subject_public_key_info(&key.jwk()), Some(key.public_der().unwrap()));
        }
        // The example of RFC 8410, 10.1.
        let info = STANDARD.decode("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=").unwrap();
        let x = URL_SAFE_NO_PAD.encode(&info[info.len() - 32..]);
        assert_eq!(subject_public_key_info(&json!({ "kty": "OKP", "crv": "Ed25519", "x": x })), Some(info));
        assert_eq!(subject_public_key_info(&json!({ "kty": "oct", "k": "c2VjcmV0" })), None);
    }

    #[test]
    fn a_length_is_one_byte_while_it_fits_and_says_how_many_otherwise() {
        assert_eq!(der(SEQUENCE, &[])[..], [SEQUENCE, 0]);
        assert_eq!(der(SEQUENCE, &[7; 0x7f])[..2], [SEQUENCE, 0x7f]);
        assert_eq!(der(SEQUENCE, &[7; 0x80])[..3], [SEQUENCE, 0x81, 0x80]);
        assert_eq!(der(SEQUENCE, &[7; 0x123])[..4], [SEQUENCE, 0x82, 0x01, 0x23]);
    }
}
