//! The audit log: whatever is done leaves exactly its events, whatever is refused leaves one in the caller's own
//! organisation, and nobody writes into a log what did not happen.

mod due;
mod log;

use harness::client::Call;
use harness::contract::{Effect, Operation, Place, Slot, SlotKind};
use harness::data::Fill;
use harness::exchange::{Class, Exchange};
use harness::identity::{Credential, Principal};
use harness::record::Severity;
use harness::target::Secret;
use harness::verdict::Verdict;
use harness::world::Stop;
use uuid::Uuid;

use crate::arena::{Arena, Attacked, is_no_answer, no_answer};
use crate::case::{Case, CaseOutcome, Reference};
use crate::cast::{Cast, Persona, title};
use crate::hop;
use crate::model::{Expected, Relation, expected};

pub use due::{Due, NotATable};
use log::{Event, Watch};

/// Headers by which a proxy tells a service who is calling: from a client they are a lie.
const CLAIMS: [&str; 6] =
    ["x-actor-id", "x-user-id", "x-forwarded-user", "x-remote-user", "x-amzn-oidc-identity", "x-audit-user"];

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// Nobody known asks.
    Unknown,
    /// A member asks who may not.
    Member,
    /// Another tenant's administrator asks.
    Stranger,
    /// The administrator names what is another tenant's.
    Foreign,
    /// The rightful caller asks for something that cannot be done.
    NotDone,
    /// The rightful caller writes an event of their own into the text.
    Forged,
    /// The rightful caller succeeds, and headers name somebody else.
    Blamed,
    /// The rightful caller succeeds.
    Done,
    /// Whatever came into the logs meanwhile.
    Secrets,
}

impl Trial {
    fn variant(self) -> &'static str {
        match self {
            Trial::Unknown => "unknown",
            Trial::Member => "denied-member",
            Trial::Stranger => "denied-stranger",
            Trial::Foreign => "denied-foreign",
            Trial::NotDone => "not-done",
            Trial::Forged => "forged",
            Trial::Blamed => "blamed",
            Trial::Done => "done",
            Trial::Secrets => "secrets",
        }
    }

    fn reference(self) -> Reference {
        let (cwe, asvs) = match self {
            Trial::Unknown => (779, "16.4.2"),
            Trial::Member | Trial::Stranger | Trial::Foreign => (778, "16.3.2"),
            Trial::NotDone => (778, "16.3.3"),
            Trial::Forged => (117, "16.4.1"),
            Trial::Blamed => (290, "16.2.1"),
            Trial::Done => (778, "16.2.1"),
            Trial::Secrets => (532, "16.2.5"),
        };
        Reference { cwe, owasp: "API8", asvs }
    }

    /// The finding's title and what its success gains.
    fn told(self, operation: &str) -> (String, &'static str) {
        match self {
            Trial::Unknown => (
                format!("whoever is unknown writes into an audit log with {operation}"),
                "fills a tenant's log without an account, until nobody reads it any more",
            ),
            Trial::Member => (
                format!("a member who was refused {operation} left not exactly one event"),
                "probes for rights, and nobody sees it",
            ),
            Trial::Stranger => (
                format!("a stranger who was refused {operation} left not the events that are due"),
                "probes for other tenants without a trace, or writes into their log",
            ),
            Trial::Foreign => (
                format!("{operation} on another tenant's things left not exactly one event"),
                "tries the ids of other tenants, and nobody sees it",
            ),
            Trial::NotDone => (
                format!("{operation} is on record as done, and was not"),
                "makes the log tell of what never happened",
            ),
            Trial::Forged => (
                format!("an event of {operation} tells what the caller wrote into the request"),
                "forges events",
            ),
            Trial::Blamed => (
                format!("an event of {operation} names whom the caller's headers name"),
                "puts the blame on somebody else",
            ),
            Trial::Done => (
                format!("{operation} leaves not exactly its events"),
                "changes something, and the log does not tell who did",
            ),
            Trial::Secrets => (
                format!("the events of {operation} hold a secret"),
                "reads the log and uses the token that stands in it",
            ),
        }
    }
}

/// Whether the class applies: somebody is known, or something is done.
pub(crate) fn applies(operation: &Operation) -> bool {
    operation.needs_token() || operation.effect != Effect::Read
}

/// Who attacks: besides the administrators of both tenants a member who may not, and the platform's administrator.
pub(crate) fn personas(operation: &Operation, cast: &Cast) -> Vec<Persona> {
    let other = Persona::OtherTenant(cast.ladder.top);
    refused(operation, cast).into_iter().chain([Persona::PlatformAdmin, other]).collect()
}

