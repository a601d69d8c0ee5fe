//! `integration`: the integration suite, whose tests are a libtest binary of the workspace.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use fixtures::{POLICY_VARIABLE, TARGET_VARIABLE};
use harness::leftovers::{self, Before};
use harness::run::{RUN_VARIABLE, SEED_VARIABLE, workspace};
use harness::stores;
use harness::suite::{Outcome, Suite};
use harness::verdict::{Exit, Verdict};
use rand::RngCore as _;
use reports::{RunReport, Test};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::error::CommandError;
use crate::progress::{bar, finish};
use crate::session::Session;

const TEST: &str = "integration";
/// What the tests print, in the run's folder.
const LOG: &str = "integration.log";
/// Lets the libtest of a stable toolchain take unstable options.
const UNSTABLE: &str = "RUSTC_BOOTSTRAP";
const FOLDER: &str = "suites/integration";
/// What libtest exits with when tests failed.
const TESTS_FAILED: i32 = 101;

/// Runs the suite as often as asked, and reports.
pub async fn integration(target: Option<&Path>, repeat: Option<u32>) -> Result<Exit, CommandError> {
    let session = Session::open(target).await?;
    let done = session.part(run(&session, repeat)).await;
    session.close(&done)
}

/// Runs the suite on the session's targets: once, or so many times in shuffled orders until one is not green. One
/// process tells the stories of all targets.
pub async fn run(session: &Session, repeat: Option<u32>) -> Result<(), CommandError> {
    let Some(tests) = Tests::build(session.run.folder()).await? else {
        println!("{:>12}  skipped: its tests are built from the workspace, and this is none", "integration");
        return Ok(());
    };
    let mut suites = Vec::new();
    for system in session.systems().await? {
        let suite = Suite::begin("integration", &system, None)?;
        let before = if session.is_on_file() { Before::of(&system).await? } else { None };
        suites.push((suite, before));
    }
    session.lend().await;
    let mut told = Told::default();
    for repetition in 1..=repeat.unwrap_or(1) {
        let order = repeat.map(|_| Order::of(session, repetition));
        let what = match repeat {
            Some(repeat) => format!("run {repetition} of {repeat}"),
            None => "integration".to_owned(),
        };
        let bar = bar(what.clone(), None);
        let mut command = tests.command(session.run.folder(), fixtures::seeded().as_deref());
        if let Some(asked) = &session.asked {
            command.env(TARGET_VARIABLE, asked);
        }
        if let Some(order) = &order {
            order.shuffle(&mut command);
        }
        told = Told::default();
        let start = Instant::now();
        let ended = tests.watch(command, session.run.folder(), |ok| {
            told.count += 1;
            told.failed += usize::from(!ok);
            bar.inc(1);
        });
        ended.await?;
        // libtest has no end at which a test could give back what its target had on servers by URL.
        stores::sweep(session.run.folder()).await?;
        let took = start.elapsed().as_secs_f64();
        let in_order = order.as_ref().map(|order| format!(", shuffle seed {}", order.0)).unwrap_or_default();
        finish(&bar, &what, &format!("{} tests, {} failed, {took:.1} s{in_order}", told.count, told.failed));
        if told.failed > 0 {
            if let Some(order) = &order {
                println!("{:>12}  again in this order: {}", "", order.again(session));
            }
            break;
        }
    }
    let report = reports::merge(session.run.folder())?;
    if let Some((suite, _)) = suites.first() {
        distrust(session, suite, &report, &told)?;
    }
    for (suite, before) in &suites {
        look(session, suite, &report)?;
        if session.is_on_file() {
            leftovers::record(before.as_ref(), suite).await?;
        }
        suite.leave()?;
    }
    Ok(())
}

/// The order of a shuffled run: the seed that libtest shuffles by.
struct Order(u64);

impl Order {
    /// Drawn from the run's seed, so that the same seed gives the same orders.
    fn of(session: &Session, repetition: u32) -> Order {
        Order(session.run.seed().rng(&format!("order of run {repetition}")).next_u64())
    }

    /// libtest shuffles on request, and calls that unstable: the variable is how a stable one is asked.
    fn shuffle(&self, command: &mut Command) {
        command.env(UNSTABLE, "1").args(["-Z", "unstable-options", "--shuffle-seed", &self.0.to_string()]);
    }

