//! Who a request comes from: keys, tokens signed with them, the JWKS a target fetches, and forgeries.

pub mod forge;
mod jwks;
mod keys;
pub mod login;
mod principal;
mod token;

pub use jwks::{JwksMood, JwksServer};
pub use keys::{Algorithm, KEYS_VARIABLE, KeyError, KeyPair, Keys};
pub use principal::{Credential, Principal};
pub use token::{Claims, Issuer};
