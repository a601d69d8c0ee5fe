//! The plan: every group a contract gives rise to, and what it will have covered.

use harness::contract::Contract;
use harness::exchange::Class;
use harness::target::TokenStyle;

use crate::group::Group;
use crate::model::Persona;

/// All groups of a contract, in an order that puts cheap and telling ones first.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The groups.
    pub groups: Vec<Group>,
}

impl Plan {
    /// The plan for a contract, with forgeries of tokens of a style.
    pub fn of(contract: &Contract, style: TokenStyle) -> Plan {
        let unannotated = contract.unannotated.iter().map(Group::unannotated);
        Plan {
            groups: unannotated
                .chain(contract.operations().flat_map(|operation| Group::of(operation, style)))
                .collect(),
        }
    }

    /// The part of the plan whose cases match one of the patterns (`*` stands for any part of a path).
    /// A group is kept whole: its cases share their controls.
    #[must_use]
    pub fn only(mut self, matches: impl Fn(&str) -> bool) -> Plan {
        self.groups.retain(|group| group.cases.iter().any(|case| matches(&case.path)));
        self
    }

    /// How many cases there are.
    pub fn cases(&self) -> usize {
        self.groups.iter().map(|group| group.cases.len()).sum()
    }

    /// The (operation, principal, class) that the groups must have sent.
    pub fn demanded(&self) -> Vec<(String, String, Class)> {
        let mut demanded = Vec::new();
        for group in &self.groups {
            let Some(operation) = group.cases.first().map(|case| case.operation.clone()) else { continue };
            match group.path.split('/').next() {
                Some("matrix") => demanded.extend(
                    Persona::ALL
                        .map(|persona| (operation.clone(), persona.label().to_owned(), Class::Matrix)),
                ),
                Some("hop") => demanded.push((operation, String::new(), Class::Hop)),
                Some("token") => demanded.push((operation, String::new(), Class::Token)),
                _ => {}
            }
        }
        demanded
    }
}
