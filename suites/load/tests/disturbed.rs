//! Load runs on a target with which something is wrong: each fails the threshold that it should, and no other.
//!
//! Nothing here depends on how fast the machine is: what goes wrong is by far larger than its noise, or is compared
//! with the same target while nothing does.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

mod way;

use std::sync::Arc;
use std::time::Duration;

use fixtures::{Rate, SecurityPolicy, Selected, Setup};
use harness::identity::Issuer;
use harness::record::LoadResult;
use harness::suite::Suite;
use harness::system::System;
use harness::verdict::{Exit, Verdict};
use suites_load::{
    Aggressor, Arrivals, LoadError, Phase, Profile, Program, Progress, ScenarioShare, run, verdict,
};
use way::{Trouble, Way};

/// What each of the disturbances must leave alone, and which one each must fail.
const RULES: [&str; 5] = ["p95<20s", "p50<300ms", "error-rate<0.1%", "leaks=0", "memory-growth<50MB"];

/// A few users for a few seconds, on one workload.
fn profile(name: &str, workload: &str, rules: &[&str]) -> Profile {
    let scenarios = vec![ScenarioShare { workload: workload.to_owned(), weight: 1 }];
    Profile {
        name: name.to_owned(),
        users: 6,
        tenants: 2,
        spawn_rate: 100.0,
        warm_up_seconds: 0,
        run_seconds: 4,
        program: vec![Program { scenarios, thresholds: Vec::new() }],
        thresholds: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        ..Profile::named("demo").unwrap()
    }
}

async fn target() -> Selected {
    fixtures::under(SecurityPolicy::default()).await.unwrap()
}

async fn measured(system: &Arc<System>, profile: &Profile, tell: impl Fn(Progress)) -> LoadResult {
    let suite = Suite::begin("load", system, Some(&profile.name)).unwrap();
    let result = run(system.clone(), &suite, profile, tell).await.unwrap();
    suite.leave().unwrap();
    result
}

/// The rules that do not hold.
fn failed(result: &LoadResult) -> Vec<&str> {
    let failed = result.thresholds.iter().filter(|threshold| !threshold.pass);
    failed.map(|threshold| threshold.rule.as_str()).collect()
}

/// A run of mixed work with something wrong: gives what was measured.
async fn with(name: &str, trouble: Trouble) -> LoadResult {
    sent_with(profile(name, "mixed-workload", &RULES), trouble).await
}

/// A run with something wrong that shows once in so many requests: reads alone, one after the other, for long enough on
/// a busy machine too.
async fn many_with(name: &str, workload: &str, trouble: Trouble) -> LoadResult {
    let profile = profile(name, workload, &RULES);
    sent_with(Profile { run_seconds: 8, wait_scale: 0.0, ..profile }, trouble).await
}

async fn sent_with(profile: Profile, trouble: Trouble) -> LoadResult {
    let target = target().await;
    let way = Way::to(&target.system.target.base_url, trouble).await;
    let system = way.system(&target.system, None).await;
    measured(&system, &profile, |_| ()).await
}

