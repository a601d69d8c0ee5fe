//! The classes that ask nothing about roles, with everybody else as the attacker: the forged token of whoever has one,
//! and another tenant's things asked for by members of every role and of none. What keeps an administrator out may well
//! be asked only after a role, or only of some.

use harness::contract::{Effect, Operation, Permission};
use harness::exchange::Class;
use harness::identity::Principal;
use harness::leak::Entitlement;
use harness::snapshot::Snapshot;
use harness::target::TokenStyle;
use harness::world::Stop;

use crate::arena::{Arena, listed};
use crate::case::{Case, CaseOutcome};
use crate::cast::{Cast, Persona};
use crate::surface::{oracle, siege::Scene};
use crate::{hop, token};

/// The classes.
pub(crate) const CLASSES: [Class; 3] = [Class::Token, Class::Hop, Class::Oracle];

/// Who attacks besides those whom the class sends its other requests as.
pub(crate) fn attackers(class: Class, operation: &Operation, cast: &Cast) -> Vec<Persona> {
    let applies = match class {
        Class::Token => operation.needs_token(),
        Class::Hop => hop::applies(operation),
        _ => oracle::places(operation).next().is_some(),
    };
    let top = Persona::Holder(cast.ladder.top);
    let attacks = |persona: &Persona| match *persona {
        Persona::Anonymous => false,
        Persona::PlatformAdmin => class == Class::Token && !operation.is_the_platforms(),
        // In the other tenant they may.
        Persona::MemberOfTwo(_) | Persona::OtherTenant(_) => class == Class::Token,
        persona if persona == top && class == Class::Token && operation.is_the_platforms() => true,
        persona => persona != top || operation.allows(&Permission::Invitee),
    };
    cast.personas.iter().copied().filter(|persona| applies && attacks(persona)).collect()
}

/// The cases of an operation in one of the classes: one for each attacker.
pub(crate) fn cases(class: Class, operation: &Operation, cast: &Cast, style: TokenStyle) -> Vec<Case> {
    let attackers = attackers(class, operation, cast).into_iter();
    attackers.map(|persona| case(class, operation, persona, style)).collect()
}

fn case(class: Class, operation: &Operation, persona: Persona, style: TokenStyle) -> Case {
    let label = persona.label();
    let case = match class {
        Class::Token => token::case_by(operation, style, label),
        Class::Hop => hop::case_of_all(operation),
        _ => oracle::case_of_all(operation),
    };
    let path = format!("{}/{}/as-{label}", class.as_str(), operation.name);
    Case { path, title: format!("{} (as {label})", case.title), ..case }
}

/// What is attacked, by whom, and what its state was.
struct Ground<'a> {
    scene: Scene<'a>,
    attackers: Vec<(Persona, Principal)>,
    before: Option<Snapshot>,
}

impl<'a> Ground<'a> {
    async fn prepare(arena: &'a Arena, class: Class, operation: &'a Operation) -> Result<Ground<'a>, Stop> {
        let scene = Scene::set(arena, operation, class).await?;
        let mut attackers = Vec::new();
        for persona in self::attackers(class, operation, &arena.cast) {
            let mut principal = arena.principal_in(persona, &scene.own).await?;
            // A refusal has nothing to show, not even of the caller's own tenant; an empty list of it may be answered.
            if class == Class::Token {
                principal.entitlement = Entitlement::none();
            }
            attackers.push((persona, principal));
        }
        let before = arena.state(operation, &[&scene.own, &scene.foreign]).await?;
        Ok(Ground { scene, attackers, before })
    }

    async fn attempt(&self, at: usize) -> Result<CaseOutcome, Stop> {
        let Scene { arena, operation, class, .. } = &self.scene;
        let (persona, principal) = &self.attackers[at];
        let case = case(*class, operation, *persona, arena.system.token_style());
        match class {
            Class::Token => token::by(&self.scene, principal, persona.label(), case).await,
            Class::Hop => hop::by(&self.scene, principal, case).await,
            _ => oracle::by(&self.scene, principal, case).await,
        }
    }

    /// What is another than before, in words.
    async fn changes(&self) -> Result<Option<String>, Stop> {
        let Scene { arena, operation, own, foreign, .. } = &self.scene;
        let Some(before) = &self.before else { return Ok(None) };
        let changes = before.changes(&arena.snapshot(operation, &[own, foreign]).await?);
        Ok((!changes.is_empty()).then(|| listed(&changes)))
    }
}

/// Runs one class: everybody in turn, one look at the state after all of them, and the rightful success of both tenants
/// on what was attacked. Where the state changed behind refusals each is sent again, with a look of its own.
pub(crate) async fn run(
    arena: &Arena,
    class: Class,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let mut ground = Ground::prepare(arena, class, operation).await?;
    let mut refused = Vec::new();
    for at in 0..ground.attackers.len() {
        let outcome = ground.attempt(at).await?;
        if outcome.finding.is_none() {
            refused.push((at, outcome));
            continue;
        }
        outcomes.push(outcome);
        if operation.effect != Effect::Read {
            ground = Ground::prepare(arena, class, operation).await?;
        }
    }
    if ground.changes().await?.is_some() {
        for (at, outcome) in &mut refused {
            ground = Ground::prepare(arena, class, operation).await?;
            let again = ground.attempt(*at).await?;
            if let Some(changes) = ground.changes().await? {
                let expected = "refused, and no change of state";
                let observed = format!("the state changed behind the refusal: {changes}");
                let case = outcome.case.clone();
                *outcome = case.failed(&arena.system.target.name, expected, &observed, Vec::new());
            } else if again.finding.is_some() {
                *outcome = again;
            }
        }
        ground = Ground::prepare(arena, class, operation).await?;
    }
    outcomes.extend(refused.into_iter().map(|(_, outcome)| outcome));
    if class != Class::Token {
        arena.control(operation, &arena.globex, &ground.scene.foreign).await?;
    }
    arena.control(operation, &arena.acme, &ground.scene.own).await.map(drop)
}
