//! The archive: one object per organisation and day that says what the log says.

use std::collections::BTreeMap;

use fixtures::Setup;
use harness::events::{Invoked, scheduled};
use harness::stores::{ArchiveMood, Fault, Key, Table};
use harness::world::{Stop, World};
use rstest::{Context, rstest};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use crate::{stage, world};
use suites_integration::{Company, Gives as _};

/// More failures in a row than the service's client has attempts.
const FOR_GOOD: usize = 1_000;

/// The log as it is shown, oldest first, by day.
async fn log_by_day(company: &Company<'_>) -> Result<BTreeMap<String, Vec<Value>>, Stop> {
    let mut days: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut events = company.admin("audit-list").query("limit", &100).items().await?;
    events.reverse();
    for event in events {
        let day = event["timestamp"].as_str().unwrap_or_default().chars().take(10).collect();
        days.entry(day).or_default().push(event);
    }
    Ok(days)
}

/// Archives a day of an organisation; a function error ends the story.
async fn archive(company: &Company<'_>, day: &str) -> Result<Value, Stop> {
    let asked = json!({ "orgId": company.org(), "date": day });
    let answer = company.world().system.invoke("audit-archive", &asked).await?;
    let done = done(&answer)?;
    let objects = done["objects"].as_array().map(Vec::as_slice).unwrap_or_default();
    match objects {
        [one] if done["date"] == json!(day) && one["orgId"] == json!(company.org()) => Ok(one.clone()),
        _ => Err(Stop::fail(format!("one object of {day}, found {done}"))),
    }
}

fn done(answer: &Invoked) -> Result<Value, Stop> {
    match answer.error {
        None => Ok(answer.payload.clone()),
        Some(_) => Err(Stop::fail(format!("the day archived, found {}", answer.payload))),
    }
}

fn key(org: &str, day: &str) -> String {
    let mut parts = day.split('-');
    let mut part = || parts.next().unwrap_or_default();
    format!("audit/org={org}/year={}/month={}/day={}.jsonl", part(), part(), part())
}

fn object(world: &World, key: &str) -> Result<String, Stop> {
    world.archive()?.object(key)?.ok_or_else(|| Stop::fail(format!("an object {key}")))
}

fn lines(text: &str) -> Result<Vec<Value>, Stop> {
    let read =
        |line: &str| serde_json::from_str(line).map_err(|error| Stop::fail(format!("{error}: {line}")));
    text.lines().map(read).collect()
}

#[rstest]
fn a_day_is_one_object_that_equals_the_log(#[context] context: Context) {
    world(&context).tell(async |world| {
        world.archive()?;
        let acme = Company::found(world, "acme").await?;
        acme.be_busy().await?;

        for (day, events) in log_by_day(&acme).await? {
            let told = archive(&acme, &day).await?;
            let text = object(world, &key(acme.org(), &day))?;
            world.equal("lines", &lines(&text)?, &events)?;
            world.must(text.ends_with('\n'), "the last line is a whole one")?;
            world.equal("the key told", &told["key"], &json!(key(acme.org(), &day)))?;
            world.equal("the count told", &told["events"], &json!(events.len()))?;
            let digest = format!("{:x}", Sha256::digest(&text));
            world.equal("the SHA-256 told", &told["sha256"], &json!(digest))?;
            for outcome in ["SUCCESS", "DENIED", "FAILURE"] {
                let of_it = events.iter().filter(|event| event["outcome"] == outcome).count();
                world.must(of_it > 0, format!("{outcome} is among what the scene left"))?;
            }
        }
        Ok(())
    });
}

#[rstest]
fn the_same_log_makes_the_same_bytes_and_is_written_once(#[context] context: Context) {
    world(&context).tell(async |world| {
        world.archive()?;
        let acme = Company::found(world, "acme").await?;
        acme.be_busy().await?;
        for day in log_by_day(&acme).await?.into_keys() {
            world.equal("the first time", &archive(&acme, &day).await?["written"], &json!(true))?;
            let first = object(world, &key(acme.org(), &day))?;
            for _ in 0..2 {
                world.equal("later", &archive(&acme, &day).await?["written"], &json!(false))?;
                world.equal("the object", &object(world, &key(acme.org(), &day))?, &first)?;
            }
        }
        Ok(())
    });
}

