//! The organisation said twice: where the contract has it, and in the token, a header, the query or the body too, each
//! time another. Whichever a service goes by, nobody gets into the other tenant.

use harness::client::Call;
use harness::contract::{Effect, Operation, Place, Slot, SlotKind};
use harness::exchange::Class;
use harness::target::{Capability, TokenStyle};
use harness::world::Stop;
use serde_json::Value;

use super::{ANOTHER, case};
use crate::surface::siege::{Due, Scene, Strike};

/// So many other places at once are tried in every combination, and all of them together.
pub(crate) const MOST_WAYS: usize = 2;

/// Another place where an organisation may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Claim,
    Header,
    Query,
    Body,
}

/// What services call an organisation, each in their own way: all are sent at once.
const HEADERS: [&str; 3] = ["X-Organization-ID", "X-Tenant-ID", "X-Org-ID"];
const NAMES: [&str; 5] = ["orgId", "organizationId", "organisationId", "org_id", "tenantId"];

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Way::Claim => "claim",
            Way::Header => "header",
            Way::Query => "query",
            Way::Body => "body",
        }
    }

    /// Says an organisation in this way, too.
    fn say(self, scene: &Scene<'_>, call: Call, org: &str) -> Result<Call, Stop> {
        Ok(match self {
            Way::Claim => call.as_(&claiming(scene, org)?),
            Way::Header => self.names(scene.operation).fold(call, |call, name| call.header(name, org)),
            Way::Query => self.names(scene.operation).fold(call, |call, name| call.query(name, org)),
            Way::Body => {
                let mut body = call.filled_body()?.unwrap_or_default();
                if let Value::Object(members) = &mut body {
                    members.extend(self.names(scene.operation).map(|name| (name.to_owned(), org.into())));
                }
                call.json(body)
            }
        })
    }

    /// The names under which it is said, but for the contract's own header and member of the body: who writes there says
    /// one organisation, not two. A member of the query is added to one of the same name.
    fn names(self, operation: &Operation) -> impl Iterator<Item = &'static str> {
        let names: &[&str] = match self {
            Way::Claim => &[],
            Way::Header => &HEADERS,
            Way::Query | Way::Body => &NAMES,
        };
        let place = org(operation).map(|slot| &slot.place);
        names.iter().copied().filter(move |name| match (self, place) {
            (Way::Header, Some(Place::Header(own))) => !own.eq_ignore_ascii_case(name),
            (Way::Body, Some(Place::Body(pointer))) => pointer != &[*name],
            _ => true,
        })
    }
}

/// Whoever attacks, with a token for an organisation.
fn claiming(scene: &Scene<'_>, org: &str) -> Result<harness::identity::Principal, Stop> {
    let lacks = || Stop::skip(format!("the target has no capability '{}'", Capability::Mint));
    let names: &[&str] = match scene.arena.system.stand_ins.issuer.as_ref().ok_or_else(lacks)?.style {
        TokenStyle::Cognito => &["custom:organisation_id", "custom:org_id"],
        TokenStyle::Clerk => &["org_id"],
    };
    let attacker = crate::hop::attacker(scene.arena, scene.operation, &scene.own);
    let claim = |claims: &mut harness::identity::Claims| {
        claims.extend(names.iter().map(|name| ((*name).to_owned(), org.into())));
    };
    attacker.with_claims(claim).ok_or_else(lacks)
}

fn ways(operation: &Operation) -> Vec<Way> {
    let mut ways = vec![Way::Claim, Way::Header, Way::Query];
    ways.extend(operation.body.as_ref().filter(|body| body.is_object()).map(|_| Way::Body));
    ways
}

/// How many combinations are left out by the bound: with the other organisation, and with one's own.
pub(super) fn left_out(operation: &Operation) -> usize {
    let all = (1_usize << ways(operation).len()) - 1;
    org(operation).map_or(0, |_| 2 * (all - sets(operation).len()))
}

/// The sets of ways that are tried: all of up to [`MOST_WAYS`], and every way at once.
fn sets(operation: &Operation) -> Vec<Vec<Way>> {
    let ways = ways(operation);
    let of = |mask: usize| -> Vec<Way> {
        ways.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, way)| *way).collect()
    };
    let sets = (1..1_usize << ways.len()).map(of);
    sets.filter(|set| set.len() <= MOST_WAYS || set.len() == ways.len()).collect()
}

/// Where the contract has the organisation.
fn org(operation: &Operation) -> Option<&Slot> {
    operation.naming_slots().find(|slot| slot.kind == SlotKind::Org)
}

/// The header that the contract has the organisation in.
fn said_in(operation: &Operation) -> Option<&str> {
    match &org(operation)?.place {
        Place::Header(name) => Some(name),
        _ => None,
    }
}

