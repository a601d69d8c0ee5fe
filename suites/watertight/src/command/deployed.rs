//! What ships for pipelines and clusters says to the command what the command understands: its scripts are run and its
//! manifests read, and the words that come out are parsed as the command parses them.

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};

use clap::Parser as _;
use serde::Deserialize as _;
use serde_json::{Value, json};
use wiremock::matchers::{body_json, header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{Arguments, Command, Load};

const COMMAND: &str = "target/release/watertight";

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// The documents of a YAML file.
fn documents(path: &str) -> Vec<Value> {
    let text = file(path);
    serde_norway::Deserializer::from_str(&text).map(|one| Value::deserialize(one).unwrap()).collect()
}

/// Strings of a list.
fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn understood(words: &[String]) -> Command {
    let words = ["watertight".to_owned()].into_iter().chain(words.iter().cloned());
    Arguments::try_parse_from(words).unwrap().command
}

/// The container of a job's pods, after what every job here has in common.
fn container(job: &Value) -> &Value {
    assert_eq!((&job["apiVersion"], &job["kind"]), (&json!("batch/v1"), &json!("Job")));
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never", "a run that failed is not begun again: {job}");
    let containers = pod["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    // Every volume that is mounted is there, and is what somebody makes.
    for mount in containers[0]["volumeMounts"].as_array().unwrap() {
        let volumes = pod["volumes"].as_array().unwrap();
        assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount}");
    }
    &containers[0]
}

fn variable<'v>(container: &'v Value, name: &str) -> &'v Value {
    container["env"].as_array().unwrap().iter().find(|variable| variable["name"] == name).unwrap()
}

#[test]
fn the_pods_of_the_indexed_job_run_all_shards_and_the_second_job_merges_what_they_kept() {
    let documents_of_load = documents("suites/load/k8s/load.yaml");
    let kinds: Vec<&str> = documents_of_load.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["PersistentVolumeClaim", "Service", "Job"]);
    let job = &documents_of_load[2];
    let (spec, shard) = (&job["spec"], container(job));
    assert_eq!(spec["completionMode"], "Indexed");
    assert_eq!(spec["completions"], spec["parallelism"], "shards that take turns are no load together");
    assert_eq!(spec["backoffLimitPerIndex"], 0);
    let pods = spec["completions"].as_u64().unwrap();
    for index in 0..pods {
        let expand = |text: &String| {
            let text = text.replace("$(JOB_COMPLETION_INDEX)", &index.to_string());
            text.replace("$(PROFILE)", "peak").replace("$(START_AT)", "2026-01-31T06:00:00Z")
        };
        let words: Vec<String> = texts(&shard["args"]).iter().map(expand).collect();
        let Command::Load(Load { profile, shard: Some(shard), start_at, .. }) = understood(&words) else {
            panic!("a pod runs a shard: {words:?}");
        };
        assert_eq!((profile.as_str(), shard.to_string()), ("peak", format!("{index}/{pods}")));
        assert!(start_at.is_some());
    }
    // A pod's folder and the keys are named by what stands above them; the job names the pod.
    let names: Vec<&str> =
        shard["env"].as_array().unwrap().iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names[0], "JOB_COMPLETION_INDEX");
    for (name, known) in [
        ("WATERTIGHT_RUN", harness::run::RUN_VARIABLE),
        ("WATERTIGHT_KEYS", harness::identity::KEYS_VARIABLE),
    ] {
        assert!(name == known && names.contains(&name), "{names:?}");
    }
    let run = variable(shard, "WATERTIGHT_RUN")["value"].as_str().unwrap();
    let runs = run.strip_suffix("/$(JOB_COMPLETION_INDEX)").unwrap();

    let documents = documents("suites/load/k8s/merge.yaml");
    let merge = container(&documents[0]);
    let Command::Report { merge: folders, .. } = understood(&texts(&merge["args"])) else {
        panic!("the second job merges");
    };
    assert_eq!(folders, [PathBuf::from(runs)]);
    let merged = variable(merge, "WATERTIGHT_RUN")["value"].as_str().unwrap();
    assert!(!merged.starts_with(runs), "the merged run is no shard: {merged}");
    assert_eq!(merge["volumeMounts"][0], json!({ "name": "runs", "mountPath": "/runs" }));
    // The keys are served where the pods listen.
    let port = &documents_of_load[1]["spec"]["ports"][0]["port"];
    assert_eq!(&shard["ports"][0]["containerPort"], port);
    assert_eq!(
        documents_of_load[1]["spec"]["selector"], spec["template"]["metadata"]["labels"],
        "the service leads to the pods"
    );
}

/// The workflow, and a step of its job by name.
fn workflow() -> Value {
    documents(".github/workflows/nightly-load.yml").remove(0)
}

fn step(name: &str) -> Value {
    let workflow = workflow();
    let steps = workflow["jobs"]["load"]["steps"].as_array().unwrap();
    let is_it =
        |step: &&Value| step["name"] == name || step["uses"].as_str().is_some_and(|uses| uses == name);
    steps.iter().find(is_it).unwrap().clone()
}