/// A member who may not, of the least who are.
fn refused(operation: &Operation, cast: &Cast) -> Option<Persona> {
    let roles: Vec<Persona> = cast.ladder.roles().map(Persona::Holder).collect();
    let members = roles.into_iter().rev().chain([Persona::NoRole]);
    let mut members = members.filter(|persona| cast.personas.contains(persona));
    members.find(|&persona| {
        matches!(expected(operation, persona, Relation::Other), Expected::Forbidden | Expected::Hidden)
    })
}

/// Whether a stranger is refused.
fn closed(operation: &Operation, cast: &Cast) -> bool {
    expected(operation, Persona::OtherTenant(cast.ladder.top), Relation::Other) != Expected::Allow
}

fn trials(operation: &Operation, cast: &Cast) -> Vec<Trial> {
    let writes = operation.effect != Effect::Read;
    let has_text = operation.slots.iter().any(|slot| slot.kind == SlotKind::Text);
    let all = [
        (Trial::Unknown, operation.needs_token()),
        (Trial::Member, refused(operation, cast).is_some()),
        (Trial::Stranger, closed(operation, cast)),
        (Trial::Foreign, hop::applies(operation) && inner(operation).next().is_some()),
        (Trial::NotDone, writes && (operation.body.is_some() || operation.effect == Effect::Consume)),
        (Trial::Forged, writes && has_text),
        (Trial::Blamed, writes && operation.needs_token()),
        (Trial::Done, true),
        // Of reading nothing is on record but refusals.
        (Trial::Secrets, writes || refused(operation, cast).is_some()),
    ];
    all.into_iter().filter(|(_, applies)| *applies).map(|(trial, _)| trial).collect()
}

/// The slots that name something inside an organisation that is named too.
fn inner(operation: &Operation) -> impl Iterator<Item = &Slot> {
    let at_home = operation.naming_slots().any(|slot| slot.kind == SlotKind::Org);
    operation.naming_slots().filter(move |slot| at_home && slot.kind != SlotKind::Org)
}

/// The cases of an operation.
pub(crate) fn cases(operation: &Operation, cast: &Cast) -> Vec<Case> {
    trials(operation, cast).into_iter().map(|trial| case(operation, trial)).collect()
}

fn case(operation: &Operation, trial: Trial) -> Case {
    let (title, gain) = trial.told(&operation.name);
    Case {
        path: format!("audit/{}/{}", operation.name, trial.variant()),
        operation: operation.name.clone(),
        reference: trial.reference(),
        severity: if trial == Trial::Secrets { Severity::High } else { Severity::Medium },
        title,
        gain: gain.to_owned(),
    }
}

/// What a trial brought about.
struct Tried {
    attacked: Attacked,
    caller: Principal,
}

/// Runs the trials of one operation against one resource, the rightful success on it last but one, and a look for
/// secrets in all that was recorded.
pub(crate) async fn run(
    arena: &Arena,
    operation: &Operation,
    outcomes: &mut Vec<CaseOutcome>,
) -> Result<(), Stop> {
    let due = Due::of_title(title(&arena.system)).map_err(|error| Stop::error(error.to_string()))?;
    let mut fill = arena.fresh(&arena.acme, operation).await?;
    let foreign = arena.fresh(&arena.globex, operation).await?;
    let member = match refused(operation, &arena.cast) {
        Some(persona) => arena.principal_in(persona, &fill).await?,
        None => Principal::anonymous(),
    };
    let mut watch = Watch::begin(arena, operation, &fill).await?;
    let mut used = false;
    for trial in trials(operation, &arena.cast) {
        let case = case(operation, trial);
        if trial == Trial::Secrets {
            outcomes.push(secrets(arena, case, &fill, &watch));
            continue;
        }
        if used {
            fill = arena.fresh(&arena.acme, operation).await?;
            watch.begin_again(arena, operation, &fill).await?;
        }
        let tried = send(arena, operation, trial, &member, (&fill, &foreign)).await?;
        let created = created(operation, &tried.attacked);
        let new = watch.news(arena, &created).await?;
        if matches!(trial, Trial::Done | Trial::Blamed)
            && operation.effect != Effect::Read
            && watch.is_blind(&created)
        {
            let why = "it names nothing by which its event could be told from those of others";
            outcomes.push(case.without_result(Verdict::Skip, why));
            continue;
        }
        used = (200..300).contains(&tried.attacked.status);
        let target = &arena.system.target.name;
        let exchange = tried.attacked.exchange.clone();
        if let Some((leak, read)) = new.leak {
            outcomes.push(case.failed(
                target,
                "a log that tells nothing of other tenants",
                &leak,
                vec![exchange, read],
            ));
            continue;
        }
        let judged = judge(operation, trial, &tried, &due, &new.home, &new.away);
        outcomes.push(match judged {
            Ok(()) => case.passed(),
            Err(Judged::Wrong { expected, observed }) => {
                case.failed(target, &expected, &observed, vec![exchange])
            }
            Err(Judged::Nothing(verdict, why)) => case.without_result(verdict, &why),
        });
    }
    Ok(())
}

