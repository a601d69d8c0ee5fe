//! A group: one class of attack on one operation. Its cases share an arena; no two groups share anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use harness::contract::{Contract, Operation, Unannotated};
use harness::exchange::Class;
use harness::suite::Suite;
use harness::system::System;
use harness::target::{Login, Target, TokenStyle};
use harness::verdict::Verdict;
use harness::world::Stop;

use crate::arena::Arena;
use crate::case::{Case, CaseOutcome};
use crate::cast::{Cast, Persona};
use crate::jwks::Scene;
use crate::token::Extent;
use crate::{
    audit, contract, credential, everyone, feature, hop, invitation, jwks, matrix, outage, race, rank,
    standing, surface, token, tries,
};

/// Who signs the tokens, and so what can be forged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signs<'s> {
    /// The harness, like somebody: any claim in any token.
    Harness(TokenStyle),
    /// The target, for whoever signs in so.
    Target(&'s Login),
}

impl<'s> Signs<'s> {
    pub(crate) fn of(system: &'s System) -> Signs<'s> {
        system.target.login().map_or_else(|| Signs::Harness(system.token_style()), Signs::Target)
    }

    /// What the tokens of a class look like; of the target's own none can be forged.
    fn style_for(self, class: Class) -> Option<TokenStyle> {
        match self {
            Signs::Harness(style) => Some(style),
            Signs::Target(_) => (class != Class::Token).then(TokenStyle::default),
        }
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
    /// What the system cannot have, a persona or a limit, and why.
    Absent(&'static str),
    /// What the target does not promise, and why.
    Waived(String),
    /// An operation that the target file binds and the target does not serve.
    Unserved(Operation),
    Matrix(Operation),
    /// A class that does not ask about roles, by everybody else.
    Everyone(Class, Operation),
    Hop(Operation),
    Rank(Operation),
    Credential(Operation),
    Token(Extent, Operation),
    Audit(Operation),
    Standing(Operation),
    Invitation(Operation),
    Feature(Operation),
    Race(Operation),
    Jwks(Scene, Operation),
    /// The store away, for these operations at once.
    Outage(Vec<Operation>),
    /// More tries than a limit lets pass.
    Tries(Operation),
    /// A class of the surface, whether or not with what takes long.
    Surface(Class, bool, Operation),
}

/// Whoever attacks besides the administrators of both tenants, where roles are not what is asked about: whoever nobody
/// sends anything as need not be made.
const FEW: [Persona; 2] = [Persona::Anonymous, Persona::PlatformAdmin];

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

    /// The checks of the group that a target waives, in a group for each reason, in which nothing is sent.
    pub(crate) fn waived(&mut self, target: &Target) -> Vec<Group> {
        let mut waived: BTreeMap<String, Vec<Case>> = BTreeMap::new();
        self.cases.retain(|case| match target.waives(&case.path) {
            Some(why) => {
                waived.entry(why).or_default().push(case.clone());
                false
            }
            None => true,
        });
        let group = |(why, cases)| Group {
            path: format!("waived/{}", self.path),
            cases,
            attack: Attack::Waived(why),
            cast: self.cast.clone(),
        };
        waived.into_iter().map(group).collect()
    }

    fn single(cast: &Arc<Cast>, case: Case, attack: Attack) -> Group {
        Group { path: case.path.clone(), cases: vec![case], attack, cast: cast.clone() }
    }

    /// The groups about the issuer's keys, each on a system of its own.
    pub(crate) fn of_keys(cast: &Arc<Cast>, operation: &Operation) -> Vec<Group> {
        let group = |scene: Scene| Group {
            path: format!("jwks/{}", scene.name()),
            cases: jwks::cases(scene, operation),
            attack: Attack::Jwks(scene, operation.clone()),
            cast: cast.among(&FEW),
        };
        Scene::ALL.into_iter().map(group).collect()
    }

    /// What is tried on doubles whose store goes away or whose limits are low; and by name what there is none of to try.
    pub(crate) fn of_doubles(cast: &Arc<Cast>, contract: &Contract) -> Vec<Group> {
        let mut groups = Vec::new();
        let operations = outage::operations(contract);
        if !operations.is_empty() {
            groups.push(Group {
                path: "outage/store-away".to_owned(),
                cases: operations.iter().map(outage::case).collect(),
                attack: Attack::Outage(operations),
                cast: cast.among(&FEW),
            });
        }
        for operation in contract.operations() {
            let cases = tries::cases(operation);
            if !cases.is_empty() {
                groups.push(Group {
                    path: format!("limit/{}", operation.name),
                    cases,
                    attack: Attack::Tries(operation.clone()),
                    cast: cast.among(&FEW),
                });
            }
        }
        let absent = tries::absent(contract).into_iter();
        let absent = absent.chain(standing::absent(contract)).chain(race::absent(contract));
        groups.extend(absent.map(|(case, why)| Group::single(cast, case, Attack::Absent(why))));
        groups
    }

    /// The groups of an operation; its tokens are forged to this extent, where they can be.
    pub(crate) fn of(
        cast: &Arc<Cast>,
        contract: &Contract,
        operation: &Operation,
        signs: Signs<'_>,
        extent: Extent,
    ) -> Vec<Group> {
        let group = |class: &str, cases, attack| Group {
            path: format!("{class}/{}", operation.name),
            cases,
            attack,
            cast: cast.clone(),
        };
        let cases = matrix::cases(operation, &cast.personas);
        let mut groups = vec![group("matrix", cases, Attack::Matrix(operation.clone()))];
        for class in everyone::CLASSES {
            let Some(style) = signs.style_for(class) else { continue };
            let cases = everyone::cases(class, operation, cast, style);
            if !cases.is_empty() {
                groups.push(group(class.as_str(), cases, Attack::Everyone(class, operation.clone())));
            }
        }
        let mut among = |class: &str, cases: Vec<Case>, personas: &[Persona], attack| {
            if !cases.is_empty() {
                groups.push(Group { cast: cast.among(personas), ..group(class, cases, attack) });
            }
        };
        if hop::applies(operation) {
            among("hop", hop::cases(operation), &FEW, Attack::Hop(operation.clone()));
        }
        if operation.needs_token() {
            match signs {
                Signs::Harness(style) => {
                    let cases = token::cases(operation, style, extent);
                    among("token", cases, &FEW, Attack::Token(extent, operation.clone()));
                }
                Signs::Target(login) => {
                    let cases = credential::cases(operation, login);
                    among("token", cases, &FEW, Attack::Credential(operation.clone()));
                }
            }
        }
        if audit::applies(operation) {
            let personas = audit::personas(operation, cast);
            among("audit", audit::cases(operation, cast), &personas, Attack::Audit(operation.clone()));
        }
        let cases = standing::cases(operation, cast, contract);
        among("standing", cases, &standing::personas(cast), Attack::Standing(operation.clone()));
        let cases = invitation::cases(operation, contract);
        among("invitation", cases, &invitation::personas(cast), Attack::Invitation(operation.clone()));
        let cases = feature::cases(operation, contract);
        among("feature", cases, &feature::personas(cast), Attack::Feature(operation.clone()));
        let cases = race::cases(operation, contract);
        among("race", cases, &race::personas(cast), Attack::Race(operation.clone()));
        among("rank", rank::cases(operation, cast), &cast.personas, Attack::Rank(operation.clone()));
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
        let few = cast.among(&FEW);
        let group = |(class, cases): (Class, Vec<Case>)| Group {
            path: format!("{}/{}", class.as_str(), operation.name),
            cases,
            attack: Attack::Surface(class, full, operation.clone()),
            cast: few.clone(),
        };
        classes.map(group).collect()
    }

    /// The class of attack; none where nothing is sent.
    pub(crate) fn class(&self) -> Option<Class> {
        self.path.split('/').next().and_then(Class::of_word).filter(|class| class.is_attack())
    }

    /// Who must have sent something; an empty label stands for anyone.
    pub(crate) fn principals(&self) -> Vec<&'static str> {
        match &self.attack {
            Attack::Matrix(_) => self.cast.personas.iter().map(|persona| persona.label()).collect(),
            Attack::Everyone(class, operation) => {
                let attackers = everyone::attackers(*class, operation, &self.cast).into_iter();
                attackers.map(Persona::label).collect()
            }
            _ => vec![""],
        }
    }

    /// Whether it is the part of its class that everybody else sends.
    pub(crate) fn is_by_everyone(&self) -> bool {
        matches!(self.attack, Attack::Everyone(..))
    }

    /// Whether it asks only what follows from any contract: who may call, and whose things are named.
    pub(crate) fn is_general(&self) -> bool {
        matches!(self.attack, Attack::Matrix(_) | Attack::Hop(_) | Attack::Everyone(Class::Hop, _))
    }

    /// The arena that the group can share with those of the same words, one after the other; none where it makes lists
    /// long, waits, or takes somebody's standing away.
    pub(crate) fn ground(&self) -> Option<(&'static str, &str)> {
        match &self.attack {
            Attack::Matrix(operation) | Attack::Everyone(_, operation) => Some(("everyone", &operation.name)),
            Attack::Surface(Class::Cursor | Class::Interference, ..) => None,
            Attack::Hop(operation) | Attack::Token(_, operation) | Attack::Surface(_, _, operation) => {
                Some(("few", &operation.name))
            }
            _ => None,
        }
    }

    /// Runs all cases of the group; every case gets an outcome. Where the group could not be run to its end,
    /// for instance because a control failed, what it found stands, and everything else observed nothing.
    /// It takes the arena that it is given, or one of its own, and leaves it for whoever comes `next` if it found
    /// nothing.
    pub(crate) async fn run(
        &self,
        system: &Arc<System>,
        suite: &Suite,
        ground: &mut Option<Arena>,
        next: bool,
    ) -> Vec<CaseOutcome> {
        match &self.attack {
            Attack::Unannotated(route) => return vec![contract::judge(&system.target.name, route)],
            Attack::Absent(why) => {
                let cases = self.cases.iter().cloned();
                return cases.map(|case| case.without_result(Verdict::Skip, why)).collect();
            }
            Attack::Unserved(operation) => return vec![contract::disabled(operation)],
            Attack::Waived(why) => {
                let cases = self.cases.iter().cloned();
                return cases.map(|case| case.without_result(Verdict::Disabled, why)).collect();
            }
            _ => {}
        }
        let mut outcomes = Vec::new();
        let attacked = self.in_arena(system, suite, ground, next, &mut outcomes).await;
        // An attack does all of its cases, because they share controls; a plan may have asked for one alone.
        outcomes.retain(|outcome| self.cases.iter().any(|case| case.path == outcome.case.path));
        let Err(stop) = attacked else { return outcomes };
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
        ground: &mut Option<Arena>,
        next: bool,
        outcomes: &mut Vec<CaseOutcome>,
    ) -> Result<(), Stop> {
        match &self.attack {
            Attack::Jwks(scene, operation) => {
                return jwks::run(system, &self.cast, *scene, operation, outcomes).await;
            }
            Attack::Outage(operations) => return outage::run(system, &self.cast, operations, outcomes).await,
            Attack::Tries(operation) => return tries::run(system, &self.cast, operation, outcomes).await,
            _ => {}
        }
        let arena = match ground.take() {
            Some(arena) => arena,
            None => Arena::build(system, &self.cast, &self.path).await?,
        };
        let attacked = match &self.attack {
            Attack::Matrix(operation) => matrix::run(&arena, operation, suite, outcomes).await,
            Attack::Hop(operation) => hop::run(&arena, operation, outcomes).await,
            Attack::Everyone(class, operation) => everyone::run(&arena, *class, operation, outcomes).await,
            Attack::Rank(operation) => rank::run(&arena, operation, outcomes).await,
            Attack::Credential(operation) => credential::run(&arena, operation, outcomes).await,
            Attack::Token(extent, operation) => token::run(&arena, operation, *extent, outcomes).await,
            Attack::Audit(operation) => audit::run(&arena, operation, outcomes).await,
            Attack::Standing(operation) => standing::run(&arena, operation, outcomes).await,
            Attack::Invitation(operation) => invitation::run(&arena, operation, outcomes).await,
            Attack::Feature(operation) => feature::run(&arena, operation, outcomes).await,
            Attack::Race(operation) => race::run(&arena, operation, outcomes).await,
            Attack::Surface(class, full, operation) => {
                surface::run(&arena, operation, *class, *full, outcomes).await
            }
            Attack::Unannotated(_)
            | Attack::Absent(_)
            | Attack::Waived(_)
            | Attack::Unserved(_)
            | Attack::Jwks(..)
            | Attack::Outage(_)
            | Attack::Tries(_) => Ok(()),
        };
        // Where something was found, the arena is not what the next group would take it for.
        if next && attacked.is_ok() && outcomes.iter().all(|outcome| outcome.finding.is_none()) {
            *ground = Some(arena);
            return attacked;
        }
        arena.leave().await.and(attacked)
    }
}
