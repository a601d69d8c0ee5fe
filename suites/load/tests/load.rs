//! Load runs against real services: the clean one, a leaking one, one that goes away, and none at all.
#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fixtures::SecurityPolicy;
use harness::contract::SlotKind;
use harness::data::Data;
use harness::record::{LoadResult, Record, Severity};
use harness::run::Run;
use harness::suite::Suite;
use harness::system::{StandIns, System};
use harness::target::{Capability, Resident, Target};
use harness::verdict::Verdict;
use suites_load::{LoadError, Phase, Profile, Progress, run, verdict};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// The demo profile, shortened to what a test can wait for.
fn shortened(name: &str) -> Profile {
    let demo = Profile::named("demo").unwrap();
    let thresholds = ["p95<2s", "error-rate<0.1%", "rps>=5", "leaks=0"];
    Profile {
        name: name.to_owned(),
        users: 6,
        tenants: 3,
        spawn_rate: 100.0,
        warm_up_seconds: 0,
        run_seconds: 2,
        thresholds: thresholds.map(|rule| rule.parse().unwrap()).to_vec(),
        ..demo
    }
}

fn suite(system: &System, profile: &Profile) -> Suite {
    Suite::begin("load", system, Some(&profile.name)).unwrap()
}

/// The records of this process's load suite that a filter picks.
fn recorded<T>(pick: impl Fn(Record) -> Option<T>) -> Vec<T> {
    let name = format!("records/load-{}.jsonl", std::process::id());
    let text = std::fs::read_to_string(Run::current().unwrap().folder().join(name)).unwrap();
    text.lines().filter_map(|line| pick(serde_json::from_str(line).unwrap())).collect()
}

fn load_results(profile: &str) -> Vec<LoadResult> {
    recorded(|record| match record {
        Record::Load(result) if result.profile == profile => Some(*result),
        _ => None,
    })
}

fn passes(result: &LoadResult, rule: &str) -> bool {
    result.thresholds.iter().find(|threshold| threshold.rule == rule).unwrap().pass
}

