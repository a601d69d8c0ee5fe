//! The JWKS server a target fetches keys from. It counts fetches, and can rotate, fail, hang or lie.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// Where the document lies on the server.
const JWKS_PATH: &str = "/.well-known/jwks.json";

/// How the server behaves.
#[derive(Clone, Debug)]
pub enum JwksMood {
    /// Serves this document.
    Serve(Value),
    /// Answers with this status and nothing.
    Fail(u16),
    /// Answers with text that is no JSON.
    Garbage,
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
}

struct Responder(Arc<State>);

impl Respond for Responder {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        match &*self.0.mood.lock().unwrap_or_else(PoisonError::into_inner) {
            JwksMood::Serve(document) => ResponseTemplate::new(200).set_body_json(document),
            JwksMood::Fail(status) => ResponseTemplate::new(*status),
            JwksMood::Garbage => ResponseTemplate::new(200).set_body_string("<html>not the keys</html>"),
            JwksMood::Hang(delay, document) => {
                ResponseTemplate::new(200).set_body_json(document).set_delay(*delay)
            }
        }
    }
}

impl JwksServer {
    /// Starts a server. Port 0 picks a free one.
    pub async fn start(listen: SocketAddr, document: Value) -> std::io::Result<JwksServer> {
        let state =
            Arc::new(State { mood: Mutex::new(JwksMood::Serve(document)), fetches: AtomicU64::new(0) });
        let listener = TcpListener::bind(listen)?;
        let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
        Mock::given(method("GET"))
            .and(path(JWKS_PATH))
            .respond_with(Responder(state.clone()))
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

    /// Changes how it behaves from the next fetch on.
    pub fn set_mood(&self, mood: JwksMood) {
        *self.state.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// How often the document was asked for.
    pub fn fetches(&self) -> u64 {
        self.state.fetches.load(Ordering::SeqCst)
    }
}
