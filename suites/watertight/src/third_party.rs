//! `third-party`: systems nobody here wrote, in versions whose published holes must be found and in one without them.
//!
//! What is installed, how it is started and what must be found stands in `third-party/*/package.json`; how it is tested
//! in a target file, as for any other system.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use comfy_table::{Table, presets};
use harness::run::{RUN_VARIABLE, out_folder};
use harness::target::Target;
use harness::verdict::Exit;
use harness::wait;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::error::CommandError;

/// Where the systems lie, in the workspace.
const FOLDER: &str = "third-party";
/// Their names in folders of runs.
const RUN: &str = "third-party";
/// A server that is not up by then does not start.
const START: Duration = Duration::from_mins(1);

/// A system in several versions.
#[derive(Debug)]
struct System {
    folder: PathBuf,
    name: String,
    target: PathBuf,
    start: Vec<String>,
    installed: String,
    /// By version, the checks that must find something; none where nothing may be found.
    versions: BTreeMap<String, Vec<String>>,
}

/// What came of one version.
#[derive(Debug, Default)]
struct Detected {
    checks: u64,
    errors: u64,
    disabled: u64,
    findings: Vec<String>,
    /// Stories of the integration suite that were told to a good end, and those that were not.
    stories: [u64; 2],
}

pub async fn third_party(only: Option<&str>) -> Result<Exit, CommandError> {
    let systems = systems()?;
    if let Some(missing) = missing().await {
        println!(
            "third-party is SKIPPED: {missing}; install Node 20 or newer with npm to see these systems tested"
        );
        return Ok(Exit::Pass);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "system",
        "checks",
        "not served",
        "errors",
        "findings",
        "expected of these",
        "stories",
        "verdict",
    ]);
    let (mut exit, mut alarms) = (Exit::Pass, Vec::new());
    for system in &systems {
        system.install().await?;
        for (version, expected) in
            system.versions.iter().filter(|(version, _)| only.is_none_or(|only| only == *version))
        {
            let detected = system.detect(version).await?;
            let missed: Vec<&String> =
                expected.iter().filter(|check| !detected.findings.contains(check)).collect();
            let [told, failed] = detected.stories;
            // Where there is no hole, every story that can be told ends well.
            let alarm = expected.is_empty() && !(detected.findings.is_empty() && failed == 0 && told > 0);
            // Where something is found, what comes after it in the same arena may not be observable any more.
            let observed = detected.checks > 0 && (detected.errors == 0 || !expected.is_empty());
            let good = missed.is_empty() && !alarm && observed;
            if !good {
                exit = Exit::Findings;
            }
            if alarm {
                let found = detected.findings.iter();
                alarms.extend(found.map(|check| format!("{} {version}: {check}", system.name)));
            }
            let verdict = match (good, alarm, missed.as_slice()) {
                (true, ..) if expected.is_empty() => "clean".to_owned(),
                (true, ..) => "found".to_owned(),
                (_, true, _) => "ALARM: see below".to_owned(),
                (_, _, []) => "ERRORS: see the report".to_owned(),
                (_, _, missed) => format!("MISSED: {missed:?}"),
            };
            let Detected { checks, disabled, errors, findings, .. } = &detected;
            table.add_row([
                format!("{} {version}", system.name),
                checks.to_string(),
                disabled.to_string(),
                errors.to_string(),
                findings.len().to_string(),
                format!("{} of {}", expected.len() - missed.len(), expected.len()),
                format!("{told} of {}", told + failed),
                verdict,
            ]);
        }
    }
    println!("\n{table}");
    for alarm in alarms {
        println!("found where nothing may be: {alarm}");
    }
    Ok(exit)
}

/// What of Node is not there.
async fn missing() -> Option<&'static str> {
    for program in ["node", "npm"] {
        let asked =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
        if !asked.is_ok_and(|status| status.success()) {
            return Some(if program == "node" { "there is no node" } else { "there is no npm" });
        }
    }
    None
}

fn systems() -> Result<Vec<System>, CommandError> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| CommandError::File { path, source }
    };
    let here = Path::new(FOLDER);
    let mut systems = Vec::new();
    for entry in fs::read_dir(here).map_err(unusable(here))?.flatten() {
        let path = entry.path().join("package.json");
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(unusable(&path))?;
        let found = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|package| System::read(&entry.path(), &package));
        systems.push(found.ok_or_else(|| {
            let what = "expected a member `watertight` with target, start, installed and versions";
            CommandError::Nothing(format!("{}: {what}", path.display()))
        })?);
    }
    Ok(systems)
}

impl System {
    fn read(folder: &Path, package: &Value) -> Option<System> {
        let said = package.get("watertight")?;
        let words = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let versions = said.get("versions")?.as_object()?;
        Some(System {
            folder: folder.to_owned(),
            name: folder.file_name()?.to_str()?.to_owned(),
            target: folder.join(said.get("target")?.as_str()?),
            start: words(said.get("start")?)?,
            installed: said.get("installed")?.as_str()?.to_owned(),
            versions: versions
                .iter()
                .map(|(version, expected)| Some((version.clone(), words(expected)?)))
                .collect::<Option<_>>()?,
        })
    }

