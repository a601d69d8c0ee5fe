//! An organisation with an administrator: where most stories begin.

use std::collections::BTreeMap;

use harness::client::{Answer, Call};
use harness::contract::SlotKind;
use harness::data::{Invitation, Tenant};
use harness::identity::Principal;
use harness::stores::{Item, Table};
use harness::world::{Stop, World};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{Gives as _, Log};

/// An organisation with an administrator. What it is asked to set up is done by that administrator.
#[derive(Debug)]
pub struct Company<'w> {
    world: &'w World,
    /// The organisation.
    pub tenant: Tenant,
    /// Its administrator.
    pub admin: Principal,
    roles: OnceCell<BTreeMap<String, String>>,
}

impl<'w> Company<'w> {
    /// Founds an organisation of that name.
    pub async fn found(world: &'w World, name: &str) -> Result<Company<'w>, Stop> {
        let tenant = world.data.organisations().create(name).await?;
        let admin = world.data.users().create(&tenant, "org-admin", Some("ORG_ADMIN")).await?;
        Ok(Company::of(world, tenant, admin))
    }

    /// An organisation that `admin` administers already.
    pub fn of(world: &'w World, tenant: Tenant, admin: Principal) -> Company<'w> {
        Company { world, tenant, admin, roles: OnceCell::new() }
    }

    /// The world it is in.
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// The organisation's id.
    pub fn org(&self) -> &str {
        &self.tenant.org
    }

    /// An operation on this organisation by someone.
    pub fn by(&self, who: &Principal, operation: &str) -> Call {
        self.world.api.call(operation).as_(who).org(&self.tenant.org)
    }

    /// An operation on this organisation by its administrator.
    pub fn admin(&self, operation: &str) -> Call {
        self.by(&self.admin, operation)
    }

    /// The id of a predefined role.
    pub async fn predefined(&self, name: &str) -> Result<&str, Stop> {
        let roles = self.world.data.roles();
        let roles = self.roles.get_or_try_init(|| roles.by_name(&self.tenant, &self.admin)).await?;
        let id = roles.get(name).map(String::as_str);
        id.ok_or_else(|| Stop::fail(format!("a predefined role {name}, found {:?}", roles.keys())))
    }

    /// A user with a predefined role.
    pub async fn user(&self, role: &str) -> Result<Principal, Stop> {
        let label = role.to_lowercase().replace('_', "-");
        Ok(self.world.data.users().create(&self.tenant, &label, Some(role)).await?)
    }

    /// A user without any role.
    pub async fn newcomer(&self) -> Result<Principal, Stop> {
        Ok(self.world.data.users().create(&self.tenant, "newcomer", None).await?)
    }

    /// A user who holds exactly these permissions, by a role of their own; and that role.
    pub async fn user_who_may(&self, permissions: &[&str]) -> Result<(Principal, String), Stop> {
        let user = self.newcomer().await?;
        let role = self.role(permissions).await?;
        self.assign(&self.admin, &user, &role).gives(201).await?;
        Ok((user, role))
    }

    /// A role with exactly these permissions.
    pub async fn role(&self, permissions: &[&str]) -> Result<String, Stop> {
        Ok(self.world.data.roles().create_with(&self.tenant, &self.admin, permissions).await?)
    }

    /// The assignment of a role.
    pub fn assign(&self, giver: &Principal, user: &Principal, role: &str) -> Call {
        self.by(giver, "role-assignment-create").user(&user.subject).json(json!({ "roleId": role }))
    }

    /// The taking away of a role.
    pub fn unassign(&self, taker: &Principal, user: &Principal, role: &str) -> Call {
        self.by(taker, "role-assignment-delete").user(&user.subject).role(role)
    }

    /// A change of a role by the administrator.
    pub fn change_role(&self, role: &str, change: Value) -> Call {
        self.admin("role-update").role(role).json(change)
    }

    /// A team whose one member is the administrator.
    pub async fn team(&self) -> Result<String, Stop> {
        Ok(self.world.data.teams().create(&self.tenant, &self.admin).await?)
    }

    /// Makes a user a member of a team.
    pub async fn join_team(&self, team: &str, user: &Principal) -> Result<(), Stop> {
        let add = self.admin("team-member-add").team(team).json(json!({ "userId": user.subject }));
        add.gives(201).await?;
        Ok(())
    }

    /// The members a team says it has.
    pub async fn member_count(&self, team: &str) -> Result<u64, Stop> {
        let team = self.admin("team-get").team(team).gives(200).await?;
        team.json()["memberCount"].as_u64().ok_or_else(|| Stop::fail("a memberCount in the answer"))
    }

    /// The id of a team role that every organisation has: lead, member or guest.
    pub async fn part(&self, name: &str) -> Result<String, Stop> {
        let parts = self.admin("team-role-list").items().await?;
        let part = parts.iter().find(|part| part["name"] == name).and_then(|part| part["id"].as_str());
        part.map(str::to_owned).ok_or_else(|| Stop::fail(format!("a team role {name}, found {parts:?}")))
    }

    /// An invitation of a stranger into a predefined role, and its token.
    pub async fn invite(&self, role: &str) -> Result<Invitation, Stop> {
        self.invite_to(self.predefined(role).await?, &[]).await
    }

    /// An invitation of a stranger into a role and teams, and its token.
    pub async fn invite_to(&self, role: &str, teams: &[&str]) -> Result<Invitation, Stop> {
        let invitee = self.world.data.users().stranger("invitee")?;
        let body = json!({ "email": invitee.email, "roleId": role, "teamIds": teams });
        self.invitation(&self.admin, invitee, body).await
    }

    /// An invitation of somebody known into a predefined role, and its token.
    pub async fn invite_person(
        &self,
        inviter: &Principal,
        person: &Principal,
        role: &str,
    ) -> Result<Invitation, Stop> {
        let body = json!({ "email": person.email, "roleId": self.predefined(role).await? });
        self.invitation(inviter, person.clone(), body).await
    }

    /// An invitation as the body says, and its token from the mail.
    pub async fn invitation(
        &self,
        inviter: &Principal,
        invitee: Principal,
        body: Value,
    ) -> Result<Invitation, Stop> {
        let created = self.by(inviter, "invitation-create").json(body).gives(201).await?;
        let id = created.text_at("/id")?;
        self.world.data.adopt(&self.tenant, SlotKind::Invitation, &id)?;
        let token = self.world.data.invitations().token(&self.tenant, &invitee.email).await?;
        Ok(Invitation { id, token, invitee })
    }

    /// An operation of the administrator on an invitation.
    pub fn on(&self, operation: &str, invitation: &Invitation) -> Call {
        self.admin(operation).invitation(&invitation.id)
    }

    /// The status of an invitation.
    pub async fn status(&self, invitation: &Invitation) -> Result<String, Stop> {
        Ok(self.on("invitation-get", invitation).gives(200).await?.text_at("/status")?)
    }

    /// An invitee as member of this organisation, after accepting.
    pub fn as_member(&self, invitation: &Invitation) -> Principal {
        self.world.data.invitations().accepted(&self.tenant, invitation)
    }

    /// The ids of a user's roles, as the administrator sees them.
    pub async fn roles_of(&self, user: &Principal) -> Result<Vec<String>, Stop> {
        texts(self.admin("role-assignment-list").user(&user.subject), "roleId").await
    }

    /// The ids of a user's teams, as the administrator sees them.
    pub async fn teams_of(&self, user: &Principal) -> Result<Vec<String>, Stop> {
        texts(self.admin("user-team-list").user(&user.subject), "id").await
    }

    /// The ids of the teams that someone sees in the list.
    pub async fn teams_seen_by(&self, who: &Principal) -> Result<Vec<String>, Stop> {
        texts(self.by(who, "team-list"), "id").await
    }

    /// The whole audit log, as the administrator reads it.
    pub async fn log(&self) -> Result<Log, Stop> {
        self.log_of(self.admin("audit-list")).await
    }

    /// The events that a list of the audit log gives.
    pub async fn log_of(&self, list: Call) -> Result<Log, Stop> {
        let answer = list.query("limit", &100).gives(200).await?;
        let items = Value::Array(answer.array_at("/items")?);
        let events = serde_json::from_value(items);
        Ok(Log(events.map_err(|error| answer.unexpected("events", &error.to_string()))?))
    }

    /// Has people do something of most kinds, denied and failed things among them: a log worth reading.
    pub async fn be_busy(&self) -> Result<(), Stop> {
        let ann = self.user("SITE_VIEWER").await?;
        let team = self.team().await?;
        self.join_team(&team, &ann).await?;
        let rename = self.admin("team-update").team(&team);
        rename.json(json!({ "name": self.tenant.text("x") })).gives(200).await?;
        let role = self.role(&["site:read"]).await?;
        self.change_role(&role, json!({ "permissions": ["site:update"] })).gives(200).await?;
        let invitation = self.invite("SITE_VIEWER").await?;
        accept(self.world, &invitation.invitee, &invitation.token).gives(200).await?;
        self.by(&ann, "role-list").gives(403).await?;
        self.unassign(&self.admin, &self.admin, self.predefined("ORG_ADMIN").await?).gives(409).await?;
        Ok(())
    }

    /// A user's standing, set by the platform.
    pub async fn set_status(&self, user: &Principal, status: &str) -> Result<Answer, Stop> {
        let platform = self.world.data.platform_admin()?;
        let set = self.world.api.call("user-status-set").as_(&platform).user(&user.subject);
        Ok(set.json(json!({ "status": status })).send().await?)
    }

    /// The stored item of this organisation under a sort key; empty when there is none.
    pub async fn item(&self, table: &Table, sort: &str) -> Result<Item, Stop> {
        Ok(table.get(&format!("ORG#{}", self.org()), sort).await?.unwrap_or_default())
    }

    /// The stored item of what a user is and has in this organisation; empty when there is none.
    pub async fn item_of(&self, table: &Table, user: &Principal, sort: &str) -> Result<Item, Stop> {
        let partition = format!("USER#{}#ORG#{}", user.subject, self.org());
        Ok(table.get(&partition, sort).await?.unwrap_or_default())
    }
}

/// The texts under one name in the items of a list, in the order of the alphabet.
async fn texts(list: Call, name: &str) -> Result<Vec<String>, Stop> {
    let items = list.query("limit", &100).items().await?;
    let mut texts: Vec<String> =
        items.iter().filter_map(|item| item[name].as_str()).map(str::to_owned).collect();
    texts.sort();
    Ok(texts)
}

/// The acceptance of an invitation by someone who sends its token in the body.
pub fn accept(world: &World, who: &Principal, token: &str) -> Call {
    world.api.call("invitation-accept").as_(who).invitation_token(token)
}

/// The same person with another claim in their tokens.
pub fn with_claim(who: &Principal, name: &str, value: impl Into<Value>) -> Result<Principal, Stop> {
    let value = value.into();
    let changed = who.with_claims(|claims| {
        claims.insert(name.to_owned(), value);
    });
    changed.ok_or_else(|| Stop::skip("the harness does not mint this target's tokens"))
}

/// The same person with another address in their tokens.
pub fn with_email(who: &Principal, email: &str) -> Result<Principal, Stop> {
    Ok(Principal { email: email.to_owned(), ..with_claim(who, "email", email)? })
}

/// An attribute of a stored item as text; empty when there is none.
pub fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}
