//! The JWKS server a target fetches keys from. It counts fetches, and can rotate, fail, hang or lie. Beside the keys
//! it serves an attacker's, and tells whether anyone came for them.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::KeyPair;

/// Where the document lies on the server.
const JWKS_PATH: &str = "/.well-known/jwks.json";
/// What an attacker serves lies below this.
const LURE_PATH: &str = "/lure/";

/// How the server behaves.
#[derive(Clone, Debug)]
pub enum JwksMood {
    /// Serves this document.
    Serve(Value),
    /// Answers with this status and nothing.
    Fail(u16),
    /// Answers with text that is no JSON.
    Garbage,
    /// Answers with a document and this many bytes more than anyone needs.
    Endless(usize),
    /// Sends whoever asks to this URL.
    Redirect(String),
    /// Serves the document, but this late.
    Hang(Duration, Value),
}

/// A running JWKS server. It ends when dropped.
#[derive(Debug)]
pub struct JwksServer {
    server: MockServer,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    mood: Mutex<JwksMood>,
    fetches: AtomicU64,
    lured: Mutex<BTreeSet<String>>,
}

struct Responder(Arc<State>);

impl Respond for Responder {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        match &*self.0.mood.lock().unwrap_or_else(PoisonError::into_inner) {
            JwksMood::Serve(document) => ResponseTemplate::new(200).set_body_json(document),
            JwksMood::Fail(status) => ResponseTemplate::new(*status),
            JwksMood::Garbage => ResponseTemplate::new(200).set_body_string("<html>not the keys</html>"),
            JwksMood::Endless(bytes) => {
                let document = json!({ "keys": [], "padding": "x".repeat(*bytes) });
                ResponseTemplate::new(200).set_body_json(document)
            }
            JwksMood::Redirect(url) => ResponseTemplate::new(302).insert_header("location", url.as_str()),
            JwksMood::Hang(delay, document) => {
                ResponseTemplate::new(200).set_body_json(document).set_delay(*delay)
            }
        }
    }
}

/// Serves the attacker's key set, and remembers who was lured by the path that was asked for.
struct Lure(Arc<State>, Value);

impl Respond for Lure {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let bait = request.url.path().trim_start_matches(LURE_PATH).to_owned();
        self.0.lured.lock().unwrap_or_else(PoisonError::into_inner).insert(bait);
        ResponseTemplate::new(200).set_body_json(&self.1)
    }
}

impl JwksServer {
    /// Starts a server of these keys, and of an attacker's beside them. Port 0 picks a free one.
    pub async fn start(
        listen: SocketAddr,
        document: Value,
        attacker: &KeyPair,
    ) -> std::io::Result<JwksServer> {
        let state = Arc::new(State {
            mood: Mutex::new(JwksMood::Serve(document)),
            fetches: AtomicU64::new(0),
            lured: Mutex::default(),
        });
        let listener = TcpListener::bind(listen)?;
        let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
        Mock::given(method("GET"))
            .and(path(JWKS_PATH))
            .respond_with(Responder(state.clone()))
            .mount(&server)
            .await;
        // Whatever the method: that somebody came is what counts.
        Mock::given(path_regex(format!("^{LURE_PATH}")))
            .respond_with(Lure(state.clone(), json!({ "keys": [attacker.jwk()] })))
            .mount(&server)
            .await;
        Ok(JwksServer { server, state })
    }

    /// The URL of the document.
    pub fn url(&self) -> String {
        format!("{}{JWKS_PATH}", self.server.uri())
    }

    /// The server's own URL: the default issuer.
    pub fn base(&self) -> String {
        self.server.uri()
    }

    /// What stands before the bait in the URL of an attacker's key set.
    pub fn lure(&self) -> String {
        format!("{}{LURE_PATH}", self.server.uri())
    }

    /// Whether anyone came for an attacker's key set with this bait in its URL.
    pub fn has_lured(&self, bait: &str) -> bool {
        self.state.lured.lock().unwrap_or_else(PoisonError::into_inner).contains(bait)
    }

    /// Changes how it behaves from the next fetch on.
    pub fn set_mood(&self, mood: JwksMood) {
        *self.state.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// How often the document was asked for.
    pub fn fetches(&self) -> u64 {
        self.state.fetches.load(Ordering::SeqCst)
    }
}
