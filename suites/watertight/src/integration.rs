//! `integration`: the integration suite, whose tests are a libtest binary of the workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fixtures::{POLICY_VARIABLE, TARGET_VARIABLE};
use harness::run::{RUN_VARIABLE, workspace};
use harness::verdict::Exit;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::error::CommandError;
use crate::progress::{bar, finish};
use crate::session::Session;

const PACKAGE: &str = "suites-integration";
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
    let bar = bar("integration", None);
    let mut command = tests.command(session.run.folder(), fixtures::seeded().as_deref());
    match &session.target {
        Some(target) => command.env(TARGET_VARIABLE, target),
        None => command.env_remove(TARGET_VARIABLE),
    };
    let mut counts = (0_u64, 0_u64);
    tests
        .watch(command, session.run.folder(), |passed| {
            if passed {
                counts.0 += 1;
            } else {
                counts.1 += 1;
            }
            bar.inc(1);
        })
        .await?;
    finish(&bar, "integration", &format!("{} tests, {} failed", counts.0 + counts.1, counts.1));
    Ok(())
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
        command.args(["test", "--no-run", "--message-format=json-render-diagnostics", "-p", PACKAGE]);
        let built = command.current_dir(&root).stdin(Stdio::null()).kill_on_drop(true).output().await;
        let what = format!("cargo test --no-run -p {PACKAGE}");
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

    /// The tests as a command that records into a run folder, on an embedded target with this weakness.
    pub fn command(&self, run_folder: &Path, weakness: Option<&str>) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).env(RUN_VARIABLE, run_folder).env_remove(POLICY_VARIABLE);
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
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let mut output = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await.map_err(failed)? {
                if line.starts_with("test ") && (line.ends_with(" ok") || line.ends_with(" FAILED")) {
                    on_test(line.ends_with(" ok"));
                }
                output.push_str(&line);
                output.push('\n');
            }
        }
        let status = child.wait().await.map_err(failed)?;
        let log = run_folder.join("integration.log");
        fs::write(&log, output).map_err(|source| CommandError::File { path: log.clone(), source })?;
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
