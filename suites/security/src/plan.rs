//! The plan: every group a contract gives rise to, and what it will have covered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use harness::contract::{Contract, Operation};
use harness::exchange::Class;
use harness::pattern::matches;
use harness::system::System;
use harness::target::{TokenStyle, Waiver};

use crate::cast::Cast;
use crate::group::{Group, Signs};
use crate::token::Extent;
use crate::{hop, jwks, surface, token};

/// All groups of a contract, in an order that puts cheap and telling ones first.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The groups.
    pub groups: Vec<Group>,
    /// Whether it has what takes long, too.
    full: bool,
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
        let (cast, signs) = (Arc::new(Cast::of(system)), Signs::of(system));
        let unannotated = system.contract.unannotated.iter().map(|route| Group::unannotated(&cast, route));
        let absent = cast.absent.iter().map(|&(persona, why)| Group::absent(&cast, persona, why));
        let unserved = system.contract.absent.iter().map(|operation| Group::unserved(&cast, operation));
        let contract = &system.contract;
        let spared = if full { BTreeSet::new() } else { token::spared(contract) };
        let extent = |operation: &Operation| {
            if spared.contains(operation.name.as_str()) { Extent::EachKind } else { Extent::Every }
        };
        let attacked = contract.operations();
        let attacked =
            attacked.flat_map(|operation| Group::of(&cast, contract, operation, signs, extent(operation)));
        let surface = contract.operations();
        let surface = surface.flat_map(|operation| Group::surface(&cast, contract, operation, full));
        // Whose keys are the target's own cannot be made to rotate, fail or lie.
        let keys = jwks::operation(contract).filter(|_| matches!(signs, Signs::Harness(_))).into_iter();
        let keys = keys.flat_map(|operation| Group::of_keys(&cast, operation));
        let doubles = Group::of_doubles(&cast, contract).into_iter();
        // What is played on doubles waits more than it works, so it begins before the rest.
        let checks = keys.chain(doubles).chain(attacked).chain(surface);
        let mut groups: Vec<Group> = unannotated.chain(absent).chain(unserved).chain(checks).collect();
        let waived: Vec<Group> = groups.iter_mut().flat_map(|group| group.waived(&system.target)).collect();
        groups.retain(|group| !group.cases.is_empty());
        groups.extend(waived);
        Plan { groups, full }
    }

    /// The part of the plan whose cases match one of the patterns (`*` stands for any part of a path).
    /// A group is kept whole: its cases share their controls.
    #[must_use]
    pub fn only(mut self, matches: impl Fn(&str) -> bool) -> Plan {
        self.groups.retain(|group| group.cases.iter().any(|case| matches(&case.path)));
        self
    }

    /// The part of the plan that knows nothing but the contract: who may call what, and whose things are named. Whatever
    /// it finds was found by the matrix, the hops, the leak detector or the state of both tenants.
    #[must_use]
    pub fn general(mut self) -> Plan {
        self.groups.retain(Group::is_general);
        self
    }

    /// The waivers of a system that no check of the plan is about, nor could be of an operation that it does not serve.
    pub fn idle_waivers<'s>(&self, system: &'s System) -> Vec<&'s Waiver> {
        let absent = |waiver: &Waiver| {
            let named = waiver.checks.split('/').nth(1).unwrap_or_default();
            system.contract.absent.iter().any(|operation| matches(named, &operation.name))
        };
        let is_idle =
            |waiver: &&Waiver| !absent(waiver) && !self.paths().any(|path| matches(&waiver.checks, path));
        system.target.waived.iter().filter(is_idle).collect()
    }

    /// Whether a check is in the plan.
    pub fn has(&self, path: &str) -> bool {
        self.paths().any(|known| known == path)
    }

    /// The paths of all checks.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flat_map(|group| &group.cases).map(|case| case.path.as_str())
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

    /// The groups as they are run: those of one bundle one after the other in one arena, the bundles side by side.
    pub fn bundles(&self) -> Vec<Vec<Group>> {
        let mut bundles: Vec<Vec<Group>> = Vec::new();
        let mut known = BTreeMap::new();
        for group in &self.groups {
            let at = match group.ground() {
                Some(ground) => *known.entry(ground).or_insert(bundles.len()),
                None => bundles.len(),
            };
            match bundles.get_mut(at) {
                Some(bundle) => bundle.push(group.clone()),
                None => bundles.push(vec![group.clone()]),
            }
        }
        bundles
    }

    /// What the plan leaves out, and why, in words.
    pub fn bounds(&self, system: &System) -> Vec<String> {
        let mut bounds = vec![Plan::combinations(system)];
        if let (Signs::Harness(style), false) = (Signs::of(system), self.full) {
            bounds.push(Plan::forgeries(&system.contract, style));
        }
        bounds
    }

    /// What the sample of forgeries leaves out.
    fn forgeries(contract: &Contract, style: TokenStyle) -> String {
        let spared = token::spared(contract);
        let count = |operation: &Operation, extent| token::cases(operation, style, extent).len();
        let left_out = |name: &&str| {
            let operation = contract.get(name);
            operation
                .map_or(0, |operation| count(operation, Extent::Every) - count(operation, Extent::EachKind))
        };
        format!(
            "every forgery of a token on each read and on one write of each shape of handler; on the {} other writes, \
             whose handlers come by tokens as one of those does, one of each kind ({} left out; --full sends them)",
            spared.len(),
            spared.iter().map(left_out).sum::<usize>(),
        )
    }

    /// What the bounds on combinations leave out.
    fn combinations(system: &System) -> String {
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
        let mut counts: BTreeMap<(Class, bool), usize> = BTreeMap::new();
        self.groups.retain(|group| match group.class() {
            None | Some(Class::Matrix) => true,
            Some(class) => {
                let count = counts.entry((class, group.is_by_everyone())).or_default();
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
            let Some(class) = group.class() else { continue };
            let principals = group.principals().into_iter();
            demanded.extend(principals.map(|principal| (operation.clone(), principal.to_owned(), class)));
        }
        demanded
    }
}
