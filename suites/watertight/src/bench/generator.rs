//! The load generator beside Locust's users and wrk: one core each, the same static endpoint on another, in turns in one
//! run. Locust is what the performance plan was written for; wrk does nothing but send.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use harness::leak::random_code;
use harness::run::RUN_VARIABLE;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::error::CommandError;
use crate::progress::bar;
use crate::session::this_program;

/// How often each of them has its turn: the median counts, as no machine is equally fast all the time.
const TURNS: usize = 3;
/// How long each of them sends.
const SECONDS: u64 = 8;
/// How many connections each has.
const USERS: usize = 20;
/// The profile that is sent.
const PROFILE: &str = "generator";
const LOCUSTFILE: &str = include_str!("locustfile.py");
/// Characters of a signed token.
const TOKEN: usize = 800;
/// As many times Locust's rate, and such a part of wrk's, are what the generator has to reach.
const BAR: &str = "20 x Locust, 0.4 x wrk";

/// Requests a second of each; `None` with what to do where it is not here.
#[derive(Debug)]
pub struct Rates {
    own: f64,
    locust: Result<f64, String>,
    wrk: Result<f64, String>,
}

/// Measures; where it cannot be, says why.
pub async fn measured(folder: &Path) -> Result<Result<Rates, String>, CommandError> {
    let [endpoint, generator] = match cores().as_slice() {
        [endpoint, generator, ..] => [*endpoint, *generator],
        _ => return Ok(Err("it takes two cores, one for each side".to_owned())),
    };
    if output(Command::new("taskset").arg("--version")).await.is_err() {
        return Ok(Err("it takes taskset: apt-get install util-linux".to_owned()));
    }
    let (mut endpoint, address) = serve(endpoint).await?;
    let url = format!("http://{address}");
    let bar = bar("generators", Some(3 * TURNS as u64));
    let (mut wrks, mut locusts, mut owns) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        wrks.push(wrk(generator, &url).await);
        bar.inc(1);
        locusts.push(locust(generator, &url, folder).await?);
        bar.inc(1);
        owns.push(own(generator, &url, folder, turn).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    endpoint.kill().await.ok();
    let each = |rates: Vec<Result<f64, String>>| rates.into_iter().collect::<Result<_, _>>().map(median);
    Ok(Ok(Rates { own: median(owns), locust: each(locusts), wrk: each(wrks) }))
}

/// The one in the middle; nothing is 0.
fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

impl Rates {
    /// Side by side; `scan` is what the leak detector takes for a response of this size.
    pub fn table(&self, scan: Duration) -> String {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED);
        table.set_header(["generator, one core", "requests/s", "of it ours is", "bar"]);
        let mut absent = Vec::new();
        for (name, rate) in [("Locust, HttpUser", &self.locust), ("wrk", &self.wrk)] {
            match rate {
                Ok(rate) => {
                    table.add_row([
                        name.to_owned(),
                        format!("{rate:.0}"),
                        format!("{:.2} x", self.own / rate),
                        String::new(),
                    ]);
                }
                Err(why) => absent.push(format!("{name} is not measured: {why}")),
            }
        }
        table.add_row(["watertight, leak detector on", &format!("{:.0}", self.own), "", BAR]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let each = 1e6 / self.own;
        let micros = scan.as_secs_f64() * 1e6;
        absent.insert(0, format!("{table}\nthe median of {TURNS} turns of {SECONDS} s each"));
        absent.push(format!(
            "of {each:.1} us that a request takes the generator, the leak detector takes {micros:.1} with 10,000 ids known: {:.0}%",
            100.0 * micros / each
        ));
        absent.join("\n")
    }
}

/// The cores this process may use.
fn cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    listed(list)
}

/// `0-2,5` as Linux writes lists.
fn listed(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (from, to) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        Some(from.parse().ok()?..=to.parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

fn pinned(core: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program).kill_on_drop(true).stdin(Stdio::null());
    command
}

/// What a program printed; the reason where it could not or did not do its job.
async fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().await.map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(told);
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(errors.lines().last().unwrap_or_default().to_owned())
}

/// Why a program failed, or how to get it where that is the reason.
fn or_absent(why: String, how: &str) -> String {
    if why.contains("failed to execute") { how.to_owned() } else { why }
}

