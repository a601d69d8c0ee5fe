//! What a user gets where the store that was asked for cannot be had: a clear message with the next step, exit code 2,
//! and nothing left.
#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod port;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::host;
use harness::wait;

/// How long the reaper may take.
const GONE_LIMIT: Duration = Duration::from_secs(30);

fn command(folder: &Path, temporary: &Path, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
    command.args(["security", "--only", "matrix/*"]).current_dir(folder).env("TMPDIR", temporary);
    for variable in ["WATERTIGHT_POLICY", "WATERTIGHT_TARGET", "WATERTIGHT_DYNAMODB", "WATERTIGHT_POSTGRES"] {
        command.env_remove(variable);
    }
    command.envs(environment.iter().copied());
    command
}

/// The message of a command that must end with exit code 2 and leave nothing, with its temporary files in a folder.
fn trouble_in(temporary: &Path, environment: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    // By its name its containers are known.
    let run = format!("run-{:016x}", rand::random::<u64>());
    let mut command = command(folder.path(), temporary, environment);
    let output = command.env("WATERTIGHT_RUN", folder.path().join(&run)).output().unwrap();
    let label = format!("label=watertight.run={run}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}{}", String::from_utf8_lossy(&output.stdout));
    assert!(message.starts_with("error: ") && !message.contains("panicked"), "{message}");
    let gone = || async {
        let left: Vec<_> =
            std::fs::read_dir(temporary).unwrap().flatten().map(|entry| entry.path()).collect();
        let containers = Command::new("docker").args(["ps", "-aq", "--filter", &label]).output();
        let containers = containers.map(|output| output.stdout).unwrap_or_default();
        if left.is_empty() && containers.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?} {containers:?}"))
        }
    };
    host::handle().unwrap().block_on(wait::until("nothing to be left", GONE_LIMIT, gone)).unwrap();
    message
}

fn trouble(environment: &[(&str, &str)]) -> String {
    let temporary = tempfile::tempdir().unwrap();
    trouble_in(temporary.path(), environment)
}

#[test]
fn a_word_that_means_no_store_is_answered_with_those_that_do() {
    let message = trouble(&[("WATERTIGHT_DYNAMODB", "memory")]);
    for word in ["WATERTIGHT_DYNAMODB is 'memory'", "auto, embedded, container, none", "http://"] {
        assert!(message.contains(word), "{message}");
    }
    let message = trouble(&[("WATERTIGHT_POSTGRES", "mysql://root:hunter2@h/d")]);
    assert!(message.contains("WATERTIGHT_POSTGRES is 'mysql'") && !message.contains("hunter2"), "{message}");
}

#[test]
fn without_docker_the_message_says_how_to_get_it() {
    let empty = tempfile::tempdir().unwrap();
    let path = empty.path().display().to_string();
    for variable in ["WATERTIGHT_DYNAMODB", "WATERTIGHT_POSTGRES"] {
        let message = trouble(&[(variable, "container"), ("PATH", &path)]);
        for word in
            ["no container engine: there is no command 'docker'", "apt-get install docker.io", variable]
        {
            assert!(message.contains(word), "{message}");
        }
    }
}

#[test]
fn an_engine_that_is_not_there_is_named() {
    if Command::new("docker").arg("--version").output().is_err() {
        println!("SKIPPED: there is no command 'docker'");
        return;
    }
    let port = port::free();
    for engine in [format!("tcp://127.0.0.1:{port}"), "unix:///nowhere/docker.sock".to_owned()] {
        let message = trouble(&[("WATERTIGHT_DYNAMODB", "container"), ("DOCKER_HOST", &engine)]);
        for word in ["no container engine", &engine, "DOCKER_HOST", "WATERTIGHT_DYNAMODB"] {
            assert!(message.contains(word), "{message}");
        }
    }
}

#[test]
fn an_image_that_is_not_there_is_named_with_the_variable_that_names_another() {
    let engine = Command::new("docker").args(["version"]).output();
    if !engine.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: no engine answers");
        return;
    }
    // A registry that nobody can reach.
    let image = "registry.invalid/watertight/absent:7";
    for (variable, named) in [
        ("WATERTIGHT_DYNAMODB", "WATERTIGHT_DYNAMODB_IMAGE"),
        ("WATERTIGHT_POSTGRES", "WATERTIGHT_POSTGRES_IMAGE"),
    ] {
        let message = trouble(&[(variable, "container"), (named, image)]);
        for word in [image, "is not there", "load it into the engine", named] {
            assert!(message.contains(word), "{message}");
        }
    }
}

#[test]
fn an_endpoint_that_does_not_answer_is_named() {
    let port = port::free();
    let message = trouble(&[("WATERTIGHT_DYNAMODB", &format!("http://127.0.0.1:{port}"))]);
    assert!(
        message.contains(&format!("127.0.0.1:{port}")) && message.contains("WATERTIGHT_DYNAMODB"),
        "{message}"
    );
    let url = format!("postgres://u:hunter2@127.0.0.1:{port}/d");
    let message = trouble(&[("WATERTIGHT_POSTGRES", &url)]);
    assert!(
        message.contains(&format!("127.0.0.1:{port}")) && message.contains("WATERTIGHT_POSTGRES"),
        "{message}"
    );
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn a_port_that_is_taken_is_named_with_the_key_that_names_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("target.toml");
    let text = format!(
        "name = 'taken'\nbase_url = 'http://127.0.0.1:1'\ncapabilities = ['mail']\n[mail]\nlisten = '{}'\n",
        taken.local_addr().unwrap()
    );
    std::fs::write(&file, text).unwrap();
    let message = trouble(&[("WATERTIGHT_TARGET", &file.display().to_string())]);
    let address = taken.local_addr().unwrap().to_string();
    assert!(message.contains(&address) && message.contains("change `listen`"), "{message}");
}

#[test]
fn a_full_disk_is_named_with_the_folder_and_nothing_stays_on_it() {
    let disk = tempfile::tempdir().unwrap();
    let path = disk.path().display().to_string();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", &path]).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: only root can mount a small disk");
        return;
    }
    let message = std::panic::catch_unwind(|| trouble_in(disk.path(), &[("WATERTIGHT_POSTGRES", "local")]));
    let unmounted = Command::new("umount").arg("-l").arg(&path).status().unwrap();
    assert!(unmounted.success());
    let message = message.unwrap();
    if message.contains("no PostgreSQL") {
        println!("SKIPPED: {message}");
        return;
    }
    assert!(message.contains("No space left on device") && message.contains("TMPDIR"), "{message}");
}