    /// Installs what is not there. No script of any package runs.
    async fn install(&self) -> Result<(), CommandError> {
        let there =
            |version: &String| self.folder.join(self.installed.replace("{version}", version)).is_dir();
        if self.versions.keys().all(there) {
            return Ok(());
        }
        println!(
            "{}: installing {}",
            self.name,
            self.versions.keys().cloned().collect::<Vec<_>>().join(", ")
        );
        let words = [
            "install",
            "--ignore-scripts",
            "--omit=optional",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
        ];
        let what = || format!("npm {}", words.join(" "));
        let status =
            Command::new("npm").args(words).current_dir(&self.folder).stdout(Stdio::null()).status().await;
        let status = status.map_err(|source| CommandError::Process { what: what(), source })?;
        if status.success() {
            return Ok(());
        }
        Err(CommandError::Nothing(format!("{} in {} failed: {status}", what(), self.folder.display())))
    }

    /// Starts one version, runs the security suite on it, and reads what it found.
    async fn detect(&self, version: &str) -> Result<Detected, CommandError> {
        let target = Target::read(&self.target).map_err(fixtures::SelectError::from)?;
        let address = format!(
            "{}:{}",
            target.base_url.host_str().unwrap_or_default(),
            target.base_url.port_or_known_default().unwrap_or_default()
        );
        let folder = out_folder().join(format!("{RUN}-{}-{version}", self.name));
        let file = |source| CommandError::File { path: folder.clone(), source };
        if folder.is_dir() {
            fs::remove_dir_all(&folder).map_err(file)?;
        }
        fs::create_dir_all(&folder).map_err(file)?;
        if TcpStream::connect(&address).await.is_ok() {
            let what = format!(
                "something answers at {address} already, where {} {version} is to listen; end it",
                self.name
            );
            return Err(CommandError::Nothing(what));
        }
        let mut server = self.serve(version, &address, &folder)?;
        let what = format!("{} {version} at {address}", self.name);
        let up = wait::until(&what, START, || async {
            TcpStream::connect(&address).await.map(drop).map_err(|error| error.to_string())
        });
        up.await.map_err(|error| CommandError::Nothing(error.to_string()))?;
        println!("{what}");
        let (attacks, stories) = (folder.join("security"), folder.join("integration"));
        let done = match self.run("integration", &stories).await {
            Ok(()) => self.run("security", &attacks).await,
            failed => failed,
        };
        // It ends with us at the latest.
        server.kill().await.ok();
        done?;
        let told = Counts::read(&stories)?;
        Ok(Detected { stories: [told.pass, told.fail + told.error], ..Detected::read(&attacks)? })
    }

    fn serve(&self, version: &str, address: &str, folder: &Path) -> Result<Child, CommandError> {
        let port = address.rsplit(':').next().unwrap_or_default();
        let words: Vec<String> = self
            .start
            .iter()
            .map(|word| word.replace("{version}", version).replace("{port}", port))
            .collect();
        let what = words.join(" ");
        let log = folder.join("server.log");
        let output = File::create(&log).map_err(|source| CommandError::File { path: log, source })?;
        let started = Command::new(words.first().map_or("node", String::as_str))
            .args(words.iter().skip(1))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .kill_on_drop(true)
            .spawn();
        started.map_err(|source| CommandError::Process { what, source })
    }

    /// A suite in a process of its own: a run has one folder.
    async fn run(&self, suite: &str, folder: &Path) -> Result<(), CommandError> {
        let process = |source| CommandError::Process { what: format!("watertight {suite}"), source };
        let ourselves = std::env::current_exe().map_err(process)?;
        let status = Command::new(ourselves)
            .args([suite, "--target"])
            .arg(&self.target)
            .env(RUN_VARIABLE, folder)
            .kill_on_drop(true)
            .status()
            .await
            .map_err(process)?;
        // 1 is findings: what they are worth is seen in the table.
        if matches!(status.code(), Some(0 | 1)) || folder.join(RUN_JSON).is_file() {
            return Ok(());
        }
        Err(CommandError::Nothing(format!(
            "the {suite} suite ended with {status}; {} has its records",
            folder.display()
        )))
    }
}

/// What scripts read of a run.
const RUN_JSON: &str = "run.json";

/// What a run says of itself, for scripts.
fn said(folder: &Path) -> Result<Value, CommandError> {
    let path = folder.join(RUN_JSON);
    let text =
        fs::read_to_string(&path).map_err(|source| CommandError::File { path: path.clone(), source })?;
    serde_json::from_str(&text).map_err(|source| CommandError::File { path, source: source.into() })
}

/// How many tests of a run ended so.
#[derive(Debug)]
struct Counts {
    pass: u64,
    fail: u64,
    skip: u64,
    disabled: u64,
    error: u64,
}

impl Counts {
    fn read(folder: &Path) -> Result<Counts, CommandError> {
        Ok(Counts::of(&said(folder)?))
    }

    fn of(run: &Value) -> Counts {
        let suites = run["suites"].as_array().cloned().unwrap_or_default();
        let sum = |member: &str| -> u64 { suites.iter().filter_map(|suite| suite[member].as_u64()).sum() };
        Counts {
            pass: sum("pass"),
            fail: sum("fail"),
            skip: sum("skip"),
            disabled: sum("disabled"),
            error: sum("error"),
        }
    }
}

impl Detected {
    fn read(folder: &Path) -> Result<Detected, CommandError> {
        let run = said(folder)?;
        let Counts { pass, fail, skip, disabled, error } = Counts::of(&run);
        let findings = run["findings"].as_array().cloned().unwrap_or_default();
        let findings = findings.iter();
        Ok(Detected {
            checks: pass + fail + skip + disabled + error,
            errors: error,
            disabled,
            findings: findings.filter_map(|finding| finding["check"].as_str()).map(str::to_owned).collect(),
            stories: [0; 2],
        })
    }
}
