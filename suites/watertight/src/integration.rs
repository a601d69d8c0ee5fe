//! `integration`: the integration suite, whose tests are a libtest binary of the workspace.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use fixtures::{POLICY_VARIABLE, TARGET_VARIABLE};
use harness::run::{RUN_VARIABLE, workspace};
use harness::suite::{Outcome, Suite};
use harness::verdict::{Exit, Verdict};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::error::CommandError;
use crate::progress::{bar, finish};
use crate::session::Session;

const TEST: &str = "integration";
/// What the tests print, in the run's folder.
const LOG: &str = "integration.log";
const FOLDER: &str = "suites/integration";
/// What libtest exits with when tests failed.
const TESTS_FAILED: i32 = 101;

pub async fn integration(target: Option<&Path>) -> Result<Exit, CommandError> {
    let session = Session::open(target).await?;
    let done = session.part(run(&session)).await;
    session.close(&done)
}

/// Runs the suite on the session's target.
pub async fn run(session: &Session) -> Result<(), CommandError> {
    let Some(tests) = Tests::build(session.run.folder()).await? else {
        println!("{:>12}  skipped: its tests are built from the workspace, and this is none", "integration");
        return Ok(());
    };
    let suite = Suite::begin("integration", &*session.system().await?, None)?;
    session.lend().await;
    let bar = bar("integration", None);
    let mut command = tests.command(session.run.folder(), fixtures::seeded().as_deref());
    if let Some(target) = &session.target {
        command.env(TARGET_VARIABLE, target);
    }
    let (mut passed, mut failed) = (0, 0);
    tests
        .watch(command, session.run.folder(), |ok| {
            if ok {
                passed += 1;
            } else {
                failed += 1;
            }
            bar.inc(1);
        })
        .await?;
    distrust(session, &suite, passed + failed, failed)?;
    suite.leave()?;
    finish(&bar, "integration", &format!("{} tests, {failed} failed", passed + failed));
    Ok(())
}

/// Compares what libtest printed with what the tests recorded. A test that fails before its world is made
/// records nothing, and must not vanish.
fn distrust(session: &Session, suite: &Suite, printed: usize, failed: usize) -> Result<(), CommandError> {
    let report = reports::merge(session.run.folder())?;
    let recorded = report.suites.iter().filter(|recorded| recorded.suite == suite.name());
    let verdicts: Vec<Verdict> = recorded.flat_map(|suite| &suite.tests).map(|test| test.verdict).collect();
    let recorded_failures = verdicts.iter().filter(|verdict| **verdict >= Verdict::Fail).count();
    if verdicts.len() == printed && recorded_failures == failed {
        return Ok(());
    }
    let log = session.run.folder().join(LOG);
    let reason = format!(
        "libtest ran {printed} tests of which {failed} failed, and {} are recorded of which {recorded_failures} failed; the output is in {}",
        verdicts.len(),
        log.display()
    );
    let test = "every test leaves a record";
    suite.started(test)?;
    suite.ended(test, Instant::now(), &Outcome::because(Verdict::Error, reason))?;
    Ok(())
}

/// A test, by its two names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Test {
    /// As libtest prints it: `roles::a_predefined_role_cannot_be::case_4_deleted`.
    pub libtest: String,
    /// As it records itself: `roles::a_predefined_role_cannot_be (deleted)`.
    pub recorded: String,
}

impl Test {
    fn named(libtest: &str) -> Test {
        // rstest numbers the cases of a test, and puts what describes a case behind its number.
        let case = libtest.rsplit_once("::case_").map(|(test, case)| {
            let (number, description) = case.split_once('_').unwrap_or((case, ""));
            match description {
                "" => format!("{test} (case {})", number.trim_start_matches('0')),
                description => format!("{test} ({description})"),
            }
        });
        Test { libtest: libtest.to_owned(), recorded: case.unwrap_or_else(|| libtest.to_owned()) }
    }
}

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
    pub async fn list(&self) -> Result<Vec<Test>, CommandError> {
        let mut command = Command::new(&self.program);
        command.args(["--list", "--format", "terse"]).stdin(Stdio::null()).kill_on_drop(true);
        let listed = command.output().await;
        let what = self.program.display().to_string();
        let listed = listed.map_err(|source| CommandError::Process { what, source })?;
        let listed = String::from_utf8_lossy(&listed.stdout);
        Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(Test::named).collect())
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
        // Snapshots are compared here, never written.
        command.env("INSTA_UPDATE", "no").env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs the tests to their end. `on_test` is told of each whether it passed; the output goes into the
    /// run folder.
    pub async fn watch(
        &self,
        mut command: Command,
        run_folder: &Path,
        mut on_test: impl FnMut(bool),
    ) -> Result<(), CommandError> {
        let failed = |source| CommandError::Process { what: self.program.display().to_string(), source };
        let log = run_folder.join(LOG);
        let unwritable = |source| CommandError::File { path: log.clone(), source };
        let mut file = fs::File::create(&log).map_err(unwritable)?;
        let errors = file.try_clone().map_err(unwritable)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
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
    use super::Test;

    #[test]
    fn a_case_is_known_by_its_description_or_its_number() {
        assert_eq!(Test::named("teams::a_team").recorded, "teams::a_team");
        assert_eq!(Test::named("roles::a_role::case_04_deleted_it").recorded, "roles::a_role (deleted_it)");
        assert_eq!(Test::named("roles::a_role::case_04").recorded, "roles::a_role (case 4)");
    }
}
