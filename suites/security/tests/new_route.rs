//! A route nobody wrote a line for: without annotations it fails by name, with them it is attacked.
#![expect(clippy::unwrap_used, reason = "what a stand-in cannot do is a failed test")]

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::map_response;
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
    care: Care,
}

/// How the new route decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Care {
    /// It asks access-service who may.
    Asks,
    /// It asks, and hides from a stranger what it should refuse.
    Hides,
    /// It answers everybody.
    None,
    /// It answers this to everybody.
    Always(StatusCode),
}

impl Front {
    /// What access-service answers to the same caller.
    async fn ask(&self, path: &str, headers: &HeaderMap) -> reqwest::Response {
        let url = format!("{}{path}", self.behind);
        reqwest::Client::new().get(url).headers(headers.clone()).send().await.unwrap()
    }
}

const NOTES: &str = "/v1/orgs/{orgId}/notes";
const NOTES_ON_ROLE: &str = "/v1/notes/{roleId}";

/// The classes that ask who may.
const WHO_MAY: [&str; 3] = ["matrix", "hop", "token"];

/// Those that ask what else a request may say.
const BESIDES: [&str; 6] = ["oracle", "property", "function", "content", "injection", "standing"];

/// The new route: the notes of an organisation.
async fn notes(State(front): State<Front>, Path(org): Path<String>, headers: HeaderMap) -> Response {
    if let Care::Always(status) = front.care {
        return status.into_response();
    }
    if front.care == Care::Asks {
        // It goes into a path: what is no id could make another path of it.
        if !is_id(&org) {
            return StatusCode::NOT_FOUND.into_response();
        }
        let answer = front.ask(&format!("/v1/orgs/{org}/teams"), &headers).await;
        if answer.status() != StatusCode::OK {
            return (answer.status(), answer.text().await.unwrap()).into_response();
        }
    }
    Json(json!({ "items": [{ "org": org, "text": "a note" }] })).into_response()
}

/// The other new route: the notes on a role of the organisation that a header names. Strangers are refused at the
/// gate; inside, a role of another organisation looks absent.
async fn notes_on_role(State(front): State<Front>, Path(role): Path<String>, headers: HeaderMap) -> Response {
    if front.care != Care::None {
        let org = headers.get("x-organization-id").and_then(|org| org.to_str().ok()).unwrap_or_default();
        if !is_id(org) {
            return StatusCode::FORBIDDEN.into_response();
        }
        let gate = front.ask(&format!("/v1/orgs/{org}/roles"), &headers).await.status();
        match gate {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND if front.care == Care::Asks => {
                return StatusCode::FORBIDDEN.into_response();
            }
            refused => return refused.into_response(),
        }
        if !is_id(&role) {
            return StatusCode::NOT_FOUND.into_response();
        }
        let found = front.ask(&format!("/v1/orgs/{org}/roles/{role}"), &headers).await.status();
        if found != StatusCode::OK {
            return found.into_response();
        }
    }
    Json(json!({ "items": [{ "role": role, "text": "a note" }] })).into_response()
}

fn is_id(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok()
}