/// The ids of what a request made, by which its events are found where no log of a tenant has them.
fn created(operation: &Operation, attacked: &Attacked) -> Vec<String> {
    let ids = operation.creates.iter().filter_map(|(_, pointer)| attacked.body.pointer(pointer)?.as_str());
    ids.map(str::to_owned).collect()
}

async fn send(
    arena: &Arena,
    operation: &Operation,
    trial: Trial,
    member: &Principal,
    (fill, foreign): (&Fill, &Fill),
) -> Result<Tried, Stop> {
    let rightful = arena.rightful(operation, &arena.acme, fill);
    let (caller, call) = match trial {
        Trial::Unknown => {
            let nobody = Credential::Verbatim(Secret::new("Bearer nobody.nobody.nobody"));
            let call = arena.call(operation, &rightful, fill, Class::Audit).credential(nobody);
            (Principal::anonymous(), call)
        }
        Trial::Member => {
            let call = arena.call(operation, member, fill, Class::Audit);
            (member.clone(), call)
        }
        Trial::Stranger => {
            let stranger = arena.globex.admin.clone();
            let call = arena.call(operation, &stranger, fill, Class::Audit);
            (stranger, call)
        }
        Trial::Foreign => {
            let admin = if fill.ending().is_some() { rightful } else { arena.acme.admin.clone() };
            let call = arena.call(operation, &admin, fill, Class::Audit);
            let call = inner(operation).fold(call, |call, slot| match foreign.values.get(&slot.kind) {
                Some(value) => call.at(&slot.place, value),
                None => call.at(&slot.place, &Uuid::new_v4().to_string()),
            });
            (admin, call)
        }
        Trial::NotDone => {
            let call = arena.call(operation, &rightful, fill, Class::Audit);
            (rightful, impossible(operation, call))
        }
        Trial::Forged => {
            let call = arena.call(operation, &rightful, fill, Class::Audit);
            let call = forge(call, fill, &arena.globex.admin);
            (rightful, call)
        }
        Trial::Blamed => {
            let call = arena.call(operation, &rightful, fill, Class::Audit);
            let other = &arena.globex.admin.subject;
            let call = CLAIMS.iter().fold(call, |call, name| call.header(name, other));
            (rightful, call)
        }
        Trial::Done | Trial::Secrets => {
            let call = arena.call(operation, &rightful, fill, Class::Audit);
            (rightful, call)
        }
    };
    Ok(Tried { attacked: arena.attack(call).await?, caller })
}

/// The call as something that cannot be done: a body that is none, or a thing that is not there.
fn impossible(operation: &Operation, call: Call) -> Call {
    if operation.body.is_some() {
        return call.raw_body("application/json", "{\"");
    }
    let in_path = |slot: &&Slot| matches!(slot.place, Place::Path(_));
    let mut slots = operation.slots.iter();
    let last = slots.rfind(in_path).or_else(|| operation.slots.iter().rfind(|slot| slot.kind.names()));
    last.map_or(call.clone(), |slot| call.at(&slot.place, &Uuid::new_v4().to_string()))
}

