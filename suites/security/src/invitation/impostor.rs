//! Whoever is not the invitee, and how much they look like them.

use harness::contract::Operation;
use harness::identity::Principal;
use harness::target::Capability;
use harness::world::Stop;
use serde_json::{Value, json};

use super::{Invited, accept, judged, state};
use crate::arena::Arena;
use crate::case::{Case, CaseOutcome};

/// Somebody who is not the invitee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Impostor {
    AnotherAddress,
    Unverified,
    VerifiedAsText,
    NoAddress,
    Plus,
    Dots,
    Cyrillic,
    FullWidth,
    DotlessI,
    ZeroWidth,
    Blank,
    TrailingDot,
    TwoAddresses,
    List,
}

impl Impostor {
    /// All of them.
    pub const ALL: [Impostor; 14] = [
        Impostor::AnotherAddress,
        Impostor::Unverified,
        Impostor::VerifiedAsText,
        Impostor::NoAddress,
        Impostor::Plus,
        Impostor::Dots,
        Impostor::Cyrillic,
        Impostor::FullWidth,
        Impostor::DotlessI,
        Impostor::ZeroWidth,
        Impostor::Blank,
        Impostor::TrailingDot,
        Impostor::TwoAddresses,
        Impostor::List,
    ];

    /// The word in paths.
    pub fn variant(self) -> &'static str {
        match self {
            Impostor::AnotherAddress => "another-address",
            Impostor::Unverified => "unverified",
            Impostor::VerifiedAsText => "verified-as-text",
            Impostor::NoAddress => "no-address",
            Impostor::Plus => "plus-address",
            Impostor::Dots => "dots",
            Impostor::Cyrillic => "homoglyph",
            Impostor::FullWidth => "full-width",
            Impostor::DotlessI => "dotless-i",
            Impostor::ZeroWidth => "zero-width",
            Impostor::Blank => "blank",
            Impostor::TrailingDot => "trailing-dot",
            Impostor::TwoAddresses => "two-addresses",
            Impostor::List => "list",
        }
    }

    /// Who that is.
    pub fn who(self) -> &'static str {
        match self {
            Impostor::AnotherAddress => "somebody with another address",
            Impostor::Unverified => "somebody who has not shown that the address is theirs",
            Impostor::VerifiedAsText => "somebody whose address is verified by the word \"false\"",
            Impostor::NoAddress => "somebody without an address",
            Impostor::Plus => "somebody with a plus in the address",
            Impostor::Dots => "somebody with a dot more in the address",
            Impostor::Cyrillic => "somebody with a letter of another script in the address",
            Impostor::FullWidth => "somebody with a letter of full width in the address",
            Impostor::DotlessI => "somebody with an i without its dot in the address",
            Impostor::ZeroWidth => "somebody with an invisible character in the address",
            Impostor::Blank => "somebody with a blank after the address",
            Impostor::TrailingDot => "somebody with a dot after the domain",
            Impostor::TwoAddresses => "somebody whose address goes on after the invited one",
            Impostor::List => "somebody with a list of addresses",
        }
    }

    pub fn cwe(self) -> u32 {
        match self {
            Impostor::AnotherAddress | Impostor::NoAddress => 863,
            Impostor::Unverified | Impostor::VerifiedAsText => 287,
            Impostor::TwoAddresses | Impostor::List => 20,
            _ => 176,
        }
    }

    /// The claims of such a somebody: `email` and `email_verified`.
    fn claims(self, invited: &str) -> (Value, Value) {
        let (local, domain) = invited.split_once('@').unwrap_or((invited, "watertight.invalid"));
        let at = |local: &str| json!(format!("{local}@{domain}"));
        let email = match self {
            Impostor::AnotherAddress => at(&format!("x{local}")),
            Impostor::Unverified | Impostor::VerifiedAsText => json!(invited),
            Impostor::NoAddress => Value::Null,
            Impostor::Plus => at(&format!("{local}+x")),
            Impostor::Dots => at(&format!("{}.{}", &local[..1], &local[1..])),
            Impostor::Cyrillic => at(&local.replacen('e', "\u{435}", 1)),
            Impostor::FullWidth => at(&local.replacen('v', "\u{ff56}", 1)),
            Impostor::DotlessI => at(&local.replacen('i', "\u{131}", 1)),
            Impostor::ZeroWidth => at(&format!("{local}\u{200b}")),
            Impostor::Blank => json!(format!("{invited} ")),
            Impostor::TrailingDot => json!(format!("{invited}.")),
            Impostor::TwoAddresses => json!(format!("{invited},x{invited}")),
            Impostor::List => json!([invited, format!("x{invited}")]),
        };
        let verified = match self {
            Impostor::Unverified => json!(false),
            Impostor::VerifiedAsText => json!("false"),
            _ => json!(true),
        };
        (email, verified)
    }

    /// Accepts as the impostor; must be refused, and change nothing.
    pub async fn run(
        self,
        arena: &Arena,
        operation: &Operation,
        case: Case,
        invited: &Invited,
    ) -> Result<CaseOutcome, Stop> {
        let invitation = &invited.invitation;
        let (email, verified) = self.claims(&invitation.invitee.email);
        let account = arena.data().users().stranger("impostor")?;
        let account = account.with_claims(|claims| {
            if email.is_null() {
                claims.remove("email");
            } else {
                claims.insert("email".to_owned(), email);
            }
            claims.insert("email_verified".to_owned(), verified);
        });
        let account = account.ok_or_else(unminted)?;
        let before = state(arena, operation).await?;
        let attacked = accept(arena, operation, &account, &invitation.token).await?;
        let changes = before.changes(&state(arena, operation).await?);
        Ok(judged(arena, operation, case, attacked, &changes))
    }
}

/// Another account with the same verified address.
pub(super) fn namesake(arena: &Arena, invitee: &Principal) -> Result<Principal, Stop> {
    let account = arena.data().users().stranger("namesake")?;
    let email = json!(invitee.email);
    let account = account.with_claims(|claims| {
        claims.insert("email".to_owned(), email);
        claims.insert("email_verified".to_owned(), json!(true));
    });
    account.ok_or_else(unminted)
}

fn unminted() -> Stop {
    Stop::skip(format!("the target has no capability '{}'", Capability::Mint))
}
