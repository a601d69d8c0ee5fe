//! A certificate that an attacker signs for their own key (RFC 5280): as good as none, unless somebody trusts it.

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
    use super::{SEQUENCE, der};

    #[test]
    fn a_length_is_one_byte_while_it_fits_and_says_how_many_otherwise() {
        assert_eq!(der(SEQUENCE, &[])[..], [SEQUENCE, 0]);
        assert_eq!(der(SEQUENCE, &[7; 0x7f])[..2], [SEQUENCE, 0x7f]);
        assert_eq!(der(SEQUENCE, &[7; 0x80])[..3], [SEQUENCE, 0x81, 0x80]);
        assert_eq!(der(SEQUENCE, &[7; 0x123])[..4], [SEQUENCE, 0x82, 0x01, 0x23]);
    }
}