    fn again(&self, session: &Session) -> String {
        let target = session.asked.as_ref();
        let target =
            target.map(|target| format!("{TARGET_VARIABLE}='{}' ", target.display())).unwrap_or_default();
        let weakness = fixtures::seeded().map(|id| format!("{POLICY_VARIABLE}='{id}' ")).unwrap_or_default();
        format!(
            "{target}{weakness}{SEED_VARIABLE}={} {UNSTABLE}=1 cargo test --workspace --test {TEST} -- -Z unstable-options --shuffle-seed {}",
            session.run.seed(),
            self.0
        )
    }
}

/// What libtest told of a run.
#[derive(Debug, Default)]
struct Told {
    count: usize,
    failed: usize,
}

/// Compares what libtest printed with what the tests recorded, on whichever target. A test that fails before its
/// world is made records nothing, and must not vanish.
fn distrust(session: &Session, suite: &Suite, report: &RunReport, told: &Told) -> Result<(), CommandError> {
    let recorded = report.suites.iter().filter(|recorded| recorded.suite == suite.name());
    let stories: Vec<&Test> =
        recorded.flat_map(|suite| &suite.tests).filter(|test| test.test != leftovers::TEST).collect();
    let recorded_failures = stories.iter().filter(|test| test.verdict >= Verdict::Fail).count();
    if stories.len() != told.count || recorded_failures != told.failed {
        let reason = format!(
            "libtest ran {} tests of which {} failed, and {} are recorded of which {recorded_failures} failed; the output is in {}",
            told.count,
            told.failed,
            stories.len(),
            session.run.folder().join(LOG).display()
        );
        let test = "every test leaves a record";
        suite.started(test)?;
        suite.ended(test, Instant::now(), &Outcome::because(Verdict::Error, reason))?;
    }
    Ok(())
}

/// Of a target that no story is about, nothing is known. Where there were stories, the last of them must have
/// looked for what is left in an embedded store.
fn look(session: &Session, suite: &Suite, report: &RunReport) -> Result<(), CommandError> {
    let here =
        |recorded: &&reports::Suite| recorded.suite == suite.name() && recorded.target == suite.target();
    let tests = report.suites.iter().filter(here).flat_map(|suite| &suite.tests);
    let (looks, stories): (Vec<&Test>, Vec<&Test>) = tests.partition(|test| test.test == leftovers::TEST);
    let (test, outcome) = if stories.is_empty() {
        ("there are stories", Outcome::because(Verdict::Skip, "no story of the suite is about this target"))
    } else if !session.is_on_file() && looks.is_empty() {
        let reason = "no story looked at the store when the last was over";
        (leftovers::TEST, Outcome::because(Verdict::Error, reason))
    } else {
        return Ok(());
    };
    suite.started(test)?;
    Ok(suite.ended(test, Instant::now(), &outcome)?)
}

/// A test, by its two names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// As libtest prints it: `roles::a_predefined_role_cannot_be::case_4_deleted`.
    pub libtest: String,
    /// As it records itself: `roles::a_predefined_role_cannot_be (deleted)`.
    pub recorded: String,
}

impl Named {
    fn of(libtest: &str) -> Named {
        // rstest numbers the cases of a test, and puts what describes a case behind its number.
        let case = libtest.rsplit_once("::case_").map(|(test, case)| {
            let (number, description) = case.split_once('_').unwrap_or((case, ""));
            match description {
                "" => format!("{test} (case {})", number.trim_start_matches('0')),
                description => format!("{test} ({description})"),
            }
        });
        Named { libtest: libtest.to_owned(), recorded: case.unwrap_or_else(|| libtest.to_owned()) }
    }
}

/// How many tests libtest runs at once.
const THREADS_VARIABLE: &str = "RUST_TEST_THREADS";
/// The same as `.cargo/config.toml` has it: cargo tells the compiler too.
const THREADS: Option<&str> = option_env!("RUST_TEST_THREADS");

/// The built test binary.
#[derive(Debug)]
pub struct Tests {
    program: PathBuf,
    folder: PathBuf,
}

