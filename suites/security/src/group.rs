//! A group: one class of attack on one operation. Its cases share an arena; no two groups share anything.

use std::sync::Arc;

use harness::contract::{Contract, Operation, Unannotated};
use harness::exchange::Class;
use harness::suite::Suite;
use harness::system::System;
use harness::target::TokenStyle;
use harness::verdict::Verdict;
use harness::world::Stop;

use crate::arena::Arena;
use crate::case::{Case, CaseOutcome};
use crate::cast::{Cast, Persona};
use crate::{contract, hop, matrix, surface, token};

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
    Matrix(Operation),
    Hop(Operation),
    Token(Operation),
    /// A class of the surface, whether or not with what takes long.
    Surface(Class, bool, Operation),
}

impl Group {
    pub(crate) fn unannotated(cast: &Arc<Cast>, route: &Unannotated) -> Group {
        Group::single(cast, contract::case(route), Attack::Unannotated(route.clone()))
    }

    /// A persona that cannot attack is skipped by name.
    pub(crate) fn absent(cast: &Arc<Cast>, persona: Persona, why: &'static str) -> Group {
        Group::single(cast, matrix::absent(persona), Attack::Absent(why))
    }

    fn single(cast: &Arc<Cast>, case: Case, attack: Attack) -> Group {
        Group { path: case.path.clone(), cases: vec![case], attack, cast: cast.clone() }
    }

    /// The groups of an operation.
    pub(crate) fn of(cast: &Arc<Cast>, operation: &Operation, style: TokenStyle) -> Vec<Group> {
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
        if operation.needs_token() {
            groups.push(group("token", token::cases(operation, style), Attack::Token(operation.clone())));
        }
        groups
    }

    /// The groups of an operation's surface.
    pub(crate) fn surface(
        cast: &Arc<Cast>,
        contract: &Contract,
        operation: &Operation,
        full: bool,
    ) -> Vec<Group> {
        let classes = surface::classes(contract, operation, full).into_iter();
        let group = |(class, cases): (Class, Vec<Case>)| Group {
            path: format!("{}/{}", class.as_str(), operation.name),
            cases,
            attack: Attack::Surface(class, full, operation.clone()),
            cast: cast.clone(),
        };
        classes.map(group).collect()
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
            _ => {}
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
        let arena = match &self.attack {
            // Roles are the matrix's business.
            Attack::Surface(..) => {
                let personas = [Persona::Anonymous, Persona::PlatformAdmin];
                Arena::with(system, &self.cast, &self.path, &personas).await?
            }
            _ => Arena::build(system, &self.cast, &self.path).await?,
        };
        let attacked = match &self.attack {
            Attack::Matrix(operation) => matrix::run(&arena, operation, suite, outcomes).await,
            Attack::Hop(operation) => hop::run(&arena, operation, outcomes).await,
            Attack::Token(operation) => token::run(&arena, operation, outcomes).await,
            Attack::Surface(class, full, operation) => {
                surface::run(&arena, operation, *class, *full, outcomes).await
            }
            Attack::Unannotated(_) | Attack::Absent(_) => Ok(()),
        };
        arena.leave().await.and(attacked)
    }
}