#[rstest]
fn a_day_that_goes_on_grows_its_object(#[context] context: Context) {
    world(&context).tell(async |world| {
        world.archive()?;
        let acme = Company::found(world, "acme").await?;
        let days = log_by_day(&acme).await?;
        let Some((day, _)) = days.last_key_value() else { return Err(Stop::fail("an event of founding")) };
        archive(&acme, day).await?;
        let before = object(world, &key(acme.org(), day))?;

        let team = acme.team().await?;
        let mut added = log_by_day(&acme).await?;
        let today = added.pop_last().map(|(day, _)| day).unwrap_or_default();
        world.equal("written again", &archive(&acme, &today).await?["written"], &json!(true))?;
        let after = object(world, &key(acme.org(), &today))?;
        if &today == day {
            world.must(after.starts_with(&before), "what was there before stands first")?;
            world.equal("lines more", after.lines().count() - before.lines().count(), 1)?;
        }
        world.must(after.contains(&team), "and the team's event last")
    });
}

#[rstest]
fn an_object_holds_no_event_of_another_organisation(#[context] context: Context) {
    world(&context).tell(async |world| {
        world.archive()?;
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        globex.be_busy().await?;
        acme.by(&globex.admin, "team-list").gives(404).await?;

        for day in log_by_day(&acme).await?.into_keys() {
            archive(&acme, &day).await?;
            let text = object(world, &key(acme.org(), &day))?;
            for foreign in [globex.org(), &globex.admin.subject, &globex.tenant.key.to_string()] {
                world.must(!text.contains(foreign), format!("nothing of {foreign} in {text}"))?;
            }
            let own = lines(&text)?.iter().all(|event| event["orgId"] == json!(acme.org()));
            world.must(own, "each event is of the organisation")?;
        }
        let keys = world.archive()?.keys("")?;
        world.must(!keys.iter().any(|key| key.contains(globex.org())), "nobody asked for the other's")
    });
}

#[rstest]
fn a_day_without_events_leaves_no_object(#[context] context: Context) {
    world(&context).tell(async |world| {
        world.archive()?;
        let acme = Company::found(world, "acme").await?;
        let told = archive(&acme, "2020-02-29").await?;
        world.equal("events and written", (&told["events"], &told["written"]), (&json!(0), &json!(false)))?;
        world.equal("a key", told.get("key"), None)?;
        world.equal("the object", world.archive()?.object(&key(acme.org(), "2020-02-29"))?, None)
    });
}

#[rstest]
fn a_schedule_archives_the_day_before_of_all_organisations(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let acme = Company::found(world, "acme").await?;
        let globex = Company::found(world, "globex").await?;
        acme.be_busy().await?;
        let now = OffsetDateTime::now_utc();

        // Yesterday nobody was there yet.
        let early = done(&world.system.invoke("audit-archive", &scheduled(now)).await?)?;
        world.equal("objects now", world.archive()?.keys("audit/")?.len(), 0)?;
        world.equal("the day", &early["date"], &json!((now - Duration::DAY).date().to_string()))?;

        let due = now + Duration::DAY;
        let told = done(&world.system.invoke("audit-archive", &scheduled(due)).await?)?;
        world.equal("organisations", told["objects"].as_array().map(Vec::len), Some(2))?;
        for company in [&acme, &globex] {
            let day = now.date().to_string();
            let events = log_by_day(company).await?.remove(&day).unwrap_or_default();
            world.equal("lines", lines(&object(world, &key(company.org(), &day))?)?, events)?;
        }
        world.equal("objects", world.archive()?.keys("")?.len(), 2)
    });
}

