//! Exports of the audit log: who may have one, what is in it, and what becomes of it when the archive is away.

use std::time::Duration;

use fixtures::Setup;
use harness::client::{Answer, Call};
use harness::contract::SlotKind;
use harness::identity::Principal;
use harness::stores::{ArchiveMood, Table};
use harness::wait;
use harness::world::Stop;
use rstest::{Context, rstest};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::{stage, world};
use suites_integration::{Company, Gives as _};

/// How long a small export may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The whole of this year and a day around it, as far as one export goes.
fn all() -> Value {
    let today = OffsetDateTime::now_utc().date();
    let first = today - time::Duration::days(1);
    json!({ "startDate": first.to_string(), "endDate": (today + time::Duration::days(1)).to_string() })
}

fn export(company: &Company<'_>, who: &Principal, asked: Value) -> Call {
    company.by(who, "audit-export").json(asked)
}

fn look(company: &Company<'_>, who: &Principal, id: &str) -> Call {
    company.by(who, "audit-export-get").slot(SlotKind::AuditExport, id)
}

/// Begins an export; returns its id.
async fn begin(company: &Company<'_>, asked: Value) -> Result<String, Stop> {
    company.world().archive()?;
    let taken = export(company, &company.admin, asked).gives(202).await?;
    let id = taken.text_at("/id")?;
    company.world().data.adopt(&company.tenant, SlotKind::AuditExport, &id)?;
    Ok(id)
}

/// Waits until an export is over.
async fn over(company: &Company<'_>, id: &str) -> Result<Answer, Stop> {
    let what = format!("the export {id} to end");
    let ended = wait::until(&what, LIMIT, || async {
        let answer = look(company, &company.admin, id).gives(200).await.map_err(|stop| stop.reason)?;
        match answer.text_at("/status").map_err(|error| error.to_string())?.as_str() {
            "PENDING" => Err("it is PENDING".to_owned()),
            _ => Ok(answer),
        }
    });
    Ok(ended.await?)
}

/// The events of a completed export.
async fn exported(company: &Company<'_>, asked: Value) -> Result<Vec<Value>, Stop> {
    let world = company.world();
    let id = begin(company, asked).await?;
    let ended = over(company, &id).await?;
    world.equal("the end", ended.text_at("/status")?.as_str(), "COMPLETED")?;
    let key = ended.text_at("/key")?;
    world.equal("the key", key.as_str(), format!("exports/org={}/{id}.jsonl", company.org()).as_str())?;
    let text = world.archive()?.object(&key)?.ok_or_else(|| Stop::fail(format!("an object {key}")))?;
    let digest = format!("{:x}", Sha256::digest(&text));
    world.equal("the SHA-256", ended.text_at("/sha256")?.as_str(), digest.as_str())?;
    world.equal("the count", &ended.json()["events"], &json!(text.lines().count()))?;
    let read =
        |line: &str| serde_json::from_str(line).map_err(|error| Stop::fail(format!("{error}: {line}")));
    text.lines().map(read).collect()
}

/// The log as it is shown, oldest first.
async fn log(company: &Company<'_>) -> Result<Vec<Value>, Stop> {
    let mut events = company.admin("audit-list").query("limit", &100).items().await?;
    events.reverse();
    Ok(events)
}

#[rstest]
fn an_export_is_taken_at_once_and_ends_as_the_log(#[context] context: Context) {
    world(&context).tell(async |world| {
        world.archive()?;
        let acme = Company::found(world, "acme").await?;
        acme.be_busy().await?;
        let before = log(&acme).await?;

        world.step("The request is taken, and says where to look");
        let taken = export(&acme, &acme.admin, all()).gives(202).await?;
        let id = taken.text_at("/id")?;
        world.data.adopt(&acme.tenant, SlotKind::AuditExport, &id)?;
        world.equal("the status", taken.text_at("/status")?.as_str(), "PENDING")?;
        world.equal(
            "Location",
            taken.header("location"),
            acme.path(&format!("audit/exports/{id}")).as_str(),
        )?;
        world.equal("who asked", &taken.text_at("/requestedBy")?, &acme.admin.subject)?;

        world.step("It ends, and its object is the log of before");
        let ended = over(&acme, &id).await?;
        world.equal("the end", ended.text_at("/status")?.as_str(), "COMPLETED")?;
        let events = exported(&acme, all()).await?;
        world.equal("events of before", &events[..before.len().min(events.len())], &before[..])?;
        world.equal("and the first export", events.len(), before.len() + 1)
    });
}

#[rstest]
fn an_export_is_on_record_once(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let id = begin(&acme, all()).await?;
        over(&acme, &id).await?;
        let told = acme.log().await?.about(&id);
        world.equal("events", told.what(), vec!["CONFIGURATION EXPORT SUCCESS".to_owned()])?;
        world.equal("by whom", &told.0[0].actor_id, &acme.admin.subject)
    });
}

#[rstest]
#[case::a_type("TEAM_MEMBERSHIP", "TEAM_MEMBERSHIP ADD_MEMBER")]
#[case::another("AUTHORIZATION", "AUTHORIZATION")]
#[case::one_with_many("CONFIGURATION", "CONFIGURATION")]
#[case::an_alias("ROLE_CREATED", "ROLE_CHANGE CREATE")]
fn an_export_of_one_type_holds_no_other(
    #[context] context: Context,
    #[case] word: &str,
    #[case] begins: &str,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        acme.be_busy().await?;
        let mut expected = log(&acme).await?;
        let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        expected.retain(|event| {
            format!("{} {}", text(event, "eventType"), text(event, "action")).starts_with(begins)
        });
        world.must(!expected.is_empty(), "the scene has events of the type")?;
        let mut asked = all();
        asked["eventType"] = json!(word);
        world.equal("events", exported(&acme, asked).await?, expected)
    });
}