/// The call with an event of the caller's own in its text.
fn forge(call: Call, fill: &Fill, other: &Principal) -> Call {
    let text = fill.values.get(&SlotKind::Text).map(String::as_str).unwrap_or_default();
    let event = format!(r#"{{"outcome":"SUCCESS","actorId":"{0}","actor":"{0}"}}"#, other.subject);
    call.slot(SlotKind::Text, &format!("{text}\r\n{event}\r\n\u{1b}[2K"))
}

/// Why a trial did not pass.
enum Judged {
    Wrong { expected: String, observed: String },
    Nothing(Verdict, String),
}

fn judge(
    operation: &Operation,
    trial: Trial,
    tried: &Tried,
    due: &Due,
    home: &[Event],
    away: &[Event],
) -> Result<(), Judged> {
    let status = tried.attacked.status;
    let done = (200..300).contains(&status);
    let wrong = |expected: String| Judged::Wrong { expected, observed: observed(status, home, away) };
    let nothing = |why: String| Err(Judged::Nothing(Verdict::Error, why));
    if is_no_answer(status) {
        return nothing(no_answer(status));
    }
    let own = |event: &&Event| event.actor == tried.caller.subject;
    match trial {
        Trial::Unknown if done => nothing(format!("status {status}: an unknown caller was not refused")),
        Trial::Unknown => none(home, away).map_err(|()| wrong("no event: nobody is known".to_owned())),
        Trial::Foreign if done && operation.effect == Effect::Read => {
            Err(Judged::Nothing(Verdict::Skip, format!("status {status}: an empty list, and no refusal")))
        }
        Trial::Member | Trial::Stranger | Trial::Foreign if done => {
            nothing(format!("status {status}: the caller was not refused, so no denial was due"))
        }
        Trial::Member | Trial::Stranger | Trial::Foreign => {
            let is_told = match trial {
                Trial::Member => due.tells_member(&operation.name),
                Trial::Stranger => due.tells_stranger(&operation.name),
                _ => true,
            };
            // A stranger's own organisation is the other one.
            let (own_log, others) = if trial == Trial::Stranger { (away, home) } else { (home, away) };
            let denied = own_log.iter().filter(own).filter(|event| event.outcome == "DENIED").count();
            let right = denied == usize::from(is_told) && own_log.len() == denied && others.is_empty();
            let expected = if is_told { "one DENIED event" } else { "no event" };
            if right {
                return Ok(());
            }
            Err(wrong(format!("{expected} of the caller in their own organisation, and none in the other")))
        }
        Trial::NotDone if done => Err(Judged::Nothing(
            Verdict::Skip,
            format!("status {status}: what should be impossible succeeds, so nothing was left undone"),
        )),
        Trial::NotDone => {
            let told = home.iter().chain(away).any(|event| event.outcome == "SUCCESS");
            if told { Err(wrong("no event that says SUCCESS".to_owned())) } else { Ok(()) }
        }
        Trial::Forged if !done => {
            let right = status < 500
                && home.iter().all(|event| own(&event) && event.outcome != "SUCCESS")
                && away.is_empty();
            if right { Ok(()) } else { Err(wrong("a refusal, and no event but the caller's own".to_owned())) }
        }
        Trial::Done | Trial::Blamed if !done => nothing(format!("control failed with status {status}")),
        Trial::Forged | Trial::Blamed | Trial::Done | Trial::Secrets => {
            // Whoever only holds a token has no name to be told.
            let is_named = !operation.needs_token() || home.iter().all(|event| own(&event));
            if is_named && away.is_empty() && due.is_met(&operation.name, operation.effect, 1, home) {
                return Ok(());
            }
            let expected = due.words(&operation.name, operation.effect);
            Err(wrong(format!("exactly {expected}, by the caller, and nothing in the other organisation")))
        }
    }
}

fn none(home: &[Event], away: &[Event]) -> Result<(), ()> {
    if home.is_empty() && away.is_empty() { Ok(()) } else { Err(()) }
}

fn observed(status: u16, home: &[Event], away: &[Event]) -> String {
    let told = |events: &[Event]| match events {
        [] => "no event".to_owned(),
        events => events.iter().map(Event::told).collect::<Vec<_>>().join(", "),
    };
    format!("status {status}; in the organisation: {}; in the other: {}", told(home), told(away))
}

/// Whether an event that came into the logs during the trials holds a token: one of the callers', the invitation's,
/// or the one that was mailed.
fn secrets(arena: &Arena, case: Case, fill: &Fill, watch: &Watch) -> CaseOutcome {
    let mut sought: Vec<String> = fill.values.get(&SlotKind::InvitationToken).cloned().into_iter().collect();
    let addresses = fill.values.get(&SlotKind::Email).into_iter();
    if let Some(mailbox) = &arena.system.stand_ins.mail {
        let mails = addresses.flat_map(|address| mailbox.to(address));
        sought.extend(mails.filter_map(|mail| mail.token().map(str::to_owned)));
    }
    // Every signed token begins with the same characters of base64.
    sought.push("eyJ".to_owned());
    if watch.seen().is_empty() {
        let why = "no event came into the logs: there was nothing to look at";
        return case.without_result(Verdict::Skip, why);
    }
    let holds = |event: &&Event| sought.iter().any(|secret| event.holds(secret));
    match watch.seen().iter().find(holds) {
        None => case.passed(),
        Some(event) => {
            let observed = format!("a token in {}", event.told());
            case.failed(&arena.system.target.name, "no token in any event", &observed, Vec::<Exchange>::new())
        }
    }
}
