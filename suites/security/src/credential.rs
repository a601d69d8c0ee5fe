//! Credentials that the target gave: without one, and with a broken one, every operation that needs one is closed.
//!
//! What the harness cannot sign it cannot forge; what it was given it can leave out, cut and alter. Of a JWT it makes
//! whatever takes the published keys alone.

use harness::contract::{Effect, Operation};
use harness::exchange::Class;
use harness::identity::Credential;
use harness::identity::forge::{Counterfeit, Given};
use harness::record::Severity;
use harness::target::{Login, Refusal, Secret};
use harness::verdict::Verdict;
use harness::world::Stop;
use serde_json::Value;

use crate::arena::{Arena, is_no_answer, listed, no_answer};
use crate::case::{Case, CaseOutcome, Reference};

/// One thing that is wrong with a credential.
#[derive(Clone, Copy, Debug)]
struct Flaw {
    id: &'static str,
    what: &'static str,
    cwe: u32,
    /// The secret, broken; none where nothing is sent.
    make: fn(&str) -> Option<String>,
}

const FLAWS: [Flaw; 4] = [
    Flaw { id: "no-credential", what: "a request without a credential", cwe: 306, make: |_| None },
    Flaw {
        id: "cut-credential",
        what: "the first half of a rightful credential",
        cwe: 287,
        make: |secret| secret.get(..secret.len() - secret.len() / 2).map(str::to_owned),
    },
    Flaw {
        id: "altered-credential",
        what: "a rightful credential with another character in its middle",
        cwe: 287,
        make: |secret| altered(secret, secret.len() / 2),
    },
    Flaw {
        id: "altered-end",
        what: "a rightful credential with another character near its end",
        cwe: 287,
        // The last one of base64 may have bits that nobody reads.
        make: |secret| altered(secret, secret.len().checked_sub(3)?),
    },
];

/// With another character in one place.
fn altered(secret: &str, at: usize) -> Option<String> {
    let other = if secret.get(at..=at)? == "A" { "B" } else { "A" };
    Some(format!("{}{other}{}", secret.get(..at)?, secret.get(at + 1..)?))
}

impl Flaw {
    /// The header's value with its secret broken.
    fn of(&self, credential: &Credential, value: &str) -> Option<String> {
        let (before, secret) = value.split_at(credential.secret_begins(value));
        Some(format!("{before}{}", (self.make)(secret)?))
    }
}