#[rstest]
fn an_export_between_two_moments_holds_what_happened_then(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        acme.be_busy().await?;
        let events = log(&acme).await?;
        let (first, last) = (1, events.len() - 2);
        let asked = json!({ "startDate": events[first]["timestamp"], "endDate": events[last]["timestamp"] });
        world.equal("events", exported(&acme, asked).await?, events[first..=last].to_vec())?;
        let before = json!({ "startDate": "2020-01-01", "endDate": "2020-12-31" });
        world.equal("before anything happened", exported(&acme, before).await?, Vec::new())
    });
}

#[rstest]
#[case::without_days(json!({}), "")]
#[case::with_the_end_before_the_start(json!({ "startDate": "2026-02-01", "endDate": "2026-01-01" }), "/endDate")]
#[case::of_more_than_a_year(json!({ "startDate": "2024-01-01", "endDate": "2026-01-01" }), "/endDate")]
#[case::with_a_day_that_is_none(json!({ "startDate": "soon", "endDate": "2026-01-01" }), "/startDate")]
#[case::with_a_type_that_is_none(json!({ "startDate": "2026-01-01", "endDate": "2026-01-02", "eventType": "GOSSIP" }), "/eventType")]
#[case::into_a_place_of_ones_own(json!({ "startDate": "2026-01-01", "endDate": "2026-01-02", "key": "audit/x" }), "/key")]
fn an_export_is_refused(#[context] context: Context, #[case] asked: Value, #[case] pointer: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let refused = export(&acme, &acme.admin, asked).gives(422).await?;
        world.equal("the place of the fault", refused.text_at("/errors/0/pointer")?.as_str(), pointer)?;
        let stored = async |table: &Table| {
            let jobs = table.query(&format!("ORG#{}", acme.org()), "EXPORT#").await?;
            world.equal("exports", jobs.len(), 0)
        };
        world.stored("The store has none", stored).await
    });
}

#[rstest]
fn only_who_may_export_does_and_looks(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let id = begin(&acme, all()).await?;
        let (reader, _) = acme.user_who_may(&["audit:read"]).await?;
        for who in [&reader, &acme.user("ORG_MANAGER").await?] {
            export(&acme, who, all()).gives(403).await?;
            look(&acme, who, &id).gives(403).await?;
        }
        let (exporter, _) = acme.user_who_may(&["audit:export"]).await?;
        look(&acme, &exporter, &id).gives(200).await?;
        let own = export(&acme, &exporter, all()).gives(202).await?.text_at("/id")?;
        world.data.adopt(&acme.tenant, SlotKind::AuditExport, &own)?;
        over(&acme, &own).await?;
        Ok(())
    });
}

#[rstest]
fn another_organisations_export_is_not_there(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        let id = begin(&acme, all()).await?;
        over(&acme, &id).await?;

        let foreign = look(&globex, &globex.admin, &id).gives(404).await?;
        let absent = look(&globex, &globex.admin, "00000000-0000-4000-8000-000000000000").gives(404).await?;
        world.equal("the answer", &foreign.body, &absent.body)?;
        look(&acme, &globex.admin, &id).gives(404).await?;
        export(&acme, &globex.admin, all()).gives(404).await?;
        let text = format!("{:?}", exported(&globex, all()).await?);
        world.must(!text.contains(acme.org()) && !text.contains(&id), "their own export has nothing of it")
    });
}

#[rstest]
fn more_than_three_at_once_are_too_many(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        world.archive()?.set_mood(ArchiveMood::Hold);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(begin(&acme, all()).await?);
        }
        let before = acme.log().await?;

        let refused = export(&acme, &acme.admin, all()).gives(429).await?;
        let wait: u64 = refused.header("retry-after").parse().unwrap_or_default();
        world.must((1..=600).contains(&wait), format!("seconds in Retry-After, found {wait}"))?;
        world.equal("the log", acme.log().await?, before)?;
        let stored = async |table: &Table| {
            let jobs = table.query(&format!("ORG#{}", acme.org()), "EXPORT#").await?;
            world.equal("exports", jobs.len(), 3)
        };
        world.stored("The store has three", stored).await?;

        world.step("Another organisation is not held up");
        let other = begin(&globex, all()).await?;

        world.step("When they have ended there is room again");
        world.archive()?.set_mood(ArchiveMood::Serve);
        for id in &held {
            world.equal("the end", over(&acme, id).await?.text_at("/status")?.as_str(), "COMPLETED")?;
        }
        over(&globex, &other).await?;
        let again = begin(&acme, all()).await?;
        world.equal("the end", over(&acme, &again).await?.text_at("/status")?.as_str(), "COMPLETED")
    });
}

#[rstest]
fn an_export_that_the_archive_does_not_take_has_failed(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let acme = Company::found(world, "acme").await?;
        world.archive()?.set_mood(ArchiveMood::HangUp);
        let id = begin(&acme, all()).await?;
        let ended = over(&acme, &id).await?;
        world.equal("the end", ended.text_at("/status")?.as_str(), "FAILED")?;
        let reason = ended.text_at("/reason")?;
        world.must(
            !reason.contains("127.0.0.1") && !reason.contains("http"),
            format!("no internals in '{reason}'"),
        )?;
        world.equal("a key", ended.json().get("key").cloned(), None)?;
        world.equal("objects", world.archive()?.keys("")?.len(), 0)?;

        world.archive()?.set_mood(ArchiveMood::Serve);
        exported(&acme, all()).await?;
        world.equal("objects", world.archive()?.keys("exports/")?.len(), 1)
    });
}