#[rstest]
#[case::another_word_for_the_day(json!({ "orgId": "ORG", "date": "yesterday" }))]
#[case::a_day_that_is_none(json!({ "orgId": "ORG", "date": "2026-02-30" }))]
#[case::a_number_for_the_day(json!({ "orgId": "ORG", "date": 20_260_131 }))]
#[case::a_moment_that_is_none(json!({ "orgId": "ORG", "time": "noon" }))]
#[case::an_organisation_that_is_not_there(json!({ "orgId": "nobody", "date": "TODAY" }))]
#[case::an_id_with_a_separator(json!({ "orgId": "ORG#DATE#TODAY", "date": "TODAY" }))]
#[case::a_path_for_an_id(json!({ "orgId": "../../ORG", "date": "TODAY" }))]
#[case::an_empty_id(json!({ "orgId": "", "date": "TODAY" }))]
#[case::a_list(json!(["ORG"]))]
fn an_event_that_is_none_archives_nothing(#[context] context: Context, #[case] event: Value) {
    world(&context).tell(async |world| {
        world.archive()?;
        let acme = Company::found(world, "acme").await?;
        let today = OffsetDateTime::now_utc().date().to_string();
        let event = event.to_string().replace("ORG", acme.org()).replace("TODAY", &today);
        let event: Value = serde_json::from_str(&event).map_err(|error| Stop::error(error.to_string()))?;
        let answer = world.system.invoke("audit-archive", &event).await?;
        world.equal("the error's type", &answer.payload["errorType"], &json!("InvalidEvent"))?;
        let keys = world.archive()?.keys("")?;
        world.must(!keys.iter().any(|key| key.contains(acme.org())), format!("no object, found {keys:?}"))
    });
}

#[rstest]
fn an_archive_that_is_away_is_reported_and_made_up_for(#[context] context: Context) {
    stage(&context, Setup::default()).tell(async |world, _| {
        let acme = Company::found(world, "acme").await?;
        let days = log_by_day(&acme).await?;
        let Some((day, events)) = days.last_key_value() else {
            return Err(Stop::fail("an event of founding"));
        };
        world.archive()?.set_mood(ArchiveMood::HangUp);
        let asked = json!({ "orgId": acme.org(), "date": day });
        let answer = world.system.invoke("audit-archive", &asked).await?;
        let words = answer.message().unwrap_or_default();
        world.must(
            words.contains(acme.org()),
            format!("an error that says of whom, found {}", answer.payload),
        )?;
        world.must(
            !words.contains("127.0.0.1") && !words.contains("http"),
            format!("no internals in '{words}'"),
        )?;
        world.equal("objects", world.archive()?.keys("")?.len(), 0)?;

        world.archive()?.set_mood(ArchiveMood::Serve);
        archive(&acme, day).await?;
        world.equal("lines", &lines(&object(world, &key(acme.org(), day))?)?, events)
    });
}

#[rstest]
fn a_log_that_cannot_be_read_is_not_archived_as_an_empty_one(#[context] context: Context) {
    stage(&context, Setup { faults: true, ..Setup::default() }).tell(async |world, embedded| {
        let proxy = embedded.faults.as_ref().ok_or_else(|| Stop::error("this stage has no fault proxy"))?;
        let acme = Company::found(world, "acme").await?;
        let days = log_by_day(&acme).await?;
        let Some((day, _)) = days.last_key_value() else { return Err(Stop::fail("an event of founding")) };
        archive(&acme, day).await?;
        let before = object(world, &key(acme.org(), day))?;
        acme.team().await?;

        proxy.next("Query", Fault::Broken, FOR_GOOD);
        let answer =
            world.system.invoke("audit-archive", &json!({ "orgId": acme.org(), "date": day })).await?;
        proxy.calm();
        world.must(answer.error.is_some(), format!("a function error, found {}", answer.payload))?;
        world.equal("the object of before", object(world, &key(acme.org(), day))?, before)
    });
}

#[rstest]
fn what_the_log_has_lost_the_archive_keeps(#[context] context: Context) {
    world(&context).tell(async |world| {
        world.archive()?;
        let acme = Company::found(world, "acme").await?;
        let days = log_by_day(&acme).await?;
        let Some((day, events)) = days.last_key_value() else {
            return Err(Stop::fail("an event of founding"));
        };
        archive(&acme, day).await?;
        let before = object(world, &key(acme.org(), day))?;
        let lost = async |table: &Table| {
            let partition = format!("ORG#{}#DATE#{day}", acme.org());
            let stored = table.query(&partition, "EVENT#").await?;
            world.equal("events in the store", stored.len(), events.len())?;
            let sort = stored[0].get("SK").and_then(Value::as_str).unwrap_or_default().to_owned();
            table.delete(&[Key { partition, sort }]).await?;
            let asked = json!({ "orgId": acme.org(), "date": day });
            let answer = world.system.invoke("audit-archive", &asked).await?;
            world.must(
                answer.error.is_some(),
                format!("the disagreement is told, found {}", answer.payload),
            )?;
            world.equal("the object", &object(world, &key(acme.org(), day))?, &before)
        };
        world.stored("An event vanishes from the store, and the archive does not forget it", lost).await
    });
}