impl Tests {
    /// Builds the tests. `None` outside of the workspace.
    pub async fn build(log_folder: &Path) -> Result<Option<Tests>, CommandError> {
        let Some(root) = workspace().filter(|root| root.join(FOLDER).is_dir()) else { return Ok(None) };
        let bar = bar("building", None);
        bar.set_message("the integration tests");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(&cargo);
        // The whole workspace, as in the Makefile: another selection has other features and compiles anew.
        command.args(["test", "--no-run", "--message-format=json-render-diagnostics"]);
        command.args(["--workspace", "--test", TEST]);
        let built = command.current_dir(&root).stdin(Stdio::null()).kill_on_drop(true).output().await;
        let what = format!("cargo test --no-run --workspace --test {TEST}");
        let built = built.map_err(|source| CommandError::Process { what: what.clone(), source })?;
        bar.finish_and_clear();
        let program = String::from_utf8_lossy(&built.stdout).lines().find_map(executable);
        match program {
            Some(program) if built.status.success() => Ok(Some(Tests { program, folder: root.join(FOLDER) })),
            _ => {
                let log = log_folder.join("integration-build.log");
                fs::write(&log, &built.stderr)
                    .map_err(|source| CommandError::File { path: log.clone(), source })?;
                Err(CommandError::Tests { what: format!("{what} failed"), log })
            }
        }
    }

    /// Every test there is.
    pub async fn list(&self) -> Result<Vec<Named>, CommandError> {
        let mut command = Command::new(&self.program);
        command.args(["--list", "--format", "terse"]).stdin(Stdio::null()).kill_on_drop(true);
        let listed = command.output().await;
        let what = self.program.display().to_string();
        let listed = listed.map_err(|source| CommandError::Process { what, source })?;
        let listed = String::from_utf8_lossy(&listed.stdout);
        Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(Named::of).collect())
    }

    /// The tests as a command that records into a run folder, on an embedded target with this weakness.
    pub fn command(&self, run_folder: &Path, weakness: Option<&str>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.folder)
            .env(RUN_VARIABLE, run_folder)
            .env_remove(POLICY_VARIABLE)
            .env_remove(TARGET_VARIABLE);
        if let Some(weakness) = weakness {
            command.env(POLICY_VARIABLE, weakness);
        }
        // As many at once as under cargo, which sets the variable for its own children alone.
        if let (None, Some(threads)) = (std::env::var_os(THREADS_VARIABLE), THREADS) {
            command.env(THREADS_VARIABLE, threads);
        }
        // Snapshots are compared here, never written.
        command.env("INSTA_UPDATE", "no").env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs the tests to their end. `on_test` is told of each whether it passed; the output goes into the
    /// run folder.
    pub async fn watch(
        &self,
        command: Command,
        run_folder: &Path,
        on_test: impl FnMut(bool),
    ) -> Result<(), CommandError> {
        self.watch_process(command, run_folder, |_| {}, on_test).await
    }

    /// The same; `on_start` is told the number of the process.
    pub async fn watch_process(
        &self,
        mut command: Command,
        run_folder: &Path,
        on_start: impl FnOnce(u32),
        mut on_test: impl FnMut(bool),
    ) -> Result<(), CommandError> {
        let failed = |source| CommandError::Process { what: self.program.display().to_string(), source };
        let log = run_folder.join(LOG);
        let unwritable = |source| CommandError::File { path: log.clone(), source };
        let mut file = fs::File::create(&log).map_err(unwritable)?;
        let errors = file.try_clone().map_err(unwritable)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        if let Some(process) = child.id() {
            on_start(process);
        }
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await.map_err(failed)? {
                if line.starts_with("test ") && (line.ends_with(" ok") || line.ends_with(" FAILED")) {
                    on_test(line.ends_with(" ok"));
                }
                writeln!(file, "{line}").map_err(unwritable)?;
            }
        }
        let status = child.wait().await.map_err(failed)?;
        match status.code() {
            Some(0 | TESTS_FAILED) => Ok(()),
            _ => Err(CommandError::Tests { what: format!("the integration tests ended with {status}"), log }),
        }
    }
}

/// The path of the test binary, from a line of cargo's messages.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_test = message.pointer("/target/kind/0").and_then(Value::as_str) == Some("test");
    let program = message.get("executable").and_then(Value::as_str)?;
    is_test.then(|| PathBuf::from(program))
}

#[cfg(test)]
mod tests {
    use super::Named;

    #[test]
    fn a_case_is_known_by_its_description_or_its_number() {
        assert_eq!(Named::of("teams::a_team").recorded, "teams::a_team");
        assert_eq!(Named::of("roles::a_role::case_04_deleted_it").recorded, "roles::a_role (deleted_it)");
        assert_eq!(Named::of("roles::a_role::case_04").recorded, "roles::a_role (case 4)");
    }
}
