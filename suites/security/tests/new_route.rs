//! A route nobody wrote a line for: without annotations it fails by name, with them it is attacked.
#![expect(clippy::unwrap_used, reason = "what a stand-in cannot do is a failed test")]

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use fixtures::{Embedded, SecurityPolicy};
use harness::host;
use harness::run::Run;
use harness::suite::Suite;
use harness::system::{StandIns, System};
use harness::target::{Capability, Target};
use harness::verdict::Verdict;
use serde_json::{Value, json};
use suites_security::run::Summary;
use suites_security::{Plan, run};
use tokio::net::TcpListener;

/// access-service with routes of ours in front of it.
#[derive(Clone)]
struct Front {
    behind: String,
    document: Value,
    /// Whether the new route asks access-service who may read the organisation's teams.
    asks: bool,
}

/// The new route: the notes of an organisation.
async fn notes(State(front): State<Front>, Path(org): Path<String>, headers: HeaderMap) -> Response {
    if front.asks {
        let url = format!("{}/v1/orgs/{org}/teams", front.behind);
        let answer = reqwest::Client::new().get(url).headers(headers).send().await.unwrap();
        if answer.status() != StatusCode::OK {
            return (answer.status(), answer.text().await.unwrap()).into_response();
        }
    }
    Json(json!({ "items": [{ "org": org, "text": "a note" }] })).into_response()
}

async fn forward(State(front): State<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let url = format!("{}{}", front.behind, parts.uri.path_and_query().unwrap());
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let answer = reqwest::Client::new()
        .request(parts.method, url)
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        .unwrap();
    let mut response = Response::builder().status(answer.status());
    *response.headers_mut().unwrap() = answer.headers().clone();
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}

/// The system with a new route, and the embedded target behind it.
async fn system_with(operation: Value, asks: bool) -> (Arc<System>, Embedded) {
    let folder = std::env::temp_dir().join(format!("watertight-new-route-{}", uuid::Uuid::new_v4()));
    let run: &'static Run = Box::leak(Box::new(Run::at(&folder).unwrap()));
    let embedded = Embedded::start(run, SecurityPolicy::default()).await.unwrap();
    let behind = embedded.system.target.base_url.to_string().trim_end_matches('/').to_owned();
    let mut document = embedded.system.document.clone();
    document["info"]["title"] = "access-service with notes".into();
    document["paths"]["/v1/orgs/{orgId}/notes"] = json!({ "get": operation });
    let front = Front { behind, document, asks };
    let router = Router::new()
        .route("/v1/orgs/{orgId}/notes", get(notes))
        .route("/openapi.json", get(|State(front): State<Front>| async move { Json(front.document) }))
        .fallback(forward)
        .with_state(front);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    host::handle().unwrap().spawn(async move { axum::serve(listener, router).await });
    let mut target = Target { base_url, name: "with-notes".to_owned(), ..(*embedded.system.target).clone() };
    target.capabilities.remove(&Capability::Mail);
    target.capabilities.remove(&Capability::Archive);
    target.mail = None;
    let stand_ins =
        StandIns { issuer: embedded.system.stand_ins.issuer.clone(), jwks: None, mail: None, archive: None };
    (Arc::new(System::open(run, target, stand_ins).await.unwrap()), embedded)
}

fn annotated() -> Value {
    json!({
        "operationId": "note-list", "x-permission": ["team:read"], "x-effect": "read", "x-visibility": "hidden",
        "x-slot": { "path/orgId": "org" }, "responses": { "200": { "description": "The notes." } }
    })
}

/// Runs what the plan has for routes with notes in their path.
fn attack(operation: Value, asks: bool) -> Summary {
    let runtime = host::handle().unwrap();
    runtime.block_on(async {
        let (system, _embedded) = system_with(operation, asks).await;
        let plan = Plan::of(&system.contract, system.token_style()).only(|path| path.contains("note"));
        let suite = Arc::new(Suite::begin("security", &system, None).unwrap());
        let summary = run::run(&system, &suite, &plan, |_| {}).await.unwrap();
        std::fs::remove_dir_all(system.run.folder()).unwrap();
        summary
    })
}

fn verdict(summary: &Summary, path: &str) -> Verdict {
    summary.outcomes.iter().find(|outcome| outcome.case.path == path).unwrap().outcome.verdict
}

#[test]
fn a_route_without_annotations_fails_by_name() {
    let summary = attack(json!({ "operationId": "note-list", "responses": {} }), true);
    let outcome = &summary.outcomes[0];
    assert_eq!(outcome.case.path, "contract/GET/v1/orgs/{orgId}/notes");
    assert_eq!(outcome.outcome.verdict, Verdict::Fail);
    let finding = outcome.finding.as_ref().unwrap();
    assert!(
        finding.observed.contains("GET /v1/orgs/{orgId}/notes lacks x-permission"),
        "{}",
        finding.observed
    );
}

#[test]
fn a_new_route_that_leaks_is_caught_by_attacks_nobody_wrote_for_it() {
    let summary = attack(annotated(), false);
    assert_eq!(verdict(&summary, "hop/note-list/path.orgId"), Verdict::Fail);
    assert_eq!(verdict(&summary, "matrix/note-list/other-tenant"), Verdict::Fail);
    assert_eq!(verdict(&summary, "token/note-list/no-token"), Verdict::Fail);
}

#[test]
fn a_new_route_that_is_right_raises_nothing() {
    let summary = attack(annotated(), true);
    let failed: Vec<_> =
        summary.outcomes.iter().filter(|outcome| outcome.outcome.verdict != Verdict::Pass).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(summary.uncovered.is_empty() && summary.outcomes.len() > 25, "{} cases", summary.outcomes.len());
}