/// Starts the endpoint on a core; it ends with this process.
async fn serve(core: usize) -> Result<(Child, String), CommandError> {
    let failed = |source| CommandError::Process { what: "the static endpoint".to_owned(), source };
    let mut command = pinned(core, this_program()?);
    command.args(["bench", "--serve"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut endpoint = command.spawn().map_err(failed)?;
    let mut address = String::new();
    if let Some(told) = endpoint.stdout.take() {
        BufReader::new(told).read_line(&mut address).await.map_err(failed)?;
    }
    Ok((endpoint, address.trim().to_owned()))
}

async fn wrk(core: usize, url: &str) -> Result<f64, String> {
    let absent = "wrk is not here: apt-get install wrk, or brew install wrk";
    let mut command = pinned(core, "wrk");
    command.args(["-t", "1", "-c", &USERS.to_string(), "-d", &format!("{SECONDS}s")]);
    command.arg("-H").arg(format!("Authorization: Bearer {}", random_code(TOKEN)));
    let told = output(command.arg(format!("{url}/products"))).await.map_err(|why| or_absent(why, absent))?;
    if told.contains("Non-2xx") {
        return Err("the endpoint refused its requests".to_owned());
    }
    rate_of_wrk(&told).ok_or_else(|| "it told no rate".to_owned())
}

fn rate_of_wrk(told: &str) -> Option<f64> {
    told.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"))?.trim().parse().ok()
}

async fn locust(core: usize, url: &str, folder: &Path) -> Result<Result<f64, String>, CommandError> {
    let file = folder.join("locustfile.py");
    fs::write(&file, LOCUSTFILE).map_err(|source| CommandError::File { path: file.clone(), source })?;
    let sheets = folder.join("locust");
    let users = USERS.to_string();
    let mut command = pinned(core, "locust");
    command.arg("--locustfile").arg(&file).args(["--headless", "--only-summary", "--host", url]);
    command.args(["--users", &users, "--spawn-rate", &users, "--run-time", &format!("{SECONDS}s")]);
    command.arg("--csv").arg(&sheets);
    command.env("AUTHORIZATION", format!("Bearer {}", random_code(TOKEN)));
    let absent = "Locust is not here: pip install locust";
    if let Err(why) = output(&mut command).await {
        return Ok(Err(or_absent(why, absent)));
    }
    let sheet = fs::read_to_string(folder.join("locust_stats.csv")).unwrap_or_default();
    Ok(rate_of_locust(&sheet).ok_or_else(|| "it told no rate, or failures".to_owned()))
}

/// The rate of all requests, of which none may have failed.
fn rate_of_locust(sheet: &str) -> Option<f64> {
    let mut rows = sheet.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = rows.next()?;
    let at = |name| names.iter().position(|known| *known == name);
    let all = rows.find(|row| at("Name").and_then(|at| row.get(at)) == Some(&"Aggregated"))?;
    let figure = |name| all.get(at(name)?)?.parse::<f64>().ok();
    (figure("Failure Count")? == 0.0).then(|| figure("Requests/s"))?
}

/// The load suite as anybody runs it, on a target file of the endpoint.
async fn own(core: usize, url: &str, folder: &Path, turn: usize) -> Result<f64, CommandError> {
    let target = folder.join("static.toml");
    let text = format!(
        "name = 'static'\nbase_url = '{url}'\nread_only = true\ncapabilities = ['mint']\n\
         [[tenants]]\norg = 'static'\nuser = 'reader'\n\
         [identity]\nkind = 'mint'\nlisten = '127.0.0.1:0'\nclient_id = 'static'\nplatform_admin = 'nobody'\n"
    );
    fs::write(&target, text).map_err(|source| CommandError::File { path: target.clone(), source })?;
    let run = folder.join(format!("generator-{turn}"));
    let mut command = pinned(core, this_program()?);
    command.arg("--target").arg(&target);
    command.args(["load", "--profile", PROFILE, "--duration", &format!("{SECONDS}s")]);
    let (ended, suite) = load(command, &run).await?;
    match suite["rps"].as_f64() {
        Some(rate) if ended.status.success() && rate > 0.0 => Ok(rate),
        _ => Err(CommandError::Nothing(format!(
            "the generator did not come to its end on the static endpoint: {}",
            String::from_utf8_lossy(&ended.stderr).trim()
        ))),
    }
}

/// The load suite as anybody runs it, by a command with its words, in a run of its own: how it ended, and what its report
/// says; null where there is none.
pub(super) async fn load(mut command: Command, run: &Path) -> Result<(Output, Value), CommandError> {
    command.env(RUN_VARIABLE, run).env_remove(fixtures::POLICY_VARIABLE).kill_on_drop(true);
    let failed = |source| CommandError::Process { what: "watertight load".to_owned(), source };
    let ended = command.output().await.map_err(failed)?;
    let text = fs::read_to_string(run.join("run.json")).unwrap_or_default();
    let mut report: Value = serde_json::from_str(&text).unwrap_or_default();
    Ok((ended, report.pointer_mut("/suites/0").map(Value::take).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::{listed, median, rate_of_locust, rate_of_wrk};

    #[test]
    fn one_slow_turn_decides_nothing() {
        assert!(median(vec![3.0, 900.0, 4.0]).total_cmp(&4.0).is_eq());
    }

    #[test]
    fn what_others_print_is_read() {
        let wrk = "  600 requests in 1.00s\nRequests/sec:  86200.12\nTransfer/sec:      1.10MB\n";
        assert_eq!(rate_of_wrk(wrk), Some(86_200.12));
        let sheet = |failed: &str| {
            let names = "Type,Name,Request Count,Failure Count,Median Response Time,Requests/s";
            format!("{names}\nGET,products,13000,{failed},11,1640.5\n,Aggregated,13000,{failed},11,1640.5\n")
        };
        assert_eq!(rate_of_locust(&sheet("0")), Some(1640.5));
        assert_eq!(rate_of_locust(&sheet("3")), None, "what fails is no rate");
        assert_eq!(rate_of_locust(""), None);
        assert_eq!(listed("\t0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(listed(""), Vec::<usize>::new());
    }
}
