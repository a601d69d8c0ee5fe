//! Key pairs: made once per run, kept in its `shared/` folder, public half as JWK.

use std::path::Path;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::run::{Run, SharedError, shared_in};

/// The variable that names a folder of keys that several runs share.
pub const KEYS_VARIABLE: &str = "WATERTIGHT_KEYS";

/// A key could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The crypto library refused; it does not say why.
    #[error(
        "cannot {0}: the crypto library gives no reason; remove the run folder's shared/keys.json and run again"
    )]
    Refused(&'static str),
}

/// A JWS algorithm (RFC 7518 3.1) the harness signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
}

impl Algorithm {
    /// The value of `alg`.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::RS256 => "RS256",
            Algorithm::ES256 => "ES256",
        }
    }
}

/// A private key with its id.
#[derive(Debug)]
pub struct KeyPair {
    /// The `kid` under which the public half is published.
    pub id: String,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

/// How a key is kept in the run folder.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: String,
    algorithm: Algorithm,
    pkcs8: String,
}

impl KeyPair {
    /// Makes a key: RSA of 2048 bits or P-256.
    pub fn generate(id: &str, algorithm: Algorithm) -> Result<KeyPair, KeyError> {
        let refused = |_| KeyError::Refused("make a signing key");
        let inner = match algorithm {
            Algorithm::RS256 => Inner::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).map_err(refused)?),
            Algorithm::ES256 => {
                Inner::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(refused)?)
            }
        };
        Ok(KeyPair { id: id.to_owned(), inner })
    }

    /// The algorithm the key signs with.
    pub fn algorithm(&self) -> Algorithm {
        match self.inner {
            Inner::Rsa(_) => Algorithm::RS256,
            Inner::Ec(_) => Algorithm::ES256,
        }
    }

    /// The signature over a message, as JWS wants it (RFC 7518 3.3, 3.4).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.signed(message, &RSA_PKCS1_SHA256)
    }

    /// The signature of another algorithm of RSA keys than the one the key is published for: `PS256`, `RS512`.
    pub(super) fn sign_as(&self, alg: &str, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match alg {
            "PS256" => self.signed(message, &RSA_PSS_SHA256),
            _ => self.signed(message, &RSA_PKCS1_SHA512),
        }
    }

    fn signed(&self, message: &[u8], encoding: &'static dyn RsaEncoding) -> Result<Vec<u8>, KeyError> {
        let refused = |_| KeyError::Refused("sign a token");
        let random = SystemRandom::new();
        match &self.inner {
            Inner::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut signature).map_err(refused)?;
                Ok(signature)
            }
            Inner::Ec(key) => Ok(key.sign(&random, message).map_err(refused)?.as_ref().to_vec()),
        }
    }

    /// The public half as a JWK (RFC 7517).
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.inner {
            Inner::Rsa(key) => {
                let public = key.public_key();
                json!({
                    "kty": "RSA",
                    "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
                    "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Inner::Ec(key) => {
                // Uncompressed point: 0x04, x, y.
                let point = key.public_key().as_ref();
                let (x, y) = point[1..].split_at((point.len() - 1) / 2);
                json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
            }
        };
        jwk["kid"] = self.id.clone().into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm().as_str().into();
        jwk
    }

    /// The public half as a `SubjectPublicKeyInfo`.
    pub(super) fn public_der(&self) -> Result<Vec<u8>, KeyError> {
        let refused = |_| KeyError::Refused("write a public key");
        let der: PublicKeyX509Der<'_> = match &self.inner {
            Inner::Rsa(key) => key.public_key().as_der().map_err(refused)?,
            Inner::Ec(key) => key.public_key().as_der().map_err(refused)?,
        };
        Ok(der.as_ref().to_vec())
    }

    /// The public half as PEM: what an attacker of RS256-to-HS256 confusion has.
    pub fn public_pem(&self) -> Result<String, KeyError> {
        Ok(pem("PUBLIC KEY", &self.public_der()?))
    }

    fn keep(&self) -> Result<Kept, KeyError> {
        let refused = |_| KeyError::Refused("write a private key");
        let pkcs8 = match &self.inner {
            Inner::Rsa(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().map_err(refused)?;
                STANDARD.encode(der.as_ref())
            }
            Inner::Ec(key) => STANDARD.encode(key.to_pkcs8v1().map_err(refused)?.as_ref()),
        };
        Ok(Kept { id: self.id.clone(), algorithm: self.algorithm(), pkcs8 })
    }

    fn from_kept(kept: Kept) -> Result<KeyPair, KeyError> {
        let refused = || KeyError::Refused("read a kept key");
        let der = STANDARD.decode(&kept.pkcs8).map_err(|_| refused())?;
        let inner = match kept.algorithm {
            Algorithm::RS256 => Inner::Rsa(RsaKeyPair::from_pkcs8(&der).map_err(|_| refused())?),
            Algorithm::ES256 => Inner::Ec(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map_err(|_| refused())?,
            ),
        };
        Ok(KeyPair { id: kept.id, inner })
    }
}

/// DER as text (RFC 7468).
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// The keys of a run.
#[derive(Debug)]
pub struct Keys {
    /// Signs every rightful token; published.
    pub rsa: KeyPair,
    /// Published beside it, so that a target that accepts ES256 is tried with it.
    pub ec: KeyPair,
    /// Never published: what an attacker signs with.
    pub stranger: KeyPair,
}

impl Keys {
    /// The keys of a run: read from its folder, or made by the first process that asks. Runs on several machines that
    /// are one to the target share a folder of keys ([`KEYS_VARIABLE`]): it knows one issuer.
    pub fn of_run(run: &Run) -> Result<Keys, SharedError<KeyError>> {
        match std::env::var_os(KEYS_VARIABLE) {
            Some(folder) => Keys::read(shared_in(Path::new(&folder), "keys", |_| true, Keys::make)?),
            None => Keys::read(run.shared("keys", Keys::make)?),
        }
    }

    fn make() -> Result<[Kept; 3], KeyError> {
        let name = |role: &str| format!("{role}-{}", crate::leak::random_code(6));
        Ok([
            KeyPair::generate(&name("rsa"), Algorithm::RS256)?.keep()?,
            KeyPair::generate(&name("ec"), Algorithm::ES256)?.keep()?,
            KeyPair::generate(&name("stranger"), Algorithm::RS256)?.keep()?,
        ])
    }

    fn read(kept: [Kept; 3]) -> Result<Keys, SharedError<KeyError>> {
        let [rsa, ec, stranger] = kept.map(KeyPair::from_kept);
        Ok(Keys {
            rsa: rsa.map_err(SharedError::Make)?,
            ec: ec.map_err(SharedError::Make)?,
            stranger: stranger.map_err(SharedError::Make)?,
        })
    }

    /// The JWKS document (RFC 7517 5) of the published keys.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.rsa.jwk(), self.ec.jwk()] })
    }
}
