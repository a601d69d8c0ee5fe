//! A group: one class of attack on one operation. Its cases share an arena; no two groups share anything.

use std::sync::Arc;

use harness::contract::{Operation, Unannotated};
use harness::suite::Suite;
use harness::system::System;
use harness::target::TokenStyle;
use harness::verdict::Verdict;
use harness::world::Stop;

use crate::arena::Arena;
use crate::case::{Case, CaseOutcome};
use crate::cast::{Cast, Persona};
use crate::{contract, credential, hop, matrix, rank, token};

/// Who signs the tokens, and so what can be forged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signs {
    /// The harness, like somebody: any claim in any token.
    Harness(TokenStyle),
    /// The target.
    Target,
}

impl Signs {
    pub(crate) fn of(system: &System) -> Signs {
        if system.target.login().is_some() { Signs::Target } else { Signs::Harness(system.token_style()) }
    }
}

/// One class of attack on one operation.
#[derive(Clone, Debug)]
pub struct Group {
    /// `class/operation`.
    pub path: String,
    /// Its cases.
    pub cases: Vec<Case>,
    attack: Attack,
    cast: Arc<Cast>,
}

#[derive(Clone, Debug)]
enum Attack {
    Unannotated(Unannotated),
    /// A persona that the system cannot have, and why.
    Absent(&'static str),
    /// An operation that the target file binds and the target does not serve.
    Unserved(Operation),
    Matrix(Operation),
    Hop(Operation),
    Rank(Operation),
    Token(Operation),
    Credential(Operation),
}

impl Group {
    pub(crate) fn unannotated(cast: &Arc<Cast>, route: &Unannotated) -> Group {
        Group::single(cast, contract::case(route), Attack::Unannotated(route.clone()))
    }

    /// A persona that cannot attack is skipped by name.
    pub(crate) fn absent(cast: &Arc<Cast>, persona: Persona, why: &'static str) -> Group {
        Group::single(cast, matrix::absent(persona), Attack::Absent(why))
    }

    /// An operation that the target does not serve is disabled by name.
    pub(crate) fn unserved(cast: &Arc<Cast>, operation: &Operation) -> Group {
        Group::single(cast, contract::unserved(operation), Attack::Unserved(operation.clone()))
    }

    fn single(cast: &Arc<Cast>, case: Case, attack: Attack) -> Group {
        Group { path: case.path.clone(), cases: vec![case], attack, cast: cast.clone() }
    }

    /// The groups of an operation.
    pub(crate) fn of(cast: &Arc<Cast>, operation: &Operation, signs: Signs) -> Vec<Group> {
        let group = |class: &str, cases, attack| Group {
            path: format!("{class}/{}", operation.name),
            cases,
            attack,
            cast: cast.clone(),
        };
        let cases = matrix::cases(operation, &cast.personas);
        let mut groups = vec![group("matrix", cases, Attack::Matrix(operation.clone()))];
        if hop::applies(operation) {
            groups.push(group("hop", hop::cases(operation), Attack::Hop(operation.clone())));
        }
        let rank = rank::cases(operation, cast);
        if !rank.is_empty() {
            groups.push(group("rank", rank, Attack::Rank(operation.clone())));
        }
        if operation.needs_token() {
            groups.push(match signs {
                Signs::Harness(style) => {
                    group("token", token::cases(operation, style), Attack::Token(operation.clone()))
                }
                Signs::Target => {
                    group("token", credential::cases(operation), Attack::Credential(operation.clone()))
                }
            });
        }
        groups
    }

    /// Runs all cases of the group; every case gets an outcome. Where the group could not be run to its end,
    /// for instance because a control failed, what it found stands, and everything else observed nothing.
    pub async fn run(&self, system: &Arc<System>, suite: &Suite) -> Vec<CaseOutcome> {
        match &self.attack {
            Attack::Unannotated(route) => return vec![contract::judge(&system.target.name, route)],
            Attack::Absent(why) => {
                let cases = self.cases.iter().cloned();
                return cases.map(|case| case.without_result(Verdict::Skip, why)).collect();
            }
            Attack::Unserved(operation) => return vec![contract::disabled(operation)],
            Attack::Matrix(_)
            | Attack::Hop(_)
            | Attack::Rank(_)
            | Attack::Token(_)
            | Attack::Credential(_) => {}
        }
        let mut outcomes = Vec::new();
        let Err(stop) = self.in_arena(system, suite, &mut outcomes).await else { return outcomes };
        // Whatever stopped the set-up or a control says nothing about the cases: even a leak, which is a finding
        // of its own by now.
        let verdict = if stop.verdict == Verdict::Skip { Verdict::Skip } else { Verdict::Error };
        let judged = |case: Case| {
            let found = outcomes.iter().find(|outcome| outcome.case == case && outcome.finding.is_some());
            found.cloned().unwrap_or_else(|| case.without_result(verdict, &stop.reason))
        };
        self.cases.iter().cloned().map(judged).collect()
    }

    async fn in_arena(
        &self,
        system: &Arc<System>,
        suite: &Suite,
        outcomes: &mut Vec<CaseOutcome>,
    ) -> Result<(), Stop> {
        let arena = Arena::build(system, &self.cast, &self.path).await?;
        let attacked = match &self.attack {
            Attack::Matrix(operation) => matrix::run(&arena, operation, suite, outcomes).await,
            Attack::Hop(operation) => hop::run(&arena, operation, outcomes).await,
            Attack::Token(operation) => token::run(&arena, operation, outcomes).await,
            Attack::Rank(operation) => rank::run(&arena, operation, outcomes).await,
            Attack::Credential(operation) => credential::run(&arena, operation, outcomes).await,
            Attack::Unannotated(_) | Attack::Absent(_) | Attack::Unserved(_) => Ok(()),
        };
        arena.leave().await.and(attacked)
    }
}
