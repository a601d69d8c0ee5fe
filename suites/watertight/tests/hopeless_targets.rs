//! Targets that are not what they seem: one that ignores tokens, one that hangs, one that dies. The security suite never
//! passes on them, and ends in time.
#![expect(clippy::unwrap_used, reason = "what a stand-in cannot do is a failed test")]

mod port;
mod program;
mod service;

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use harness::host;
use serde_json::Value;
use service::{Service, security};
use tokio::net::TcpListener;

/// Longer than any of these needs on a busy machine; without an end of its own the suite would take hours.
const IN_TIME: Duration = Duration::from_mins(4);

const CAPABILITIES: [&str; 6] = ["provision", "mint", "mail", "archive", "lambda", "audit"];

/// What stands in front of a real service.
#[derive(Clone)]
struct Front {
    behind: String,
    fault: Fault,
    seen: Arc<AtomicUsize>,
    /// Who first succeeded in an organisation, by its id, and as platform administrator.
    trusted: Arc<Mutex<BTreeMap<String, HeaderValue>>>,
    http: reqwest::Client,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Whoever asks is taken for the first who was let in, with whatever token, or none.
    IgnoresTokens,
    /// After so many requests it answers nothing more.
    HangsAfter(usize),
    /// After so many requests it cuts every connection.
    DiesAfter(usize),
}

impl Front {
    /// Whose place a request is about: an organisation, or the platform.
    fn place(path: &str) -> Option<String> {
        let mut segments = path.trim_start_matches("/v1/").split('/');
        match segments.next()? {
            "platform" => Some("platform".to_owned()),
            "orgs" => segments.next().map(str::to_owned),
            _ => None,
        }
    }

    async fn forward(self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let place = Some(path.as_str()).filter(|_| self.fault == Fault::IgnoresTokens).and_then(Front::place);
        let trusted = || self.trusted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = place.as_ref().and_then(|place| trusted().get(place).cloned()) {
            parts.headers.insert("authorization", known);
        }
        let sent = parts.headers.get("authorization").cloned();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let url = format!("{}{path}", self.behind);
        let request = self.http.request(parts.method, url).headers(parts.headers).body(body);
        let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
        if let (Some(place), Some(sent), true) = (place, sent, answer.status().is_success()) {
            trusted().entry(place).or_insert(sent);
        }
        let mut response = Response::builder().status(answer.status());
        *response.headers_mut().unwrap() = answer.headers().clone();
        response.body(Body::from(answer.bytes().await.unwrap_or_default())).unwrap()
    }
}

async fn answer(State(front): State<Front>, request: Request) -> Response {
    let seen = front.seen.fetch_add(1, Ordering::Relaxed);
    match front.fault {
        Fault::HangsAfter(most) if seen >= most => std::future::pending().await,
        Fault::DiesAfter(most) if seen >= most => {
            let cut = futures::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("cut")) });
            Body::from_stream(cut).into_response()
        }
        _ => front.forward(request).await,
    }
}

/// Puts a fault in front of a service; the address.
fn in_front_of(service: &Service, fault: Fault) -> String {
    let runtime = host::handle().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let behind = service.program.url.trim_end_matches('/').to_owned();
    let front = Front { behind, fault, seen: Arc::default(), trusted: Arc::default(), http };
    let router = Router::new().fallback(answer).with_state(front);
    runtime.spawn(async move { axum::serve(listener, router).await });
    url
}

/// What a run of the security suite came to.
struct Attacked {
    code: Option<i32>,
    said: String,
    /// `run.json`.
    run: Value,
    /// Requests that were waited for in vain.
    unanswered: usize,
}

/// Runs the security suite on a service with a fault in front of it.
fn attacked(fault: Fault, more: &str, words: &[&str]) -> Attacked {
    let service = Service::start();
    let target = service.target_at(&in_front_of(&service, fault), "faulty", &CAPABILITIES, more);
    let run = service.program.folder.path().join("run");
    let start = Instant::now();
    let output = security(&target, &run, words).output().unwrap();
    assert!(start.elapsed() < IN_TIME, "{fault:?} took {:?}", start.elapsed());
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{said}");
    let json = fs::read_to_string(run.join("run.json")).unwrap_or_default();
    let files = fs::read_dir(run.join("exchanges")).into_iter().flatten().flatten();
    let exchanges = files.map(|file| fs::read_to_string(file.path()).unwrap());
    let unanswered = exchanges.map(|text| text.matches("\"trouble\":\"").count()).sum();
    Attacked {
        code: output.status.code(),
        said,
        run: serde_json::from_str(&json).unwrap_or_default(),
        unanswered,
    }
}

#[test]
fn a_service_that_ignores_tokens_is_found_out() {
    let Attacked { code, said, run, .. } = attacked(Fault::IgnoresTokens, "", &["--only", "*/team-list/*"]);
    // What its refusals would mean is not known, and a finding outranks that in the exit code.
    assert_eq!((code, run["verdict"].as_str()), (Some(1), Some("error")), "{said}");
    let classes = run["suites"][0]["classes"].as_array().unwrap();
    let token = classes.iter().find(|class| class["class"] == "token").unwrap();
    assert_eq!(token["pass"], 0, "no refused token was refused for what it is: {token}\n{said}");
    assert!(token["fail"].as_u64().unwrap() > 0, "{token}");
}

#[test]
fn a_service_that_hangs_from_the_first_token_is_trouble() {
    // The document and the first look at it are answered.
    let Attacked { code, said, run, .. } =
        attacked(Fault::HangsAfter(1), "[limits]\ntimeout_seconds = 1\n", &[]);
    assert_eq!(code, Some(2), "{said}");
    assert_ne!(run["verdict"], "pass", "{said}");
    assert!(said.contains("error: "), "{said}");
}

#[test]
fn a_service_that_hangs_or_dies_in_mid_run_is_not_waited_for() {
    for fault in [Fault::HangsAfter(400), Fault::DiesAfter(400)] {
        let Attacked { code, said, run, unanswered } =
            attacked(fault, "[limits]\ntimeout_seconds = 1\n", &[]);
        assert_eq!((code, run["verdict"].as_str()), (Some(2), Some("error")), "{fault:?} {said}");
        let suite = &run["suites"][0];
        let (pass, error) = (suite["pass"].as_u64().unwrap(), suite["error"].as_u64().unwrap());
        assert!(error > pass, "{fault:?}: most was not observed: {pass} passed, {error} errors");
        assert!(said.contains("could not be observed"), "{fault:?} {said}");
        // Sixteen in a row, what was under way beside them, and some between which a late answer came in.
        assert!((16..=100).contains(&unanswered), "{fault:?}: {unanswered} requests were waited for");
    }
}
