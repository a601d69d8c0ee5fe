//! The audit logs of both tenants, as their administrators read them: whatever the system, an event has an id, an
//! outcome and an actor.

use std::collections::BTreeSet;

use harness::client::CallError;
use harness::contract::Operation;
use harness::data::Fill;
use harness::exchange::{Class, Exchange};
use harness::identity::Principal;
use harness::stores::Store;
use harness::target::Capability;
use harness::world::Stop;
use serde_json::Value;

use crate::arena::Arena;

/// Reads the log.
const READ: &str = "audit-list";
/// More pages than the trials of one operation can fill.
const MOST_PAGES: usize = 20;

/// An event, by whatever names its members have.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    id: String,
    /// SUCCESS, DENIED or FAILURE.
    pub outcome: String,
    /// Who did it.
    pub actor: String,
    all: Value,
}

impl Event {
    /// Reads an event as a route shows it or a store holds it.
    fn of(value: &Value) -> Option<Event> {
        let text = |names: &[&str]| {
            names.iter().find_map(|name| value.get(name).and_then(Value::as_str)).map(str::to_owned)
        };
        Some(Event {
            id: text(&["id", "eventId"])?,
            outcome: text(&["outcome"])?,
            actor: text(&["actorId", "actor", "actor_id"])?,
            all: value.clone(),
        })
    }

    /// Whether all of these words, joined by `+`, stand in it as values.
    pub fn says(&self, words: &str) -> bool {
        let is_there =
            |word: &str| self.all.as_object().is_some_and(|all| all.values().any(|value| value == word));
        words.split('+').all(is_there)
    }

    /// Whether a string stands in it anywhere.
    pub fn holds(&self, secret: &str) -> bool {
        self.all.to_string().contains(secret)
    }

    /// The event for a reader: its words, without ids and times.
    pub fn told(&self) -> String {
        let named = ["eventType", "operation", "action", "reason"];
        let words = named.iter().filter_map(|name| self.all.get(name).and_then(Value::as_str));
        let words: Vec<&str> = words.chain([self.outcome.as_str()]).collect();
        format!("{} by {}", words.join(" "), self.actor)
    }
}

/// Where the events of an operation are looked for.
enum Place {
    /// In an organisation's log, as somebody who may read it.
    Log { org: String, reader: Principal },
    /// In the store, by the ids they tell of: what the platform does is in no log that a tenant reads, and a log goes
    /// with its organisation.
    Store { words: Vec<String> },
}

/// What came into the logs.
pub(crate) struct News {
    /// In the organisation that the operation is about.
    pub home: Vec<Event>,
    /// In the other one.
    pub away: Vec<Event>,
    /// What of another tenant stands in a log, and where it was read.
    pub leak: Option<(String, Exchange)>,
}

/// A look at both logs.
pub(crate) struct Watch {
    home: Vec<Place>,
    away: Place,
    known: BTreeSet<String>,
    seen: Vec<Event>,
}

impl Watch {
    /// Begins to look: what is in the logs by now is not new.
    pub async fn begin(arena: &Arena, operation: &Operation, fill: &Fill) -> Result<Watch, Stop> {
        if arena.api.contract().get(READ).is_none() {
            return Err(Stop::skip(format!("the target has no capability '{}'", Capability::Audit)));
        }
        let away = Place::Log { org: arena.globex.tenant.org.clone(), reader: arena.globex.admin.clone() };
        let mut watch =
            Watch { home: places(arena, operation, fill)?, away, known: BTreeSet::new(), seen: Vec::new() };
        watch.forget(arena).await?;
        Ok(watch)
    }

    /// Looks from now on for the events of another resource.
    pub async fn begin_again(
        &mut self,
        arena: &Arena,
        operation: &Operation,
        fill: &Fill,
    ) -> Result<(), Stop> {
        self.home = places(arena, operation, fill)?;
        self.forget(arena).await
    }

    async fn forget(&mut self, arena: &Arena) -> Result<(), Stop> {
        let before = self.seen.len();
        self.news(arena, &[]).await?;
        self.seen.truncate(before);
        Ok(())
    }

