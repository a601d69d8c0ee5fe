//! What a user gets for bad input and for targets that are not what they seem: a clear message and the
//! documented exit code, never a panic, never a pass.
#![expect(clippy::unwrap_used, reason = "what a stand-in cannot do is a failed test")]

use std::path::Path;
use std::process::{Command, Output};

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use harness::host;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A stand-in target that ends with the process.
fn serve(router: Router) -> String {
    let runtime = host::handle().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, router).await });
    url
}

/// Runs the command in a folder of its own.
fn watertight(folder: &Path, words: &[&str], target: &str) -> Output {
    let file = folder.join("target.toml");
    std::fs::write(&file, target).unwrap();
    Command::new(env!("CARGO_BIN_EXE_watertight"))
        .args(words)
        .arg("--target")
        .arg(&file)
        .current_dir(folder)
        .env_remove("WATERTIGHT_RUN")
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap()
}

/// The message of a command that must end with exit code 2.
fn trouble(words: &[&str], target: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = watertight(folder.path(), words, target);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.starts_with("error: "), "{message}");
    assert!(!message.contains("panicked") && !message.contains("backtrace"), "{message}");
    message
}

fn at(url: &str) -> String {
    format!("name = 'stand-in'\nbase_url = '{url}'\n")
}

/// A document with one operation on teams.
fn document(slot_kind: &str) -> Value {
    json!({
        "openapi": "3.1.0", "info": { "title": "stand-in", "version": "1" },
        "paths": { "/orgs/{orgId}/teams": { "get": {
            "operationId": "team-list", "x-permission": ["team:read"], "x-effect": "read", "x-visibility": "hidden",
            "x-slot": { "path/orgId": slot_kind }, "responses": {}
        } } }
    })
}

fn publishing(document: Value) -> Router {
    Router::new().route("/openapi.json", get(move || async move { Json(document) }))
}

#[test]
fn an_unknown_key_in_the_target_file_is_named() {
    let message = trouble(&["check-target"], &format!("{}capabilites = []\n", at("http://127.0.0.1:1")));
    assert!(message.contains("capabilites") && message.contains("line 3"), "{message}");
}

#[test]
fn a_missing_environment_variable_is_named() {
    let target = format!("{}[headers]\nx-key = 'env:WATERTIGHT_TEST_NOT_SET'\n", at("http://127.0.0.1:1"));
    let message = trouble(&["check-target"], &target);
    assert!(message.contains("WATERTIGHT_TEST_NOT_SET") && message.contains("headers.x-key"), "{message}");
}

#[test]
fn an_unreachable_target_is_named_with_its_url() {
    // Port 1 is reserved and nothing listens there.
    let message = trouble(&["security"], &at("http://127.0.0.1:1"));
    assert!(message.contains("http://127.0.0.1:1/openapi.json") && message.contains("refused"), "{message}");
}

#[test]
fn a_jwks_that_is_no_json_is_named_with_its_url() {
    let url =
        serve(publishing(document("org")).route("/keys", get(|| async { "<html>not the keys</html>" })));
    let target = format!(
        "{}capabilities = ['mint']\n[identity]\nkind = 'mint'\nclient_id = 'c'\nlisten = '127.0.0.1:0'\nplatform_admin = 'a'\njwks_url = '{url}/keys'\n",
        at(&url)
    );
    let message = trouble(&["security"], &target);
    assert!(message.contains(&format!("{url}/keys")) && message.contains("expected JSON"), "{message}");
}

#[test]
fn a_slot_of_unknown_kind_is_named_with_its_operation() {
    let message = trouble(&["security"], &at(&serve(publishing(document("orgg")))));
    assert!(
        message.contains("operation team-list: slot path/orgId has the unknown kind \"orgg\""),
        "{message}"
    );
}

#[test]
fn a_service_that_answers_404_to_everything_never_passes() {
    let message = trouble(&["security"], &at(&serve(Router::new())));
    assert!(message.contains("status 404"), "{message}");
}

#[test]
fn a_service_that_answers_200_to_everything_never_passes() {
    let message = trouble(&["security"], &at(&serve(Router::new().fallback(|| async { "ok" }))));
    assert!(message.contains("OpenAPI document") && message.contains("'ok'"), "{message}");
}

#[test]
fn an_unknown_load_profile_is_answered_with_the_known_ones() {
    let message = trouble(&["load", "--profile", "nope"], &at("http://127.0.0.1:1"));
    assert!(message.contains("nope") && message.contains("demo"), "{message}");
}

/// Publishes the contract of access-service and answers everything else alike.
fn impostor(status: StatusCode) -> String {
    let folder = tempfile::tempdir().unwrap();
    let run: &'static harness::run::Run = Box::leak(Box::new(harness::run::Run::at(folder.path()).unwrap()));
    let embedded =
        host::handle().unwrap().block_on(fixtures::Embedded::start(run, fixtures::SecurityPolicy::default()));
    let document = embedded.unwrap().system.document.clone();
    serve(
        publishing(document)
            .fallback(move || async move { (status, Json(json!({ "id": "x", "items": [] }))) }),
    )
}

/// A target file for an impostor that the harness may provision and attack.
fn provisioned(url: &str) -> String {
    let identity =
        "[identity]\nkind = 'mint'\nclient_id = 'c'\nlisten = '127.0.0.1:0'\nplatform_admin = 'a'\n";
    format!("{}capabilities = ['mint', 'provision']\n{identity}", at(url))
}

#[test]
fn an_impostor_with_the_right_contract_never_passes() {
    for status in
        [StatusCode::NOT_FOUND, StatusCode::OK, StatusCode::CREATED, StatusCode::INTERNAL_SERVER_ERROR]
    {
        let folder = tempfile::tempdir().unwrap();
        let output = watertight(folder.path(), &["security"], &provisioned(&impostor(status)));
        let code = output.status.code();
        assert!(
            matches!(code, Some(1 | 2)),
            "{status}: {code:?} {}",
            String::from_utf8_lossy(&output.stdout)
        );
        let json = std::fs::read_to_string(folder.path().join("reports/out/latest/run.json")).unwrap();
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_ne!(json["verdict"], "pass", "{status}");
        assert_eq!(
            json["suites"][0]["pass"].as_u64().unwrap_or_default(),
            0,
            "{status}: nothing was proven\n{json}"
        );
    }
}

#[test]
fn an_impostor_that_refuses_every_token_is_trouble() {
    let message = trouble(&["security"], &provisioned(&impostor(StatusCode::UNAUTHORIZED)));
    assert!(message.contains("the target to accept a token") && message.contains("401"), "{message}");
}
