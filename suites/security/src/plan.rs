//! The plan: every group a contract gives rise to, and what it will have covered.

use std::sync::Arc;

use harness::contract::Operation;
use harness::exchange::Class;
use harness::system::System;

use crate::cast::Cast;
use crate::group::Group;
use crate::{hop, surface};

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
        Plan::made(system, false)
    }

    /// The plan with what takes long, too.
    pub fn full(system: &System) -> Plan {
        Plan::made(system, true)
    }

    fn made(system: &System, full: bool) -> Plan {
        let (cast, style) = (Arc::new(Cast::of(system)), system.token_style());
        let unannotated = system.contract.unannotated.iter().map(|route| Group::unannotated(&cast, route));
        let absent = cast.absent.iter().map(|&(persona, why)| Group::absent(&cast, persona, why));
        let attacked = system.contract.operations().flat_map(|operation| Group::of(&cast, operation, style));
        let surface = system.contract.operations();
        let surface = surface.flat_map(|operation| Group::surface(&cast, &system.contract, operation, full));
        let groups = unannotated.chain(absent).chain(attacked).chain(surface).collect();
        Plan { groups, cast }
    }

    /// The part of the plan whose cases match one of the patterns (`*` stands for any part of a path).
    /// A group is kept whole: its cases share their controls.
    #[must_use]
    pub fn only(mut self, matches: impl Fn(&str) -> bool) -> Plan {
        self.groups.retain(|group| group.cases.iter().any(|case| matches(&case.path)));
        self
    }

    /// What was left out by the bounds on combinations, in words.
    pub fn bounds(system: &System) -> String {
        let sum =
            |left_out: fn(&Operation) -> usize| system.contract.operations().map(left_out).sum::<usize>();
        format!(
            "hops of every subset of up to {} slots ({} left out); the organisation said in up to {} other places, or in all ({} combinations left out)",
            hop::MOST_SLOTS,
            sum(hop::left_out),
            surface::MOST_WAYS,
            sum(surface::ways_left_out),
        )
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
                Some("token") => demanded.push((operation, String::new(), Class::Token)),
                _ => {
                    let class = surface::of_path(&group.path);
                    demanded.extend(class.map(|class| (operation, String::new(), class)));
                }
            }
        }
        demanded
    }
}
