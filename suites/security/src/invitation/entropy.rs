//! How hard the token of an invitation is to guess, estimated from a sample.
//!
//! The estimate: at each position of the tokens, the share of pairs of tokens that have the same character there is the
//! chance that two draws agree; its negative logarithm (the collision entropy) is what the position is worth at least.
//! The positions are added up as if they had nothing to do with each other, which is the most the token can be worth.
//! With n tokens there are n(n-1)/2 pairs: the 48 of a sample tell 6 bits a character to about a third of a bit, and
//! the sum of a token's characters to less than three. So a token of 128 random bits or more passes, one that is mostly
//! a counter, a time or a name does not, and neither do the 122 bits of a random UUID. What the sum cannot see is a
//! token that follows from something known: hence the look for the id, the address and their hashes.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use harness::contract::SlotKind;
use harness::data::fresh_email;
use harness::exchange::Class;
use harness::target::Capability;
use harness::verdict::Verdict;
use harness::world::Stop;
use sha2::{Digest as _, Sha256};

use super::INVITE;
use crate::arena::Arena;
use crate::case::{Case, CaseOutcome};

/// How many invitations are a sample.
const SAMPLE: u32 = 48;
/// What a token must be worth (ASVS 5.0, 11.5.1).
const LEAST_BITS: f64 = 128.0;
/// How far the estimate of a sample may be off.
const UNCERTAIN: f64 = 3.0;

/// A token with what an outsider may know about its invitation.
struct Sampled {
    token: String,
    known: [String; 2],
}

/// Invites a sample, and estimates.
pub(super) async fn run(arena: &Arena, case: Case) -> Result<CaseOutcome, Stop> {
    let mail = arena.system.stand_ins.mail.as_ref();
    if mail.is_none() {
        let why = format!("the target has no capability '{}'", Capability::Mail);
        return Ok(case.without_result(Verdict::Skip, &why));
    }
    let (tenant, admin) = (&arena.acme.tenant, &arena.acme.admin);
    let role = arena.data().invitations().role(tenant, admin).await?;
    let mut sampled = Vec::new();
    for _ in 0..SAMPLE {
        let email = fresh_email("sample");
        let call = arena.api.call(INVITE).as_(admin).org(&tenant.org).role(&role).class(Class::Invitation);
        let call = call.slot(SlotKind::Email, &email).slot(SlotKind::Text, &tenant.text("welcome"));
        let id = call.send().await?.expect(201)?.text_at("/id")?;
        let token = arena.data().invitations().token(tenant, &email).await?;
        sampled.push(Sampled { token, known: [id, email] });
    }
    let target = &arena.system.target.name;
    if let Some(why) = sampled.iter().find_map(follows) {
        return Ok(case.failed(target, "a token that follows from nothing known", &why, Vec::new()));
    }
    let tokens: Vec<&str> = sampled.iter().map(|sampled| sampled.token.as_str()).collect();
    let bits = estimated(&tokens);
    if bits + UNCERTAIN >= LEAST_BITS && tokens.iter().collect::<BTreeSet<_>>().len() == tokens.len() {
        return Ok(case.passed());
    }
    let observed = format!("about {bits:.0} bits in {SAMPLE} tokens");
    Ok(case.failed(target, "at least 128 random bits", &observed, Vec::new()))
}

/// What of a token can be known without it.
fn follows(sampled: &Sampled) -> Option<String> {
    let token = sampled.token.to_lowercase();
    sampled.known.iter().find_map(|known| {
        let digest = Sha256::digest(known.as_bytes());
        let hex = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let spelt = [
            (known.clone(), "stands in it"),
            (known.replace('-', ""), "stands in it"),
            (URL_SAFE_NO_PAD.encode(known), "stands in it"),
            (URL_SAFE_NO_PAD.encode(digest), "has it for a hash"),
            (STANDARD.encode(digest), "has it for a hash"),
            (hex, "has it for a hash"),
        ];
        let found = spelt.iter().find(|(text, _)| token.contains(&text.to_lowercase()));
        found.map(|(_, how)| format!("the token follows from what is known of the invitation: it {how}"))
    })
}

/// The sum of what the positions are worth, in bits.
fn estimated(tokens: &[&str]) -> f64 {
    let longest = tokens.iter().map(|token| token.chars().count()).max().unwrap_or_default();
    (0..longest).map(|at| worth(&tokens.iter().map(|token| token.chars().nth(at)).collect::<Vec<_>>())).sum()
}

/// What one position is worth: never more than all pairs could tell.
fn worth(characters: &[Option<char>]) -> f64 {
    let (mut pairs, mut same) = (0_u32, 0_u32);
    for (at, one) in characters.iter().enumerate() {
        for other in &characters[at + 1..] {
            pairs += 1;
            same += u32::from(one == other);
        }
    }
    if pairs == 0 { 0.0 } else { (f64::from(pairs) / f64::from(same.max(1))).log2() }
}

#[cfg(test)]
mod tests {
    use harness::leak::random_code;

    use super::{LEAST_BITS, UNCERTAIN, estimated};

    fn of(made: impl Fn(u32) -> String) -> f64 {
        let tokens: Vec<String> = (0..super::SAMPLE).map(made).collect();
        estimated(&tokens.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[test]
    fn random_tokens_are_worth_their_length() {
        // 31 characters to choose from: just under 5 bits each.
        let bits = of(|_| random_code(32));
        assert!((bits - 158.5).abs() < 4.0, "{bits}");
        assert!(bits > LEAST_BITS);
    }

    #[test]
    fn counters_and_times_are_worth_little() {
        let bits = of(|at| format!("invitation-0000-2026-11-21-{at:08}"));
        assert!(bits < 10.0, "{bits}");
        let bits = of(|at| format!("{:032x}", 1_700_000_000_000_u64 + u64::from(at) * 37));
        assert!(bits < 40.0, "{bits}");
    }

    #[test]
    fn a_random_uuid_is_not_enough() {
        let bits = of(|_| uuid::Uuid::new_v4().to_string());
        assert!(bits + UNCERTAIN < LEAST_BITS, "{bits}");
    }
}
