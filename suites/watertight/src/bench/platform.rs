//! The platform's performance baseline: what each part of a request costs at a hundred tenants, beside the targets of
//! the epic, as a Markdown report. The service runs as a process of its own, so that its memory and processor time
//! are its alone.

mod figures;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fixtures::platform::{PlatformError, Process, SecurityPolicy};
use fixtures::{Reach, SelectError};
use harness::client::{Api, Call, CallError};
use harness::contract::SlotKind;
use harness::data::{Data, Tenant};
use harness::host;
use harness::identity::Principal;
use harness::run::{Run, out_folder};
use harness::stores::postgres::PostgresError;
use rand::Rng as _;
use rand::rngs::StdRng;

use self::figures::{Counters, Listener, Timing};
use crate::error::CommandError;
use crate::progress::bar;

/// The epic's number.
const TENANTS: usize = 100;
/// Requests that are not counted: connections are opened and statements prepared.
const WARM_UP: usize = 500;
/// Requests that are.
const REQUESTS: usize = 5_000;
/// Requests under way at once: few enough that what is measured is the request and not the queue before it.
const AT_ONCE: usize = 2;
/// Between two looks at the pool.
const LOOK: Duration = Duration::from_millis(50);
/// The service's program, beside this one.
const PROGRAM: &str = "platform-service";
/// The report, beside the runs.
const REPORT: &str = "platform-baseline.md";

/// What is asked, of a hundred requests: the epic's mixed workload.
const MIX: [(&str, u32); 6] = [
    ("product-list", 40),
    ("product-get", 10),
    ("forecast-list", 20),
    ("product-create", 8),
    ("sale-create", 12),
    ("dashboard-get", 10),
];

/// A tenant with one product and its owner.
#[derive(Debug)]
struct Shop {
    tenant: Tenant,
    owner: Principal,
    product: String,
}

/// What was measured.
#[derive(Debug, Default)]
struct Measured {
    /// Whole requests, by operation.
    latencies: BTreeMap<&'static str, Vec<Duration>>,
    /// What the service says each part took.
    timings: Vec<Timing>,
    /// How many were answered with something else than 2xx.
    failed: usize,
    /// Making a tenant.
    creations: Vec<Duration>,
    /// Wall time of the counted requests.
    wall: Duration,
    /// The share of the pool in use, at each look.
    pool: Vec<f64>,
    before: Counters,
    after: Counters,
}

/// Measures, and writes the report. `None`, after a line that says why, where there is no PostgreSQL or no program.
pub async fn baseline(run: &'static Run) -> Result<Option<PathBuf>, CommandError> {
    let program = std::env::current_exe().ok().map(|exe| exe.with_file_name(PROGRAM));
    let Some(program) = program.filter(|program| program.is_file()) else {
        println!(
            "the platform is not measured: there is no {PROGRAM} beside this program; `make bench` builds it"
        );
        return Ok(None);
    };
    let service = match Process::start(run, &program, &SecurityPolicy::default(), Reach::Apart).await {
        Err(PlatformError::Postgres(absent @ PostgresError::Absent(_))) => {
            println!("the platform is not measured: {absent}");
            return Ok(None);
        }
        service => service.map_err(SelectError::from)?,
    };
    let api = service.system.api("bench");
    let data = Data::new(service.system.clone(), api.clone(), "bench");
    let measured = measure(run, &service, &api, &data).await;
    data.cleanup().await?;
    let measured = measured?;
    let path = out_folder().join(REPORT);
    write(&path, &report::of(&measured))?;
    println!("{}", report::table(&measured));
    Ok(Some(path))
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    std::fs::write(path, text).map_err(|source| CommandError::File { path: path.to_owned(), source })
}

