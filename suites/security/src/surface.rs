//! The surface of requests: everything about an operation besides who calls it. Each class of attack is a module.

mod content;
mod cursor;
mod function;
mod hops;
mod injection;
mod interference;
mod internals;
mod limit;
pub(crate) mod oracle;
pub(crate) mod populate;
mod property;
pub(crate) mod siege;

use harness::contract::{Contract, Operation};
use harness::exchange::Class;
use harness::world::Stop;

pub(crate) use hops::{MOST_WAYS, ways_left_out};

use crate::arena::Arena;
use crate::case::{Case, CaseOutcome};

/// The classes, by the name that their paths begin with.
const CLASSES: [Class; 9] = [
    Class::Oracle,
    Class::Cursor,
    Class::Hop,
    Class::Property,
    Class::Function,
    Class::Limit,
    Class::Content,
    Class::Injection,
    Class::Interference,
];

/// The classes that apply to an operation, with their cases. `full` asks for what takes long, too.
pub(crate) fn classes(contract: &Contract, operation: &Operation, full: bool) -> Vec<(Class, Vec<Case>)> {
    let with_cases = CLASSES.into_iter().map(|class| (class, cases(contract, operation, class, full)));
    with_cases.filter(|(_, cases)| !cases.is_empty()).collect()
}

fn cases(contract: &Contract, operation: &Operation, class: Class, full: bool) -> Vec<Case> {
    match class {
        Class::Oracle => oracle::cases(operation, full),
        Class::Cursor => cursor::cases(contract, operation),
        Class::Hop => hops::cases(operation),
        Class::Property => property::cases(operation),
        Class::Function => function::cases(contract, operation),
        Class::Limit => limit::cases(operation),
        Class::Content => content::cases(operation),
        Class::Injection => injection::cases(operation),
        Class::Interference => interference::cases(operation),
        _ => Vec::new(),
    }
}

/// Runs the cases of one class on one operation.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    class: Class,
    full: bool,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    match class {
        Class::Oracle => oracle::run(arena, operation, full, outcomes).await,
        Class::Cursor => cursor::run(arena, operation, outcomes).await,
        Class::Hop => hops::run(arena, operation, outcomes).await,
        Class::Property => property::run(arena, operation, outcomes).await,
        Class::Function => function::run(arena, operation, outcomes).await,
        Class::Limit => limit::run(arena, operation, outcomes).await,
        Class::Content => content::run(arena, operation, outcomes).await,
        Class::Injection => injection::run(arena, operation, outcomes).await,
        Class::Interference => interference::run(arena, operation, outcomes).await,
        _ => Ok(()),
    }
}