/// Runs a step's script in a folder, as the pipeline would.
fn script(step: &Value, folder: &Path, variables: &[(&str, &str)]) -> Output {
    let script = step["run"].as_str().unwrap();
    Process::new("bash")
        .args(["-eo", "pipefail", "-c", script])
        .current_dir(folder)
        .envs(variables.iter().copied())
        .env("no_proxy", "*")
        .output()
        .unwrap()
}

/// What the load step says to the command.
fn said(folder: &Path, environment: &str, profile: &str, duration: &str) -> Vec<String> {
    let command = folder.join(COMMAND);
    std::fs::create_dir_all(command.parent().unwrap()).unwrap();
    std::fs::write(&command, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    assert!(Process::new("chmod").arg("+x").arg(&command).status().unwrap().success());
    let variables = [("ENVIRONMENT", environment), ("PROFILE", profile), ("DURATION", duration)];
    let output = script(&step("load"), folder, &variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_nightly_job_runs_every_profile_it_offers_in_every_environment_and_keeps_a_baseline() {
    let workflow = workflow();
    assert_eq!(workflow["on"]["schedule"], json!([{ "cron": "0 6 * * *" }]));
    let inputs = &workflow["on"]["workflow_dispatch"]["inputs"];
    let mut known: Vec<String> =
        suites_load::Profile::all().unwrap().into_iter().map(|profile| profile.name).collect();
    known.retain(|profile| !["demo", "generator"].contains(&profile.as_str()));
    let offered = texts(&inputs["profile"]["options"]);
    assert_eq!(offered, known, "all but the demo's and the bench's");

    let folder = tempfile::tempdir().unwrap();
    for environment in texts(&inputs["environment"]["options"]) {
        let words = said(folder.path(), &environment, "peak", "30s");
        let arguments =
            Arguments::try_parse_from(["watertight".to_owned()].into_iter().chain(words)).unwrap();
        match arguments.target {
            None => assert_eq!(environment, "embedded"),
            Some(target) => {
                assert!(file(target.to_str().unwrap()).contains(&format!("name = \"{environment}\"")));
            }
        }
        let Command::Load(Load { profile, duration, baseline, save_baseline, .. }) = arguments.command else {
            panic!("the job runs load");
        };
        assert_eq!((profile.as_str(), duration.unwrap().as_secs()), ("peak", 30));
        assert_eq!((baseline, save_baseline.is_some()), (None, true), "the first night measures");
    }
    std::fs::write(folder.path().join("baseline.json"), "{}").unwrap();
    let Command::Load(Load { duration, baseline, save_baseline, .. }) =
        understood(&said(folder.path(), "embedded", "normal", ""))
    else {
        panic!("the job runs load");
    };
    assert_eq!((duration, save_baseline), (None, None), "later nights are held against it");
    assert!(baseline.is_some());
    assert_eq!(step("actions/upload-artifact@v4")["with"]["retention-days"], 30);
}

#[tokio::test]
async fn a_night_that_failed_is_told_where_the_hook_leads() {
    let slack = MockServer::start().await;
    let message = json!({ "text": "Watertight: 1 check failed", "blocks": [] });
    let told = Mock::given(method("POST")).and(header("content-type", "application/json"));
    told.and(body_json(&message)).respond_with(ResponseTemplate::new(200)).expect(1).mount(&slack).await;
    let (step, folder) = (step("slack"), tempfile::tempdir().unwrap());
    assert_eq!(step["if"], "failure()");
    let latest = folder.path().join("reports/out/latest");
    std::fs::create_dir_all(&latest).unwrap();
    std::fs::write(latest.join("slack.json"), message.to_string()).unwrap();
    let (hook, at) = (slack.uri(), folder.path().to_owned());
    let run = {
        let (step, hook, at) = (step.clone(), hook.clone(), at.clone());
        move || script(&step, &at, &[("SLACK_WEBHOOK_URL", hook.as_str())])
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    slack.verify().await;

    // A night that did not come to a report is told too, and one without a hook is no failure of its own.
    slack.reset().await;
    let job =
        [("GITHUB_SERVER_URL", "https://github.com"), ("GITHUB_REPOSITORY", "a/b"), ("GITHUB_RUN_ID", "7")];
    let text = "Watertight: the nightly load did not run, see https://github.com/a/b/actions/runs/7";
    let told = Mock::given(body_json(json!({ "text": text })));
    told.respond_with(ResponseTemplate::new(200)).expect(1).mount(&slack).await;
    std::fs::remove_file(latest.join("slack.json")).unwrap();
    let run = move || {
        let with_hook: Vec<_> = job.into_iter().chain([("SLACK_WEBHOOK_URL", hook.as_str())]).collect();
        (script(&step, &at, &with_hook), script(&step, &at, &[("SLACK_WEBHOOK_URL", "")]))
    };
    let (told, untold) = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    assert!(untold.status.success() && String::from_utf8_lossy(&untold.stdout).contains("nobody is told"));
    slack.verify().await;
}
