//! Encrypted tokens (RFC 7516), which anyone can make who has the issuer's public key.

use std::io::Write as _;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::{Value, json};

use crate::identity::{Issuer, KeyError};

/// What the bomb unpacks to, in bytes: still something a machine survives, if somebody unpacks it.
const UNPACKED: usize = 4 * 1024 * 1024;

/// A token encrypted to the issuer's published RSA key, with these members in its header besides.
pub(super) fn encrypted(issuer: &Issuer, more: Value, plaintext: &[u8]) -> Result<String, KeyError> {
    let refused = |_| KeyError::Refused("encrypt a token");
    let mut head = json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": issuer.keys.rsa.id });
    if let (Value::Object(head), Value::Object(more)) = (&mut head, more) {
        head.extend(more);
    }
    let head = URL_SAFE_NO_PAD.encode(head.to_string());
    let (mut content_key, mut nonce) = ([0; 32], [0; NONCE_LEN]);
    rand::fill(&mut content_key).map_err(refused)?;
    rand::fill(&mut nonce).map_err(refused)?;

    let public = PublicEncryptingKey::from_der(&issuer.keys.rsa.public_der()?)
        .map_err(|_| KeyError::Refused("read a public key"))?;
    let public = OaepPublicEncryptingKey::new(public).map_err(refused)?;
    let mut wrapped = vec![0; public.ciphertext_size()];
    public.encrypt(&OAEP_SHA256_MGF1SHA256, &content_key, &mut wrapped, None).map_err(refused)?;

    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &content_key).map_err(refused)?);
    let mut text = plaintext.to_vec();
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(head.as_bytes()),
            &mut text,
        )
        .map_err(refused)?;
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Ok(format!("{head}.{}.{}.{}.{}", part(&wrapped), part(&nonce), part(&text), part(tag.as_ref())))
}

/// Spaces without end, in few bytes.
pub(super) fn bomb() -> Vec<u8> {
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
    // Writing into a vector does not fail.
    packed.write_all(&vec![b' '; UNPACKED]).and_then(|()| packed.finish()).unwrap_or_default()
}