    /// What came since the last look; `created` are ids that events may tell of besides those that were sent.
    pub async fn news(&mut self, arena: &Arena, created: &[String]) -> Result<News, Stop> {
        let mut news = News { home: Vec::new(), away: Vec::new(), leak: None };
        for place in &self.home {
            news.home.extend(read(arena, place, created, &mut news.leak).await?);
        }
        news.away = read(arena, &self.away, &[], &mut news.leak).await?;
        let known = &mut self.known;
        news.home.retain(|event| known.insert(event.id.clone()));
        news.away.retain(|event| known.insert(event.id.clone()));
        self.seen.extend(news.home.iter().chain(&news.away).cloned());
        Ok(news)
    }

    /// Whether what was done is nowhere to be found: in no log that a tenant reads, and under no id.
    pub fn is_blind(&self, created: &[String]) -> bool {
        let is_blind = |place: &Place| matches!(place, Place::Store { words } if words.is_empty());
        created.is_empty() && self.home.iter().any(is_blind)
    }

    /// Everything that came since the beginning.
    pub fn seen(&self) -> &[Event] {
        &self.seen
    }
}

/// Where the events of an operation on a resource are.
fn places(arena: &Arena, operation: &Operation, fill: &Fill) -> Result<Vec<Place>, Stop> {
    if let Some(tenant) = fill.ending() {
        let reader = arena.rightful(operation, &arena.acme, fill);
        return Ok(vec![Place::Log { org: tenant.org.clone(), reader }]);
    }
    let log = Place::Log { org: arena.acme.tenant.org.clone(), reader: arena.acme.admin.clone() };
    if !operation.is_the_platforms() {
        return Ok(vec![log]);
    }
    // What tells of the tenant itself is in its log; the store is looked through for the rest.
    let own = &arena.acme.tenant;
    let named = operation.slots.iter().filter(|slot| slot.kind.names() || slot.kind.from_example());
    let words: BTreeSet<&String> = named.filter_map(|slot| fill.values.get(&slot.kind)).collect();
    let words = words.into_iter().filter(|word| **word != own.org && Some(*word) != own.record.as_ref());
    let words: Vec<String> = words.cloned().collect();
    match arena.system.store {
        Some(_) => Ok(vec![log, Place::Store { words }]),
        None => Err(Stop::skip(format!("the target has no capability '{}'", Capability::Store))),
    }
}

async fn read(
    arena: &Arena,
    place: &Place,
    created: &[String],
    leak: &mut Option<(String, Exchange)>,
) -> Result<Vec<Event>, Stop> {
    match place {
        Place::Log { org, reader } => from_log(arena, org, reader, leak).await,
        Place::Store { words } => {
            let words: Vec<&str> = words.iter().chain(created).map(String::as_str).collect();
            match &arena.system.store {
                Some(store) if !words.is_empty() => from_store(store, &words).await,
                _ => Ok(Vec::new()),
            }
        }
    }
}

async fn from_store(store: &Store, words: &[&str]) -> Result<Vec<Event>, Stop> {
    Ok(store.mentioning(words).await?.values().filter_map(Event::of).collect())
}

async fn from_log(
    arena: &Arena,
    org: &str,
    reader: &Principal,
    leak: &mut Option<(String, Exchange)>,
) -> Result<Vec<Event>, Stop> {
    let (mut events, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..MOST_PAGES {
        let mut call = arena.api.call(READ).as_(reader).org(org).query("limit", &100).class(Class::Control);
        if let Some(cursor) = &cursor {
            call = call.query("cursor", cursor.as_str());
        }
        let answer = match call.send().await {
            Err(CallError::Leak { leak: found, exchange }) => {
                leak.get_or_insert((found.to_string(), *exchange));
                return Ok(events);
            }
            answer => answer?,
        };
        // An organisation that is gone took its log along.
        if answer.status == 404 {
            return Ok(events);
        }
        let page = answer.expect(200)?;
        let items = page.array_at("/items")?;
        let read: Vec<Event> = items.iter().filter_map(Event::of).collect();
        if read.len() < items.len() {
            let what = "an event without an id, an outcome or an actor";
            return Err(Stop::error(format!("{READ} shows {what}: nothing can be said of this log")));
        }
        events.extend(read);
        cursor = page.json().get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(events);
        }
    }
    Err(Stop::error(format!("{READ} has more than {MOST_PAGES} pages of what a few requests did")))
}
