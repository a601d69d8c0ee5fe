//! A group: one class of attack on one operation. Its cases share an arena; no two groups share anything.

use std::sync::Arc;

use harness::contract::{Operation, Unannotated};
use harness::suite::Suite;
use harness::system::System;
use harness::world::Stop;

use crate::arena::Arena;
use crate::case::{Case, CaseOutcome};
use crate::{contract, hop, matrix, token};

/// One class of attack on one operation.
#[derive(Clone, Debug)]
pub struct Group {
    /// `class/operation`.
    pub path: String,
    /// Its cases.
    pub cases: Vec<Case>,
    attack: Attack,
}

#[derive(Clone, Debug)]
enum Attack {
    Unannotated(Unannotated),
    Matrix(Operation),
    Hop(Operation),
    Token(Operation),
}

impl Group {
    pub(crate) fn unannotated(route: &Unannotated) -> Group {
        let case = contract::case(route);
        Group { path: case.path.clone(), cases: vec![case], attack: Attack::Unannotated(route.clone()) }
    }

    /// The groups of an operation.
    pub(crate) fn of(operation: &Operation) -> Vec<Group> {
        let group =
            |class: &str, cases, attack| Group { path: format!("{class}/{}", operation.name), cases, attack };
        let mut groups = vec![group("matrix", matrix::cases(operation), Attack::Matrix(operation.clone()))];
        if hop::applies(operation) {
            groups.push(group("hop", hop::cases(operation), Attack::Hop(operation.clone())));
        }
        if operation.needs_token() {
            groups.push(group("token", token::cases(operation), Attack::Token(operation.clone())));
        }
        groups
    }

    /// Runs all cases of the group. Every case gets an outcome; where the group could not be run to its
    /// end, the cases without one get the reason.
    pub async fn run(&self, system: &Arc<System>, suite: &Suite) -> Vec<CaseOutcome> {
        let outcomes = match &self.attack {
            Attack::Unannotated(route) => Ok(vec![contract::judge(&system.target.name, route)]),
            attack => self.in_arena(system, suite, attack).await,
        };
        match outcomes {
            Ok(outcomes) => outcomes,
            Err(stop) => {
                let cases = self.cases.iter().cloned();
                cases.map(|case| case.without_result(stop.verdict, &stop.reason)).collect()
            }
        }
    }

    async fn in_arena(
        &self,
        system: &Arc<System>,
        suite: &Suite,
        attack: &Attack,
    ) -> Result<Vec<CaseOutcome>, Stop> {
        let arena = Arena::build(system, &self.path).await?;
        let outcomes = match attack {
            Attack::Matrix(operation) => matrix::run(&arena, operation, suite).await,
            Attack::Hop(operation) => hop::run(&arena, operation).await,
            Attack::Token(operation) => token::run(&arena, operation).await,
            Attack::Unannotated(_) => Ok(Vec::new()),
        };
        let left = arena.leave().await;
        let outcomes = outcomes?;
        left?;
        Ok(outcomes)
    }
}
