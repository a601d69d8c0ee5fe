//! Stores in containers: one of each for all who ask in a run, each with a table or database of their own, ended by the
//! run's reaper or `sweep`, which touch nothing else. Without an engine or the images every test here is skipped, and
//! says so.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what cannot be set up is a failed test")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::host;
use harness::reaper;
use harness::run::Run;
use harness::stores::postgres::{PostgresError, Server};
use harness::stores::{ContainerError, DynamoDb, DynamoDbError};
use harness::wait;

/// How long the reaper may take.
const GONE_LIMIT: Duration = Duration::from_secs(30);

/// Both stores of a run of its own; `None` where this machine has no containers.
async fn stores(run: &'static Run) -> Option<(DynamoDb, Server)> {
    let (dynamodb, postgres) = tokio::join!(DynamoDb::in_container(run), Server::in_container(run));
    let lack = match (dynamodb, postgres) {
        (Ok(dynamodb), Ok(postgres)) => return Some((dynamodb, postgres)),
        (Err(DynamoDbError::Container(lack)), _) | (_, Err(PostgresError::Container(lack))) => lack,
        (dynamodb, postgres) => {
            dynamodb.unwrap();
            postgres.unwrap();
            return None;
        }
    };
    match lack {
        ContainerError::Engine { .. } | ContainerError::Image { .. } => println!("SKIPPED: {lack}"),
        error => panic!("{error}"),
    }
    None
}

fn run_in(folder: &Path) -> &'static Run {
    Box::leak(Box::new(Run::at(folder).unwrap()))
}

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The containers with a label.
fn labelled(label: &str) -> Vec<String> {
    let ids = docker(&["ps", "-aq", "--filter", &format!("label={label}")]);
    ids.split_whitespace().map(str::to_owned).collect()
}

/// The volumes of a run's containers.
fn volumes(label: &str) -> Vec<String> {
    let named = "{{range .Mounts}}{{.Name}} {{end}}";
    let of = |id: &String| docker(&["inspect", "--format", named, id]);
    labelled(label)
        .iter()
        .flat_map(|id| of(id).split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// As if every process that uses them had gone.
fn leave(run: &Run) -> String {
    let records: Vec<_> = std::fs::read_dir(run.folder().join("quarters")).unwrap().flatten().collect();
    assert_eq!(records.len(), 1, "one place for a run: {records:?}");
    let record: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(records[0].path()).unwrap()).unwrap();
    let folder = record["folder"].as_str().unwrap();
    for user in std::fs::read_dir(Path::new(folder).join("users")).unwrap() {
        std::fs::remove_file(user.unwrap().path()).unwrap();
    }
    folder.to_owned()
}

async fn gone(label: &str, volumes: &[String]) {
    let gone = || async {
        let there = docker(&["volume", "ls", "-q"]);
        let left: Vec<&str> =
            there.split_whitespace().filter(|name| volumes.iter().any(|v| v == name)).collect();
        let containers = labelled(label);
        match (containers.is_empty(), left.is_empty()) {
            (true, true) => Ok(()),
            _ => Err(format!("{containers:?} {left:?}")),
        }
    };
    wait::until("the containers and their volumes to go", GONE_LIMIT, gone).await.unwrap();
}

/// Runs a test on the containers of a run of its own.
fn with_containers(test: impl AsyncFnOnce(&'static Run, DynamoDb, Server)) {
    let folder = tempfile::tempdir().unwrap();
    let run = run_in(folder.path());
    host::handle().unwrap().block_on(async {
        if let Some((dynamodb, postgres)) = stores(run).await {
            test(run, dynamodb, postgres).await;
        }
    });
}

#[test]
fn a_run_has_one_container_of_each_and_its_reaper_removes_them_with_their_volumes() {
    with_containers(async |run, dynamodb, postgres| {
        let label = format!("watertight.run={}", run.id());
        let (again, lent) = (DynamoDb::in_container(run).await.unwrap(), postgres.lend().await.unwrap());
        assert_eq!(again.url(), dynamodb.url());
        assert_ne!(again.table(), dynamodb.table());
        assert!(
            dynamodb.why.contains("container of ") && postgres.why.contains("container of "),
            "{postgres:?}"
        );
        let other = Server::in_container(run).await.unwrap().lend().await.unwrap();
        assert_ne!(lent.name(), other.name());
        assert_eq!(labelled(&label).len(), 2, "one of each");
        let volumes = volumes(&label);
        leave(run);
        gone(&label, &volumes).await;
    });
}

#[test]
fn sweep_removes_what_the_reaper_could_not_and_leaves_a_strangers_container_alone() {
    with_containers(async |run, _, _| {
        let label = format!("watertight.run={}", run.id());
        // A stranger's, of the same image, and one that only looks like ours.
        let image = docker(&["inspect", "--format", "{{.Config.Image}}", &labelled(&label)[0]]);
        let stranger = docker(&["create", &image]);
        let alike = docker(&["create", "--label", "watertight=1", "--label", &label, &image]);
        let reaper = std::fs::read_dir(run.folder().join("quarters")).unwrap().flatten().next().unwrap();
        let record: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(reaper.path()).unwrap()).unwrap();
        let pid = record["reaper"].as_u64().unwrap().to_string();
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        assert_eq!(reaper::sweep(run.folder()).unwrap(), [""; 0], "it is in use");
        let folder = leave(run);
        let swept = reaper::sweep(run.folder()).unwrap();
        assert_eq!(swept.iter().filter(|what| what.starts_with("container ")).count(), 2, "{swept:?}");
        assert!(!Path::new(&folder).exists());
        let names = "{{.Id}}";
        assert_eq!(docker(&["inspect", "--format", names, &stranger]), stranger);
        assert_eq!(docker(&["inspect", "--format", names, &alike]), alike, "not of these quarters");
        docker(&["rm", "-v", &stranger, &alike]);
        assert_eq!(reaper::sweep(run.folder()).unwrap(), [""; 0]);
    });
}
