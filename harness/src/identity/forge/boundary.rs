//! Tokens one second on either side of the end of their time, leeway included: who draws the line elsewhere is found
//! out, and who refuses everything is not taken for careful.

use super::{Draft, Forged, Known};
use crate::identity::token::unix_now;
use crate::identity::{Claims, Issuer, KeyError};

/// One line that time draws.
#[derive(Clone, Copy, Debug)]
pub struct Boundary {
    /// Its name in check paths.
    pub id: &'static str,
    /// What is wrong with the token beyond it, for a reader.
    pub what: &'static str,
    /// What believing it is known as.
    pub known: Known,
    claim: &'static str,
    /// A token is good until this claim, and not from it on.
    ends: bool,
}

/// Both lines: where a token ends and where it begins.
pub const BOUNDARIES: [Boundary; 2] = [
    Boundary {
        id: "past-leeway",
        what: "exp a second longer ago than clocks may differ",
        known: Known::low(613, "9.2.1"),
        claim: "exp",
        ends: true,
    },
    Boundary {
        id: "before-leeway",
        what: "nbf a second further ahead than clocks may differ",
        known: Known::low(613, "9.2.1"),
        claim: "nbf",
        ends: false,
    },
];

/// A token beside a line, and how long it stays on its side.
#[derive(Clone, Debug)]
pub struct Beside {
    /// The token.
    pub forged: Forged,
    until: u64,
}

impl Beside {
    /// Whether it is still on its side, so that what was answered until now was about that.
    pub fn holds(&self) -> bool {
        unix_now() <= self.until
    }
}

impl Boundary {
    /// A token that must be refused: beyond the line by one second at least, by two at most.
    pub fn outside(&self, issuer: &Issuer, rightful: &Claims) -> Result<Beside, KeyError> {
        let now = unix_now();
        if self.ends {
            return self.at(issuer, rightful, now - issuer.leeway - 1, u64::MAX);
        }
        // In a second it is one second closer, which is the one that must still be refused.
        self.at(issuer, rightful, now + issuer.leeway + 2, now + 1)
    }

    /// A token that must be believed: within the line by one second, or by as much as is left of it when it arrives.
    pub fn inside(&self, issuer: &Issuer, rightful: &Claims) -> Result<Beside, KeyError> {
        let now = unix_now();
        if self.ends {
            return self.at(issuer, rightful, now - issuer.leeway + 1, now + 1);
        }
        self.at(issuer, rightful, now + issuer.leeway - 1, u64::MAX)
    }

    fn at(&self, issuer: &Issuer, rightful: &Claims, moment: u64, until: u64) -> Result<Beside, KeyError> {
        let mut claims = rightful.clone();
        claims.insert(self.claim.to_owned(), moment.into());
        let token = Draft::of(issuer, claims).signed(&issuer.keys.rsa)?;
        Ok(Beside { forged: Forged::bearer(&token)?, until })
    }
}