/// What is sent in the place of a rightful credential.
#[derive(Clone, Copy)]
enum Wrong {
    Flaw(&'static Flaw),
    /// Of a JWT, whose issuer publishes its keys.
    Counterfeit(&'static Counterfeit),
}

impl Wrong {
    /// All that can be made of an operation's credential.
    fn all(operation: &Operation, login: &Login) -> impl Iterator<Item = Wrong> + use<> {
        let is_jwt = login.keys_for(operation).is_some();
        let counterfeits = Counterfeit::ALL.iter().filter(move |_| is_jwt).map(Wrong::Counterfeit);
        FLAWS.iter().map(Wrong::Flaw).chain(counterfeits)
    }

    fn what(self) -> &'static str {
        match self {
            Wrong::Flaw(flaw) => flaw.what,
            Wrong::Counterfeit(counterfeit) => counterfeit.what,
        }
    }

    fn case(self, operation: &Operation) -> Case {
        let (id, cwe, asvs, severity) = match self {
            Wrong::Flaw(flaw) => (flaw.id, flaw.cwe, "8.2.1", Severity::Critical),
            Wrong::Counterfeit(Counterfeit { id, known, .. }) => (*id, known.cwe, known.asvs, known.severity),
        };
        Case {
            path: format!("token/{}/{id}", operation.name),
            operation: operation.name.clone(),
            reference: Reference { cwe, owasp: "API2", asvs },
            severity,
            title: format!("{} accepts {}", operation.name, self.what()),
            gain: format!("uses {} in the name of anyone", operation.name),
        }
    }

    /// The header's value with something else for its secret; none where nothing is sent.
    fn of(self, credential: &Credential, value: &str, jwks: &Value) -> Result<Option<String>, Stop> {
        let counterfeit = match self {
            Wrong::Flaw(flaw) => return Ok(flaw.of(credential, value)),
            Wrong::Counterfeit(counterfeit) => counterfeit,
        };
        let (before, token) = value.split_at(credential.secret_begins(value));
        let given = Given::read(token, jwks)?.ok_or_else(|| {
            Stop::error(
                "the credential is no JWT whose key is among those that `jwks` of the target file names",
            )
        })?;
        Ok(Some(format!("{before}{}", counterfeit.of(&given)?)))
    }
}

/// The cases of an operation: one for each thing that is wrong with a credential.
pub(crate) fn cases(operation: &Operation, login: &Login) -> Vec<Case> {
    Wrong::all(operation, login).map(|wrong| wrong.case(operation)).collect()
}

/// Runs the flaws on one operation against one resource, then the rightful success on it.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let target = &arena.system.target;
    let refused = |status| target.denials.refuses(operation, status, &[Refusal::Unauthenticated]);
    let login = target.login().ok_or_else(|| Stop::error("nobody signs in to the target"))?;
    let jwks = match login.keys_for(operation) {
        Some(keys) => arena.api.call(keys).class(Class::Control).send().await?.expect(200)?.json(),
        None => Value::Null,
    };
    let mut fill = arena.fresh(&arena.acme, operation).await?;
    for wrong in Wrong::all(operation, login) {
        let case = wrong.case(operation);
        let rightful = arena.rightful(operation, &arena.acme, &fill);
        let given = rightful.credential_for(operation);
        let value = given.header()?.ok_or_else(|| Stop::error("the rightful caller has no credential"))?;
        let credential = match wrong.of(given, value.reveal(), &jwks)? {
            Some(broken) => Credential::Given { header: given.name().to_owned(), value: Secret::new(broken) },
            None => Credential::None,
        };
        let watch = operation.effect != Effect::Read;
        let before = if watch { Some(arena.snapshot(operation, &[&fill]).await?) } else { None };
        let call = arena.call(operation, &rightful, &fill, Class::Token).credential(credential);
        let attacked = arena.attack(call).await?;
        let (status, exchange) = (attacked.status, vec![attacked.exchange]);
        if let Some(before) = before {
            let changes = before.changes(&arena.snapshot(operation, &[&fill]).await?);
            if !changes.is_empty() {
                let observed = format!("status {status}, and the state changed: {}", listed(&changes));
                outcomes.push(case.failed(&target.name, "401, and no change of state", &observed, exchange));
                fill = arena.fresh(&arena.acme, operation).await?;
                continue;
            }
        }
        outcomes.push(if refused(status) && attacked.leak.is_none() {
            case.passed()
        } else if is_no_answer(status) && attacked.leak.is_none() {
            case.without_result(Verdict::Error, &no_answer(status))
        } else {
            case.failed(&target.name, "401", &format!("status {status} for {}", wrong.what()), exchange)
        });
    }
    arena.control(operation, &arena.acme, &fill).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use harness::identity::Credential;
    use harness::target::Secret;

    use super::FLAWS;

    #[test]
    fn a_credential_is_left_out_cut_and_altered_whatever_stands_before_it() {
        let made = |header: &str, value: &str| {
            let credential = Credential::Given { header: header.to_owned(), value: Secret::new(value) };
            FLAWS.map(|flaw| flaw.of(&credential, value))
        };
        assert_eq!(
            made("authorization", "Bearer abcdef"),
            [None, Some("Bearer abc".into()), Some("Bearer abcAef".into()), Some("Bearer abcAef".into())]
        );
        let made = |value: &str| made("cookie", value).map(Option::unwrap_or_default);
        assert_eq!(made("sid=AAAAAA"), ["", "sid=AAA", "sid=AAABAA", "sid=AAABAA"]);
        assert_eq!(made("sid=AAAAA=="), ["", "sid=AAAA", "sid=AAABA==", "sid=AAAAB=="]);
    }
}