/// The contract's own header twice, with either organisation first.
fn twice(operation: &Operation) -> Vec<Strike<'static>> {
    let Some(name) = said_in(operation).map(str::to_owned) else { return Vec::new() };
    let strike = |own_first: bool| {
        let variant =
            format!("header.{name}.twice.{}", if own_first { "own-first" } else { "foreign-first" });
        let title = format!("{} goes by one of two organisations in one header", operation.name);
        let case = case(operation, &variant, ANOTHER, title);
        let (name, place) = (name.clone(), Place::Header(name.clone()));
        Strike::new(case, Due::Harmless, move |scene| {
            let (own, foreign) = (org_of(&scene.own.values)?, org_of(&scene.foreign.values)?);
            let (first, second) = if own_first { (own, foreign) } else { (foreign, own) };
            Ok(scene.by_own().at(&place, first).header(&name, second))
        })
    };
    vec![strike(true), strike(false)]
}

pub(super) fn strikes(operation: &Operation) -> Vec<Strike<'static>> {
    let Some(slot) = org(operation) else { return Vec::new() };
    let place = slot.place.to_string().replace('/', ".");
    let mut strikes = twice(operation);
    for set in sets(operation) {
        let also = set.iter().map(|way| way.as_str()).collect::<Vec<_>>().join("+");
        let title = format!("{} goes by another organisation than its own place says", operation.name);
        // One's own organisation, and the other one said besides.
        let due = if set.contains(&Way::Claim) { Due::Refused } else { Due::Harmless };
        let own = case(operation, &format!("also.{also}"), ANOTHER, title.clone());
        let ways = set.clone();
        strikes.push(Strike::new(own, due, move |scene| {
            said(scene, scene.by_own(), &ways, org_of(&scene.foreign.values)?)
        }));
        // The other organisation, and one's own said besides.
        let foreign = case(operation, &format!("{place}+own.{also}"), ANOTHER, title);
        let (ways, place) = (set, slot.place.clone());
        strikes.push(Strike::new(foreign, Due::Refused, move |scene| {
            let call = scene.by_own().at(&place, org_of(&scene.foreign.values)?);
            said(scene, call, &ways, org_of(&scene.own.values)?)
        }));
    }
    strikes
}

fn said(scene: &Scene<'_>, call: Call, ways: &[Way], org: &str) -> Result<Call, Stop> {
    ways.iter().try_fold(call, |call, way| way.say(scene, call, org))
}

fn org_of(values: &std::collections::BTreeMap<SlotKind, String>) -> Result<&str, Stop> {
    values
        .get(&SlotKind::Org)
        .map(String::as_str)
        .ok_or_else(|| Stop::skip("there is no organisation to name"))
}

/// A token for one's own organisation is good: otherwise a refusal of one for another would mean nothing. Where nobody but
/// the target makes tokens, none is claimed with.
pub(super) async fn control(scene: &Scene<'_>) -> Result<(), Stop> {
    let operation = scene.operation;
    let signs = scene.arena.system.stand_ins.issuer.is_some();
    if !signs || operation.effect != Effect::Read || org(operation).is_none() || operation.is_the_platforms()
    {
        return Ok(());
    }
    let own = claiming(scene, org_of(&scene.own.values)?)?;
    scene.by(&own).class(Class::Control).send().await?.expect(200)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use harness::contract::{Contract, Operation};
    use serde_json::json;

    use super::{HEADERS, NAMES, Place, Way, sets, strikes};

    fn operation(method: &str) -> Operation {
        let document = json!({ "openapi": "3.1.0", "paths": { "/orgs/{orgId}/teams": { method: {
            "operationId": "team-create", "x-permission": ["team:create"], "x-effect": "write",
            "x-visibility": "hidden", "x-slot": { "path/orgId": "org" }, "responses": {},
            "requestBody": { "content": { "application/json": { "example": { "name": "n" } } } },
        } } } });
        Contract::from_openapi(&document).unwrap().get("team-create").unwrap().clone()
    }

    #[test]
    fn the_contracts_own_place_is_no_other_one() {
        let document = json!({ "openapi": "3.1.0", "paths": { "/teams": { "post": {
            "operationId": "team-create", "x-permission": ["team:create"], "x-effect": "write",
            "x-visibility": "hidden", "x-slot": { "body/organizationId": "org" }, "responses": {},
            "requestBody": { "content": { "application/json": { "example": { "organizationId": "o" } } } },
        } } } });
        let contract = Contract::from_openapi(&document).unwrap();
        let operation = contract.get("team-create").unwrap();
        let of = |way: Way| way.names(operation).collect::<Vec<_>>();
        assert_eq!(of(Way::Body), ["orgId", "organisationId", "org_id", "tenantId"]);
        assert_eq!(of(Way::Query), NAMES);
        assert_eq!(of(Way::Header), HEADERS);
        let mut asked = operation.clone();
        asked.slots[0].place = Place::Query("organizationId".to_owned());
        assert_eq!(Way::Query.names(&asked).collect::<Vec<_>>(), NAMES, "twice, each with another");
    }

    #[test]
    fn every_pair_of_places_and_all_at_once_are_tried_with_either_organisation() {
        let operation = operation("post");
        assert_eq!(sets(&operation).len(), 4 + 6 + 1);
        let paths: Vec<String> = strikes(&operation).into_iter().map(|strike| strike.case.path).collect();
        assert_eq!(paths.len(), 22);
        assert!(paths.contains(&"hop/team-create/also.query+body".to_owned()), "{paths:?}");
        assert!(paths.contains(&"hop/team-create/path.orgId+own.claim+header+query+body".to_owned()));
    }
}
