//! A port for what a test has others listen on later.

use std::net::TcpListener;

use rand::Rng as _;

/// Below those that systems give to outgoing connections (Linux from 32768, IANA's from 49152 on): one of these could be
/// taken by any connection of the machine until somebody listens.
const LISTENERS: std::ops::Range<u16> = 10_000..32_000;

/// A port that nothing listens on. Another server may take it before it is used, which then fails loudly.
pub fn free() -> u16 {
    let mut rng = rand::rng();
    loop {
        let port = rng.random_range(LISTENERS);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