/// What the run made, by the ledger of this process: ids of organisations and users.
fn made(owner: &str) -> Vec<String> {
    let name = format!("ledger/{}.jsonl", std::process::id());
    let text = std::fs::read_to_string(Run::current().unwrap().folder().join(name)).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let created = lines.iter().filter(|line| line["state"] == "created");
    let of_owner = |entry: &serde_json::Value| {
        lines.iter().any(|line| line["entry"] == *entry && line["owner"] == owner)
    };
    created
        .filter(|line| of_owner(&line["entry"]))
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_profile_shortened_passes_on_the_embedded_target() {
    let target = fixtures::under(SecurityPolicy::default()).await.unwrap();
    let system = target.system.clone();
    let profile = shortened("passes");
    let suite = suite(&system, &profile);
    let told: Mutex<Vec<Progress>> = Mutex::default();
    let tell = |progress| told.lock().unwrap_or_else(PoisonError::into_inner).push(progress);

    let result = run(system.clone(), &suite, &profile, tell).await.unwrap();

    assert_eq!(verdict(&result), Verdict::Pass, "{:?}", result.thresholds);
    assert_eq!((result.leaks, result.failures), (0, 0));
    assert!(result.requests > 20, "{}", result.requests);
    assert!(result.latency.p50_ms > 0.0 && result.latency.p50_ms <= result.latency.max_ms);
    assert_eq!(result.endpoints.iter().map(|endpoint| endpoint.requests).sum::<u64>(), result.requests);
    assert_eq!(result.series.iter().map(|tick| tick.requests).sum::<u64>(), result.requests);
    assert_eq!(load_results("passes"), std::slice::from_ref(&result));

    // An operation the contract lacks is left out by name.
    let left_out = system.contract.get("audit-export").is_none();
    assert_eq!(result.scenarios[0].contains("without audit-export"), left_out, "{:?}", result.scenarios);

    let sent = recorded(|record| match record {
        Record::Coverage(cell) if cell.operation == "team-list" => Some(cell.principal),
        _ => None,
    });
    for persona in ["perf-admin", "perf-manager", "perf-viewer"] {
        assert!(sent.iter().any(|principal| principal == persona), "{persona} sent nothing");
    }

    let made = made("load/passes");
    assert!(made.len() > 10, "{made:?}");
    let made: Vec<&str> = made.iter().map(String::as_str).collect();
    let left = system.store.as_ref().unwrap().mentioning(&made).await.unwrap();
    assert!(left.is_empty(), "{left:?}");

    let phases: Vec<Phase> =
        told.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|progress| progress.phase).collect();
    assert_eq!((phases.first(), phases.last()), (Some(&Phase::Provisioning), Some(&Phase::CleaningUp)));
    assert!(phases.contains(&Phase::Measuring), "{phases:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaking_target_fails_the_run() {
    let policy = SecurityPolicy { list_foreign_teams: true, ..SecurityPolicy::default() };
    let target = fixtures::under(policy).await.unwrap();
    let profile = shortened("leaks");
    let suite = suite(&target.system, &profile);

    let result = run(target.system.clone(), &suite, &profile, |_| ()).await.unwrap();

    assert!(result.leaks > 0);
    assert!(!passes(&result, "leaks=0"));
    assert!(passes(&result, "p95<2s"));
    let unjudged = LoadResult { thresholds: Vec::new(), ..result };
    assert_eq!(verdict(&unjudged), Verdict::Fail, "a leak fails the run whatever the thresholds say");

    let findings = recorded(|record| match record {
        Record::Finding(finding) => Some(finding),
        _ => None,
    });
    let finding = findings.iter().find(|finding| finding.operation == "team-list").unwrap();
    assert_eq!((finding.cwe, finding.owasp.as_str(), finding.severity), (639, "API1", Severity::High));
    assert_eq!(finding.asvs, ["8.4.1"]);
    assert!(finding.exchanges[0].request_headers["authorization"].starts_with("[redacted"));
    let distinct: BTreeSet<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(distinct.len(), findings.len(), "each finding is recorded once, however often it is seen");
}

/// A way to a target that can be cut.
struct Relay {
    address: SocketAddr,
    forwarding: JoinHandle<()>,
}

impl Relay {
    async fn to(target: &Url) -> Relay {
        let behind = target.socket_addrs(|| None).unwrap()[0];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let forwarding = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut far = TcpStream::connect(behind).await?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Relay { address, forwarding }
    }

    /// The system behind, reached through the relay.
    async fn system(&self, behind: &System) -> Arc<System> {
        let base_url = Url::parse(&format!("http://{}", self.address)).unwrap();
        let target = Target { name: "relayed".to_owned(), base_url, ..(*behind.target).clone() };
        let stand_ins =
            StandIns { issuer: behind.stand_ins.issuer.clone(), jwks: None, mail: None, archive: None };
        Arc::new(System::open(behind.run, target, stand_ins).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_goes_away_fails_the_error_rate_and_ends_the_run() {
    let target = fixtures::under(SecurityPolicy::default()).await.unwrap();
    let relay = Relay::to(&target.system.target.base_url).await;
    let system = relay.system(&target.system).await;
    let profile = Profile { run_seconds: 20, ..shortened("goes-away") };
    let suite = suite(&system, &profile);
    let cut = |progress: Progress| {
        if progress.phase == Phase::Measuring && progress.requests > 0 {
            relay.forwarding.abort();
        }
    };

    let running = run(system.clone(), &suite, &profile, cut);
    let error = tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap_err();

    assert!(matches!(error, LoadError::Gone { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("'relayed'") && text.contains(system.target.base_url.as_str()), "{text}");
    let result = error.result().unwrap();
    assert!(!passes(result, "error-rate<0.1%"), "{:?}", result.thresholds);
    assert!(passes(result, "p95<2s"), "a refused connection is no latency: {:?}", result.thresholds);
    assert!(result.seconds < 10.0, "{}", result.seconds);
    assert_eq!(load_results("goes-away"), std::slice::from_ref(result), "the partial result is recorded");
    let made = made("load/goes-away");
    assert!(!made.is_empty());
    let made: Vec<&str> = made.iter().map(String::as_str).collect();
    assert!(system.store.as_ref().unwrap().mentioning(&made).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_does_not_answer_at_the_start_is_named_with_what_to_do() {
    let target = fixtures::under(SecurityPolicy::default()).await.unwrap();
    let relay = Relay::to(&target.system.target.base_url).await;
    let system = relay.system(&target.system).await;
    relay.forwarding.abort();
    let profile = shortened("unreachable");
    let suite = suite(&system, &profile);

    let error = run(system.clone(), &suite, &profile, |_| ()).await.unwrap_err();

    assert!(matches!(error, LoadError::Unreachable { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("start it") && text.contains(system.target.base_url.as_str()), "{text}");
}

/// A tenant with a team that nobody made for a test: no text of it says whose it is.
async fn resident(system: &Arc<System>, name: &str) -> Resident {
    let api = system.api("load");
    let data = Data::new(system.clone(), api.clone(), "load/residents");
    let admin = data.platform_admin().unwrap();
    let created = api.call("org-create").as_(&admin).slot(SlotKind::Text, name).send().await.unwrap();
    let operation = system.contract.get("org-create").unwrap();
    let org = created.text_at(operation.created(SlotKind::Org).unwrap()).unwrap();
    let resident = Resident { org, user: format!("reader-of-{name}") };
    let tenant = data.organisations().resident(&resident);
    let reader = data.users().resident(&tenant, &resident, "reader").unwrap();
    let joins = api.call("user-create").as_(&admin).org(&resident.org).user(&resident.user);
    let joins = joins.slot(SlotKind::Email, &reader.email).slot(SlotKind::PlatformRole, "ORG_ADMIN");
    joins.slot(SlotKind::Text, "Reader").send().await.unwrap().expect(201).unwrap();
    let team = api.call("team-create").as_(&reader).org(&resident.org).slot(SlotKind::Text, "Team");
    team.send().await.unwrap().expect(201).unwrap();
    resident
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_only_read_gets_reading_tasks_of_the_tenants_its_file_names() {
    let target = fixtures::under(SecurityPolicy::default()).await.unwrap();
    let behind = target.system.clone();
    let mut tenants = Vec::new();
    for name in ["Acorn", "Birch"] {
        tenants.push(resident(&behind, name).await);
    }
    let orgs: BTreeSet<String> = tenants.iter().map(|tenant| tenant.org.clone()).collect();
    let only_read = |tenants| {
        let mut capabilities = behind.target.capabilities.clone();
        capabilities.remove(&Capability::Provision);
        let name = "only-read".to_owned();
        let target = Target { name, read_only: true, capabilities, tenants, ..(*behind.target).clone() };
        let issuer = behind.stand_ins.issuer.clone();
        System::open(behind.run, target, StandIns { issuer, jwks: None, mail: None, archive: None })
    };
    let profile = Profile { tenants: 2, ..shortened("only-read") };

    let system = Arc::new(only_read(tenants).await.unwrap());
    let result = run(system.clone(), &suite(&system, &profile), &profile, |_| ()).await.unwrap();
    assert_eq!((result.failures, result.leaks), (0, 0), "{:?}", result.endpoints);
    assert!(
        result.endpoints.iter().all(|endpoint| endpoint.name.starts_with("GET ")),
        "{:?}",
        result.endpoints
    );
    assert!(
        result.endpoints.iter().any(|endpoint| endpoint.name == "GET team-get"),
        "{:?}",
        result.endpoints
    );
    assert_eq!(result.tenants.iter().map(|tenant| tenant.tenant.clone()).collect::<BTreeSet<_>>(), orgs);
    assert!(result.scenarios[0].contains("without") && result.scenarios[0].contains("team-create"));

    let system = Arc::new(only_read(Vec::new()).await.unwrap());
    let error = run(system.clone(), &suite(&system, &profile), &profile, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("[[tenants]]"), "{error}");
}
