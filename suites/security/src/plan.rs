//! The plan: every group a contract gives rise to, and what it will have covered.

use std::collections::BTreeMap;
use std::sync::Arc;

use harness::contract::Operation;
use harness::exchange::Class;
use harness::system::System;

use crate::cast::Cast;
use crate::group::Group;
use crate::{hop, jwks, surface};

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
        let contract = &system.contract;
        let attacked =
            contract.operations().flat_map(|operation| Group::of(&cast, contract, operation, style));
        let surface = contract.operations();
        let surface = surface.flat_map(|operation| Group::surface(&cast, contract, operation, full));
        let keys = jwks::operation(contract).into_iter();
        let keys = keys.flat_map(|operation| Group::of_keys(&cast, operation));
        let groups = unannotated.chain(absent).chain(attacked).chain(surface).chain(keys).collect();
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

    /// A slice for whoever wants to see it all at work: the role matrix whole, so that each operation is attacked, and of
    /// every other class each n-th group, the first among them.
    #[must_use]
    pub fn slice(mut self, nth: usize) -> Plan {
        let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
        self.groups.retain(|group| match group.class() {
            None | Some(Class::Matrix) => true,
            Some(class) => {
                let count = counts.entry(class).or_default();
                *count += 1;
                (*count - 1).is_multiple_of(nth)
            }
        });
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
            match group.class() {
                Some(Class::Matrix) => {
                    let personas = self.cast.personas.iter().map(|persona| persona.label().to_owned());
                    demanded.extend(personas.map(|persona| (operation.clone(), persona, Class::Matrix)));
                }
                Some(class) => demanded.push((operation, String::new(), class)),
                None => {}
            }
        }
        demanded
    }
}