/// What every answer of a service with care has, whatever it says.
async fn framed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
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
async fn system_with(route: &str, operation: Value, care: Care) -> (Arc<System>, Embedded) {
    let folder = std::env::temp_dir().join(format!("watertight-new-route-{}", uuid::Uuid::new_v4()));
    let run: &'static Run = Box::leak(Box::new(Run::at(&folder).unwrap()));
    let embedded = Embedded::start(run, SecurityPolicy::default()).await.unwrap();
    let behind = embedded.system.target.base_url.to_string().trim_end_matches('/').to_owned();
    let mut document = embedded.system.document.clone();
    document["info"]["title"] = "access-service with notes".into();
    document["paths"][route] = json!({ "get": operation });
    let front = Front { behind, document, care };
    let router = Router::new()
        .route(NOTES, get(notes))
        .route(NOTES_ON_ROLE, get(notes_on_role))
        .route("/openapi.json", get(|State(front): State<Front>| async move { Json(front.document) }))
        .fallback(forward)
        .layer(map_response(framed))
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

fn guarded() -> Value {
    json!({
        "operationId": "role-note-list", "x-permission": ["role:read"], "x-effect": "read",
        "x-visibility": "guarded", "x-slot": { "header/X-Organization-ID": "org", "path/roleId": "role" },
        "responses": { "200": { "description": "The notes." } }
    })
}

/// Runs what the plan has of these classes for routes with notes in their path.
fn attack(route: &str, operation: Value, care: Care, classes: &[&str]) -> Summary {
    let runtime = host::handle().unwrap();
    runtime.block_on(async {
        let (system, _embedded) = system_with(route, operation, care).await;
        let plan = Plan::of(&system).only(|path| {
            path.contains("note") && path.split('/').next().is_some_and(|class| classes.contains(&class))
        });
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
    let summary =
        attack(NOTES, json!({ "operationId": "note-list", "responses": {} }), Care::Asks, &["contract"]);
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
    let summary = attack(NOTES, annotated(), Care::None, &WHO_MAY);
    assert_eq!(verdict(&summary, "hop/note-list/path.orgId"), Verdict::Fail);
    assert_eq!(verdict(&summary, "matrix/note-list/other-tenant"), Verdict::Fail);
    assert_eq!(verdict(&summary, "token/note-list/no-token"), Verdict::Fail);
}

#[test]
fn a_route_that_reads_no_tokens_or_answers_alike_to_everyone_passes_no_attack() {
    for care in [Care::None, Care::Always(StatusCode::NOT_FOUND), Care::Always(StatusCode::UNAUTHORIZED)] {
        let summary = attack(NOTES, annotated(), care, &["hop", "token"]);
        let attacks = summary
            .outcomes
            .iter()
            .filter(|outcome| ["token/", "hop/"].iter().any(|class| outcome.case.path.starts_with(class)));
        let passed: Vec<_> = attacks.filter(|outcome| outcome.outcome.verdict == Verdict::Pass).collect();
        assert!(passed.is_empty(), "{care:?}: {passed:#?}");
    }
}

#[test]
fn a_new_route_that_is_right_raises_nothing() {
    raises_nothing(&attack(NOTES, annotated(), Care::Asks, &[&WHO_MAY[..], &BESIDES].concat()));
}

fn raises_nothing(summary: &Summary) {
    // The keys are served by the system behind, so nobody here sees who comes for what a token names.
    let unseen = |path: &str| path.ends_with("/fetches-what-a-token-names");
    let failed: Vec<_> = summary
        .outcomes
        .iter()
        .filter(|outcome| outcome.outcome.verdict != Verdict::Pass && !unseen(&outcome.case.path))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(summary.uncovered.is_empty() && summary.outcomes.len() > 25, "{} cases", summary.outcomes.len());
}

#[test]
fn an_organisation_named_by_a_header_is_held_against_the_path_and_against_the_caller() {
    raises_nothing(&attack(NOTES_ON_ROLE, guarded(), Care::Asks, &WHO_MAY));
}

#[test]
fn a_header_that_nobody_checks_is_caught_alone_and_against_the_path() {
    let summary = attack(NOTES_ON_ROLE, guarded(), Care::None, &["hop", "matrix"]);
    let sent = |swapped: &str| {
        let path = format!("hop/role-note-list/{swapped}");
        let outcome = summary.outcomes.iter().find(|outcome| outcome.case.path == path).unwrap();
        let exchange = &outcome.finding.as_ref().unwrap().exchanges[0];
        (exchange.request_headers["X-Organization-ID"].clone(), exchange.url.clone())
    };
    let header = sent("header.X-Organization-ID");
    let both = sent("header.X-Organization-ID+path.roleId");
    assert_eq!(header.0, both.0, "the other organisation");
    assert_ne!(header.1, both.1, "with one's own role, and with that organisation's");
    assert_eq!(verdict(&summary, "matrix/role-note-list/other-tenant"), Verdict::Fail);
}

#[test]
fn a_guarded_organisation_that_looks_absent_to_a_stranger_is_caught() {
    let summary = attack(NOTES_ON_ROLE, guarded(), Care::Hides, &["hop", "matrix"]);
    assert_eq!(verdict(&summary, "hop/role-note-list/header.X-Organization-ID"), Verdict::Fail);
    assert_eq!(verdict(&summary, "hop/role-note-list/path.roleId"), Verdict::Pass);
    assert_eq!(verdict(&summary, "matrix/role-note-list/other-tenant"), Verdict::Fail);
}
