//! The plan: every group a contract gives rise to, and what it will have covered.

use std::sync::Arc;

use harness::exchange::Class;
use harness::system::System;

use crate::cast::Cast;
use crate::group::Group;
use crate::jwks;

/// All groups of a contract, in an order that puts cheap and telling ones first.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The groups.
    pub groups: Vec<Group>,
    cast: Arc<Cast>,
}

impl Plan {
    /// The plan for a system: what its contract says, attacked by whom it can have.
    pub fn of(system: &System) -> Plan {
        let (cast, style) = (Arc::new(Cast::of(system)), system.token_style());
        let unannotated = system.contract.unannotated.iter().map(|route| Group::unannotated(&cast, route));
        let absent = cast.absent.iter().map(|&(persona, why)| Group::absent(&cast, persona, why));
        let contract = &system.contract;
        let attacked =
            contract.operations().flat_map(|operation| Group::of(&cast, contract, operation, style));
        let keys = jwks::operation(contract).into_iter();
        let keys = keys.flat_map(|operation| Group::of_keys(&cast, operation));
        let groups = unannotated.chain(absent).chain(attacked).chain(keys).collect();
        Plan { groups, cast }
    }

    /// The part of the plan whose cases match one of the patterns (`*` stands for any part of a path).
    /// A group is kept whole: its cases share their controls.
    #[must_use]
    pub fn only(mut self, matches: impl Fn(&str) -> bool) -> Plan {
        self.groups.retain(|group| group.cases.iter().any(|case| matches(&case.path)));
        self
    }

    /// One check alone. Its group is run whole, because cases share their controls; the check alone is judged.
    #[must_use]
    pub fn alone(self, path: &str) -> Plan {
        let mut plan = self.only(|known| known == path);
        for group in &mut plan.groups {
            group.cases.retain(|case| case.path == path);
        }
        plan
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
                Some("matrix") => {
                    let personas = self.cast.personas.iter();
                    demanded.extend(
                        personas
                            .map(|persona| (operation.clone(), persona.label().to_owned(), Class::Matrix)),
                    );
                }
                Some("hop") => demanded.push((operation, String::new(), Class::Hop)),
                Some("audit") => demanded.push((operation, String::new(), Class::Audit)),
                Some("standing") => demanded.push((operation, String::new(), Class::Standing)),
                Some("invitation") => demanded.push((operation, String::new(), Class::Invitation)),
                Some("feature") => demanded.push((operation, String::new(), Class::Feature)),
                Some("race") => demanded.push((operation, String::new(), Class::Race)),
                Some("token") => demanded.push((operation, String::new(), Class::Token)),
                Some("jwks") => demanded.push((operation, String::new(), Class::Jwks)),
                _ => {}
            }
        }
        demanded
    }
}