/// The exit code of a command that ran only this.
fn exit(result: &LoadResult) -> Exit {
    Exit::of([verdict(result)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_slower_by_300_ms_fails_the_latency_alone() {
    let slow = with("slow", Trouble { slower: Duration::from_millis(300), ..Trouble::default() }).await;
    assert_eq!(failed(&slow), ["p50<300ms"], "{:?}", slow.thresholds);
    assert_eq!(exit(&slow), Exit::Findings);
    let undisturbed = with("undisturbed", Trouble::default()).await;
    assert!(undisturbed.latency.p50_ms < slow.latency.p50_ms, "{:?}", undisturbed.latency);
    assert_eq!((undisturbed.failures, undisturbed.leaks), (0, 0), "the way itself disturbs nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_fails_one_request_in_a_hundred_fails_the_error_rate() {
    let trouble = Trouble { fails_one_in: Some(100), ..Trouble::default() };
    let failing = many_with("failing", "authorizer", trouble).await;
    assert!(failed(&failing).contains(&"error-rate<0.1%"), "{:?}", failing.thresholds);
    assert!(!failed(&failing).contains(&"leaks=0"), "{:?}", failing.thresholds);
    assert_eq!(exit(&failing), Exit::Findings);
    assert!(failing.failures * 20 < failing.requests, "{} of {}", failing.failures, failing.requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_shows_one_foreign_row_in_a_thousand_fails_by_the_leak() {
    let trouble = Trouble { leaks_one_in: Some(1000), ..Trouble::default() };
    let leaking = many_with("leaking", "permissions", trouble).await;
    assert!(failed(&leaking).contains(&"leaks=0"), "{:?}", leaking.thresholds);
    assert!(leaking.leaks * 10 < leaking.requests, "{} of {}", leaking.leaks, leaking.requests);
    assert_eq!(exit(&leaking), Exit::Findings);
    assert_eq!(verdict(&LoadResult { thresholds: Vec::new(), ..leaking }), Verdict::Fail);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_whose_memory_grows_fails_the_growth() {
    let growing = with("growing", Trouble { megabytes_a_second: 40.0, ..Trouble::default() }).await;
    assert!(failed(&growing).contains(&"memory-growth<50MB"), "{:?}", growing.thresholds);
    assert_eq!(exit(&growing), Exit::Findings);
    let steady = with("steady", Trouble::default()).await;
    assert!(!failed(&steady).contains(&"memory-growth<50MB"), "{:?}", steady.thresholds);
}

/// A target that stalls once for two seconds, asked so that both models have the same time.
async fn stalled(name: &str, arrivals: Option<Arrivals>) -> LoadResult {
    let target = target().await;
    let trouble = Trouble { stall: Duration::from_secs(2), ..Trouble::default() };
    let way = Way::to(&target.system.target.base_url, trouble).await;
    let system = way.system(&target.system, None).await;
    let profile = Profile {
        users: usize::from(arrivals.is_none()),
        arrivals,
        tenants: 1,
        run_seconds: 7,
        wait_scale: 0.0,
        ..profile(name, "authorizer", &["p99<1s", "error-rate<0.1%", "leaks=0"])
    };
    let stall = |progress: Progress| {
        if progress.phase == Phase::Measuring && progress.requests > 0 {
            way.stall();
        }
    };
    measured(&system, &profile, stall).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_shows_in_the_open_model_and_the_closed_one_hides_it() {
    // One request of one user is slow, of hundreds: who waits for it sends no others meanwhile.
    let closed = stalled("stall-closed", None).await;
    assert!(closed.latency.max_ms > 1500.0, "the stall was met: {:?}", closed.latency);
    assert_eq!(failed(&closed), Vec::<&str>::new(), "{} requests, {:?}", closed.requests, closed.latency);

    // Every request that was due meanwhile is slow, two seconds of seven.
    let open = stalled("stall-open", Some(Arrivals { rate: 40.0, from: None })).await;
    assert_eq!(failed(&open), ["p99<1s"], "{:?}", open.latency);
    assert_eq!(exit(&open), Exit::Findings);
    let arrivals = open.arrivals.unwrap();
    assert!((arrivals.offered_rps - 40.0).abs() < 0.5, "{arrivals:?}");
    assert_eq!(arrivals.dropped, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arrivals_are_measured_from_when_they_are_due_and_told_apart_from_what_was_achieved() {
    let target = target().await;
    let rules = ["p50<2s", "achieved>=50%", "error-rate<0.1%", "leaks=0"];
    let profile = Profile {
        users: 0,
        arrivals: Some(Arrivals { rate: 60.0, from: Some(20.0) }),
        ..profile("arrivals", "mixed-workload", &rules)
    };
    let result = measured(&target.system, &profile, |_| ()).await;
    assert_eq!(failed(&result), Vec::<&str>::new(), "{:?}", result.thresholds);
    let arrivals = result.arrivals.unwrap();
    assert!((arrivals.offered_rps - 40.0).abs() < 0.5, "the mean of 20 and 60: {arrivals:?}");
    assert_eq!(result.requests, 160);
    assert_eq!(result.tenants.len(), 2);
    assert_eq!(result.tenants.iter().map(|tenant| tenant.requests).sum::<u64>(), result.requests);
}

/// A run on a target that answers nothing as it should from the moment it counts.
async fn broken(name: &str, run_seconds: u64, to_the_end: bool) -> LoadResult {
    let target = target().await;
    let way = Way::to(&target.system.target.base_url, Trouble::default()).await;
    let system = way.system(&target.system, None).await;
    let profile = profile(name, "teams", &["error-rate<1%", "leaks=0"]);
    let profile = Profile { run_seconds, to_the_end, ..profile };
    measured(&system, &profile, |progress| way.break_down(progress.phase == Phase::Measuring)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_threshold_cannot_hold_any_more_is_given_up_unless_it_is_to_go_to_the_end() {
    let hopeless = broken("hopeless", 120, false).await;
    assert!(hopeless.seconds < 60.0, "it takes six seconds, and not two minutes: {}", hopeless.seconds);
    assert_eq!(failed(&hopeless), ["error-rate<1%"], "{:?}", hopeless.thresholds);
    let told = |note: &String| note.starts_with("given up after") && note.contains("error-rate<1%");
    assert!(hopeless.notes.iter().any(told), "{:?}", hopeless.notes);
    assert_eq!(exit(&hopeless), Exit::Findings);

    let whole = broken("hopeless-whole", 7, true).await;
    assert!((whole.seconds - 7.0).abs() < 0.5, "{}", whole.seconds);
    assert!(!whole.notes.iter().any(told), "{:?}", whole.notes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_refuses_the_tokens_is_told_from_one_that_is_not_there() {
    let target = target().await;
    let way = Way::to(&target.system.target.base_url, Trouble::default()).await;
    let known = target.system.stand_ins.issuer.clone().unwrap();
    let issuer = Issuer { client_id: "somebody-else".to_owned(), ..known };
    let system = way.system(&target.system, Some(issuer)).await;
    let profile = profile("refused", "mixed-workload", &RULES);
    let suite = Suite::begin("load", &system, Some(&profile.name)).unwrap();

    let error = run(system.clone(), &suite, &profile, |_| ()).await.unwrap_err();

    assert!(matches!(error, LoadError::Refused { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("'troubled'") && text.contains("401") && text.contains("[identity]"), "{text}");
    assert!(error.result().is_none());
}

/// A run beside a tenant that sends forty invitations a second, where eight in three seconds are its due.
async fn beside_an_aggressor(name: &str, policy: SecurityPolicy) -> LoadResult {
    let invitations = Some(Rate { per_minute: 60, burst: 5 });
    let target = fixtures::embedded(Setup { policy, invitations, ..Setup::default() }).await.unwrap();
    let rules = ["jain>=0.9", "limited-others=0", "limited-aggressor>0", "error-rate<0.1%", "leaks=0"];
    let workload = "invitation-flood".to_owned();
    let profile = Profile {
        users: 0,
        arrivals: Some(Arrivals { rate: 20.0, from: None }),
        aggressor: Some(Aggressor { workload, rate: 40.0, quota: 8.0 / 3.0 }),
        run_seconds: 9,
        ..profile(name, "teams", &rules)
    };
    measured(&target.system, &profile, |_| ()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_above_its_quota_is_limited_and_no_other() {
    let fair = beside_an_aggressor("fair", SecurityPolicy::default()).await;
    assert_eq!(failed(&fair), Vec::<&str>::new(), "{:?}", fair.fairness);
    let fairness = fair.fairness.unwrap();
    assert!(fairness.aggressor_limited > 60, "{fairness:?}");
    assert!(fairness.alone_p99_ms > 0.0 && fairness.beside_p99_ms > 0.0, "{fairness:?}");
    let offered = fair.arrivals.unwrap().offered_rps;
    assert!((offered - 20.0).abs() < 0.5, "the aggressor is not what is offered: {offered}");

    let policy = SecurityPolicy { no_rate_limit: true, ..SecurityPolicy::default() };
    let unfair = beside_an_aggressor("unfair", policy).await;
    assert_eq!(failed(&unfair), ["jain>=0.9", "limited-aggressor>0"], "{:?}", unfair.fairness);
    assert_eq!(exit(&unfair), Exit::Findings);
}
