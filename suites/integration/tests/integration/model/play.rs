//! Playing a sequence of acts against the target, and comparing after each with what the rules say.

use std::collections::{BTreeMap, BTreeSet};

use harness::contract::SlotKind;
use harness::data::Tenant;
use harness::identity::Principal;
use harness::world::{Stop, World};
use serde_json::{Value, json};

use super::rules::{Act, BUNDLES, Person, Role, Rules, Sight};

/// An organisation on the target in which a sequence is played.
pub struct Play<'w> {
    world: &'w World,
    acme: Tenant,
    platform: Principal,
    people: BTreeMap<Person, Principal>,
    auditor: Principal,
    predefined: BTreeMap<String, String>,
    teams: Vec<String>,
    roles: Vec<String>,
    /// What the log told before the first act.
    before: BTreeMap<String, usize>,
}

impl Play<'_> {
    /// Sets the scene; `outsider` is an administrator elsewhere.
    pub async fn begin<'w>(world: &'w World, outsider: &Principal) -> Result<Play<'w>, Stop> {
        let acme = world.data.organisations().create("acme").await?;
        let mut people = BTreeMap::from([(Person::Outsider, outsider.clone())]);
        for person in Person::ALL.into_iter().filter(|person| *person != Person::Outsider) {
            let label = format!("{person:?}").to_lowercase();
            let role = person.role().map(Role::name);
            people.insert(person, world.data.users().create(&acme, &label, role).await?);
        }
        let admin = &people[&Person::Admin];
        let predefined = world.data.roles().by_name(&acme, admin).await?;
        let reads = world.data.roles().create_with(&acme, admin, &["audit:read"]).await?;
        let auditor = world.data.users().create(&acme, "auditor", None).await?;
        let give = world.api.call("role-assignment-create").as_(admin).org(&acme.org).user(&auditor.subject);
        give.role(&reads).send().await?.expect(201)?;
        let platform = world.data.platform_admin()?;
        let mut play = Play {
            world,
            acme,
            platform,
            people,
            auditor,
            predefined,
            teams: Vec::new(),
            roles: Vec::new(),
            before: BTreeMap::new(),
        };
        play.before = play.log().await?;
        Ok(play)
    }

    /// Does one act and compares its answer, then what everybody sees.
    pub async fn act(&mut self, rules: &mut Rules, act: &Act) -> Result<(), Stop> {
        let expected = rules.answer(act);
        let status = self.send(act).await?;
        if status != expected {
            return Err(Stop::fail(format!("expected {expected}, got {status}")));
        }
        rules.happen(act);
        for person in Person::ALL {
            let (expected, seen) = (rules.look(person), self.look(person).await?);
            if seen != expected {
                return Err(Stop::fail(format!("{person:?} must then see {expected:?}, sees {seen:?}")));
            }
        }
        Ok(())
    }

    /// Compares the audit log with what the rules say it tells.
    pub async fn end(self, rules: &Rules) -> Result<(), Stop> {
        let mut log = self.log().await?;
        for (event, count) in &self.before {
            *log.entry(event.clone()).or_default() -= count;
        }
        log.retain(|_, count| *count > 0);
        if log == rules.log {
            Ok(())
        } else {
            Err(Stop::fail(format!("the log must tell {:?}, tells {log:?}", rules.log)))
        }
    }

    async fn send(&mut self, act: &Act) -> Result<u16, Stop> {
        let by = act.by().map_or(&self.platform, |by| &self.people[&by]);
        let call = |operation: &str| self.world.api.call(operation).as_(by).org(&self.acme.org);
        let subject = |who: Person| self.people[&who].subject.as_str();
        let name = || self.acme.text("made by the model");
        let call = match *act {
            Act::CreateTeam { .. } => call("team-create").json(json!({ "name": name() })),
            Act::DeleteTeam { team, .. } => call("team-delete").team(&self.teams[team]),
            Act::AddMember { team, who, .. } => {
                call("team-member-add").team(&self.teams[team]).json(json!({ "userId": subject(who) }))
            }
            Act::RemoveMember { team, who, .. } => {
                call("team-member-remove").team(&self.teams[team]).member(subject(who))
            }
            Act::CreateRole { bundle, .. } => {
                call("role-create").json(json!({ "name": name(), "permissions": BUNDLES[bundle] }))
            }
            Act::SwitchRole { role, active, .. } => {
                call("role-update").role(&self.roles[role]).json(json!({ "active": active }))
            }
            Act::RewriteRole { role, bundle, .. } => {
                call("role-update").role(&self.roles[role]).json(json!({ "permissions": BUNDLES[bundle] }))
            }
            Act::DeleteRole { role, .. } => call("role-delete").role(&self.roles[role]),
            Act::Assign { who, role, .. } => {
                call("role-assignment-create").user(subject(who)).role(self.role(role))
            }
            Act::Unassign { who, role, .. } => {
                call("role-assignment-delete").user(subject(who)).role(self.role(role))
            }
            Act::SetStatus { who, active } => {
                let status = if active { "ACTIVE" } else { "SUSPENDED" };
                call("user-status-set").user(subject(who)).json(json!({ "status": status }))
            }
        };
        let answer = call.send().await?;
        if answer.status == 201 {
            let made = match act {
                Act::CreateTeam { .. } => Some((SlotKind::Team, &mut self.teams)),
                Act::CreateRole { .. } => Some((SlotKind::Role, &mut self.roles)),
                _ => None,
            };
            if let Some((kind, ids)) = made {
                let id = answer.text_at("/id")?;
                self.world.data.adopt(&self.acme, kind, &id)?;
                ids.push(id);
            }
        }
        Ok(answer.status)
    }

    fn role(&self, role: Role) -> &str {
        match role {
            Role::Custom(index) => &self.roles[index],
            predefined => &self.predefined[predefined.name()],
        }
    }

    async fn look(&self, who: Person) -> Result<Sight, Stop> {
        let list = self.world.api.call("team-list").as_(&self.people[&who]).org(&self.acme.org);
        let answer = list.query("limit", &100).send().await?;
        if answer.status != 200 {
            return Ok(Sight::Refused(answer.status));
        }
        let mut seen = BTreeSet::new();
        for team in answer.array_at("/items")? {
            let id = team["id"].as_str().unwrap_or_default();
            let index = self.teams.iter().position(|known| known == id);
            seen.insert(index.ok_or_else(|| Stop::fail(format!("a team nobody made: {team}")))?);
        }
        Ok(Sight::Teams(seen))
    }

    /// The events of the log by type, action and outcome.
    async fn log(&self) -> Result<BTreeMap<String, usize>, Stop> {
        let mut log = BTreeMap::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut call =
                self.world.api.call("audit-list").as_(&self.auditor).org(&self.acme.org).query("limit", &100);
            if let Some(cursor) = &cursor {
                call = call.query("cursor", cursor);
            }
            let page = call.send().await?.expect(200)?;
            for event in page.array_at("/items")? {
                let word = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
                let line = format!("{} {} {}", word("eventType"), word("action"), word("outcome"));
                *log.entry(line).or_default() += 1;
            }
            cursor = page.json().get("nextCursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(log);
            }
        }
    }
}