async fn measure(
    run: &'static Run,
    service: &Process,
    api: &Api,
    data: &Data,
) -> Result<Measured, CommandError> {
    let mut measured = Measured::default();
    let progress = bar("tenants", Some(TENANTS as u64));
    let mut shops = Vec::new();
    for _ in 0..TENANTS {
        let start = Instant::now();
        let tenant = data.organisations().create("bench").await?;
        measured.creations.push(start.elapsed());
        let owner = data.users().administrator(&tenant, "owner").await?;
        let product = data.products().create(&tenant, &owner).await?;
        shops.push(Shop { tenant, owner, product });
        progress.inc(1);
    }
    progress.finish_and_clear();

    let shops = Arc::new(shops);
    let progress = bar("requests", Some((WARM_UP + REQUESTS) as u64));
    ask(run, api, &shops, WARM_UP, &progress).await?;
    let listener = Listener::at(&service.internal, api.http());
    measured.before = listener.counters().await?;
    let over = Arc::new(AtomicBool::new(false));
    let looks = host::handle()?.spawn(look_at_pool(listener.clone(), over.clone()));
    let start = Instant::now();
    let answers = ask(run, api, &shops, REQUESTS, &progress).await?;
    measured.wall = start.elapsed();
    over.store(true, Ordering::Relaxed);
    measured.pool = looks.await.unwrap_or_default();
    measured.after = listener.counters().await?;
    progress.finish_and_clear();
    for answer in answers {
        measured.failed += usize::from(!(200..300).contains(&answer.status));
        measured.latencies.entry(answer.operation).or_default().push(answer.took);
        measured.timings.push(answer.timing);
    }
    Ok(measured)
}

/// One answered request.
struct Answered {
    operation: &'static str,
    status: u16,
    took: Duration,
    timing: Timing,
}

/// Sends so many requests, some at once, drawn by their weights, to the tenants in turn.
async fn ask(
    run: &'static Run,
    api: &Api,
    shops: &Arc<Vec<Shop>>,
    count: usize,
    progress: &indicatif::ProgressBar,
) -> Result<Vec<Answered>, CommandError> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let (api, shops, next, progress) = (api.clone(), shops.clone(), next.clone(), progress.clone());
        let mut rng = run.seed().rng(&format!("bench/platform/{worker}"));
        workers.spawn(async move {
            let mut answers = Vec::new();
            while let Some(shop) = {
                let number = next.fetch_add(1, Ordering::Relaxed);
                (number < count).then(|| &shops[number % shops.len()])
            } {
                answers.push(one(&api, shop, draw(&mut rng)).await?);
                progress.inc(1);
            }
            Ok::<_, CommandError>(answers)
        });
    }
    let mut answers = Vec::new();
    while let Some(worker) = workers.join_next().await {
        // A worker that panicked has measured nothing, and the count of requests shows it.
        if let Ok(worker) = worker {
            answers.extend(worker?);
        }
    }
    Ok(answers)
}

fn draw(rng: &mut StdRng) -> &'static str {
    let mut drawn = rng.random_range(0..MIX.iter().map(|(_, weight)| weight).sum());
    for (operation, weight) in MIX {
        if drawn < weight {
            return operation;
        }
        drawn -= weight;
    }
    MIX[0].0
}

async fn one(api: &Api, shop: &Shop, operation: &'static str) -> Result<Answered, CommandError> {
    let call: Call = api.call(operation).as_(&shop.owner).org(&shop.tenant.org);
    let call = call.slot(SlotKind::Product, &shop.product).slot(SlotKind::Text, &shop.tenant.text("bench"));
    let (request, _) = call.prepare().map_err(trouble)?;
    let start = Instant::now();
    let received = api.http().send(request).await?;
    let took = start.elapsed();
    Ok(Answered { operation, status: received.status, took, timing: Timing::of(&received.headers) })
}

fn trouble(error: CallError) -> CommandError {
    harness::data::DataError::from(error).into()
}

/// The share of the pool in use until it is over.
async fn look_at_pool(listener: Listener, over: Arc<AtomicBool>) -> Vec<f64> {
    let mut shares = Vec::new();
    let mut clock = tokio::time::interval(LOOK);
    while !over.load(Ordering::Relaxed) {
        clock.tick().await;
        if let Ok(counters) = listener.counters().await {
            shares.extend(counters.pool_in_use());
        }
    }
    shares
}
