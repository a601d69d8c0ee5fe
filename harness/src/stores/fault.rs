//! A proxy between a service and its store that fails calls on purpose.
//!
//! What the embedded store never does by itself, a real one does on a bad day: it throttles, breaks, stalls,
//! hangs up, and, worst of all, does what it was asked and loses the answer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::host::{self, NoRuntime};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The store refuses with `ThrottlingException`; nothing is done.
    Throttled,
    /// Another transaction was faster: `TransactionCanceledException` with `TransactionConflict`. Calls that are
    /// no transaction are throttled instead.
    Conflict,
    /// The store answers that what the transaction rests on has changed, as if somebody had been faster. Calls
    /// that are no transaction go through.
    Outdated,
    /// The store answers 500; nothing is done.
    Broken,
    /// The store answers late, after 50 ms; it is done.
    Late,
    /// The connection is closed before anything is done.
    Cut,
    /// It is done, and the connection is closed before the answer.
    AnswerLost,
}

impl Fault {
    /// All that a store does by itself; that something has changed is the doing of others.
    pub const ALL: [Fault; 6] =
        [Fault::Throttled, Fault::Conflict, Fault::Broken, Fault::Late, Fault::Cut, Fault::AnswerLost];
}

/// How late [`Fault::Late`] is: longer than any call to an embedded store takes, shorter than any timeout.
const LATENESS: Duration = Duration::from_millis(50);

/// The proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// No port.
    #[error("cannot listen on loopback for the fault proxy: {0}")]
    Listen(#[from] std::io::Error),
    /// No threads.
    #[error(transparent)]
    Runtime(#[from] NoRuntime),
    /// No HTTP client for the store behind it.
    #[error("cannot set up the HTTP client of the fault proxy: {0}")]
    Client(#[from] reqwest::Error),
}

/// Which calls fail from now on.
#[derive(Debug)]
enum Plan {
    /// None.
    Calm,
    /// Each with this chance, in one of these ways.
    Random { chance: f64, faults: Vec<Fault> },
    /// The next so many calls of an action (`TransactWriteItems`).
    Next { action: &'static str, fault: Fault, times: usize },
}

#[derive(Debug)]
struct State {
    plan: Plan,
    rng: StdRng,
    injected: BTreeMap<Fault, usize>,
    calls: usize,
}

impl State {
    /// What happens to the next call of an action.
    fn draw(&mut self, action: &str) -> Option<Fault> {
        self.calls += 1;
        let fault = match &mut self.plan {
            Plan::Calm => None,
            Plan::Random { chance, faults } => {
                if self.rng.random_bool(*chance) {
                    faults.choose(&mut self.rng).copied()
                } else {
                    None
                }
            }
            Plan::Next { action: wanted, fault, times } => {
                let is_next = *times > 0 && action == *wanted;
                *times -= usize::from(is_next);
                is_next.then_some(*fault)
            }
        }?;
        let is_transaction = action == "TransactWriteItems";
        if fault == Fault::Outdated && !is_transaction {
            return None;
        }
        let fault = if fault == Fault::Conflict && !is_transaction { Fault::Throttled } else { fault };
        *self.injected.entry(fault).or_default() += 1;
        Some(fault)
    }
}

struct Shared {
    upstream: String,
    client: reqwest::Client,
    state: Arc<Mutex<State>>,
}

/// A running proxy. It ends when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: AbortHandle,
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FaultProxy {
    /// Starts a proxy to the store at `upstream` that fails nothing yet; `rng` draws what fails later.
    pub async fn start(upstream: &str, rng: StdRng) -> Result<FaultProxy, ProxyError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = State { plan: Plan::Calm, rng, injected: BTreeMap::new(), calls: 0 };
        let state = Arc::new(Mutex::new(state));
        // No TLS on loopback, so no certificates of the system.
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        let shared = Arc::new(Shared { upstream: upstream.to_owned(), client, state: Arc::clone(&state) });
        let server = host::handle()?.spawn(serve(listener, shared)).abort_handle();
        Ok(FaultProxy { address, state, server })
    }

    /// The endpoint URL, for the service.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on each call fails with this chance (0 to 1), in one of these ways.
    pub fn random(&self, chance: f64, faults: &[Fault]) {
        self.with(|state| state.plan = Plan::Random { chance, faults: faults.to_vec() });
    }

    /// The next so many calls of an action (`GetItem`, `TransactWriteItems`) fail.
    pub fn next(&self, action: &'static str, fault: Fault, times: usize) {
        self.with(|state| state.plan = Plan::Next { action, fault, times });
    }

    /// From now on nothing fails.
    pub fn calm(&self) {
        self.with(|state| state.plan = Plan::Calm);
    }

    /// How often each fault was injected so far.
    pub fn injected(&self) -> BTreeMap<Fault, usize> {
        self.with(|state| state.injected.clone())
    }

    /// How many calls came so far.
    pub fn calls(&self) -> usize {
        self.with(|state| state.calls)
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the proxy.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&shared), request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            // A connection that was cut on purpose ends in an error, and that is its purpose.
            connection.await.ok();
        });
    }
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
struct HangUp;

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, HangUp> {
    let action = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    let action = action.and_then(|target| target.rsplit('.').next()).unwrap_or_default().to_owned();
    let fault = shared.state.lock().unwrap_or_else(PoisonError::into_inner).draw(&action);
    match fault {
        None => forward(&shared, request).await,
        Some(Fault::Throttled) => Ok(refusal("ThrottlingException", StatusCode::BAD_REQUEST)),
        Some(Fault::Conflict) => Ok(cancelled("TransactionConflict")),
        Some(Fault::Outdated) => Ok(cancelled("ConditionalCheckFailed")),
        Some(Fault::Broken) => Ok(refusal("InternalServerError", StatusCode::INTERNAL_SERVER_ERROR)),
        Some(Fault::Late) => {
            let answered = forward(&shared, request).await;
            // The one delay that is the purpose, not a wait for something.
            tokio::time::timeout(LATENESS, std::future::pending::<Infallible>()).await.ok();
            answered
        }
        Some(Fault::Cut) => Err(HangUp),
        Some(Fault::AnswerLost) => forward(&shared, request).await.and(Err(HangUp)),
    }
}

/// Sends the call on as it came: the signature covers headers and body.
async fn forward(shared: &Shared, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, HangUp> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HangUp)?.to_bytes();
    let url = format!("{}{}", shared.upstream.trim_end_matches('/'), parts.uri.path());
    let sent = shared.client.request(parts.method, url).headers(end_to_end(parts.headers)).body(body);
    let answered = sent.send().await.map_err(|_| HangUp)?;
    let (status, headers) = (answered.status(), end_to_end(answered.headers().clone()));
    let mut response = Response::new(Full::new(answered.bytes().await.map_err(|_| HangUp)?));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Without what is between two hops only (RFC 9110, 7.6.1), and without lengths that are stated anew.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in ["connection", "keep-alive", "transfer-encoding", "upgrade", "host", "content-length"] {
        headers.remove(name);
    }
    headers
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    response
}

fn refusal(kind: &str, status: StatusCode) -> Response<Full<Bytes>> {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    json_answer(status, &json!({ "__type": kind, "message": "injected by the fault proxy" }))
}

fn cancelled(reason: &str) -> Response<Full<Bytes>> {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "injected by the fault proxy",
        "CancellationReasons": [{ "Code": reason, "Message": "injected by the fault proxy" }],
    });
    json_answer(StatusCode::BAD_REQUEST, &body)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

    use super::{Fault, FaultProxy};

    async fn store() -> MockServer {
        let store = MockServer::start().await;
        Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&store).await;
        store
    }

    async fn call(proxy: &FaultProxy, action: &str) -> Option<u16> {
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let target = format!("DynamoDB_20120810.{action}");
        let sent = client.post(proxy.url()).header("x-amz-target", target).body("{}").send().await;
        sent.ok().map(|answer| answer.status().as_u16())
    }

    #[tokio::test]
    async fn a_lost_answer_is_one_to_a_call_that_was_done() {
        let store = store().await;
        let proxy = FaultProxy::start(&store.uri(), StdRng::seed_from_u64(1)).await.unwrap();
        proxy.next("PutItem", Fault::AnswerLost, 1);
        assert_eq!(call(&proxy, "PutItem").await, None);
        assert_eq!(store.received_requests().await.unwrap().len(), 1);
        assert_eq!(call(&proxy, "PutItem").await, Some(200));
        assert_eq!(proxy.injected()[&Fault::AnswerLost], 1);
    }

    #[tokio::test]
    async fn a_refused_and_a_cut_call_do_not_reach_the_store() {
        let store = store().await;
        let proxy = FaultProxy::start(&store.uri(), StdRng::seed_from_u64(1)).await.unwrap();
        for (fault, status) in [
            (Fault::Throttled, Some(400)),
            (Fault::Conflict, Some(400)),
            (Fault::Broken, Some(500)),
            (Fault::Cut, None),
        ] {
            proxy.next("GetItem", fault, 1);
            assert_eq!(call(&proxy, "GetItem").await, status, "{fault:?}");
        }
        assert!(store.received_requests().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn only_the_action_named_fails_and_calm_ends_it() {
        let store = store().await;
        let proxy = FaultProxy::start(&store.uri(), StdRng::seed_from_u64(1)).await.unwrap();
        proxy.next("GetItem", Fault::Broken, 5);
        assert_eq!(call(&proxy, "Query").await, Some(200));
        assert_eq!(call(&proxy, "GetItem").await, Some(500));
        proxy.calm();
        assert_eq!(call(&proxy, "GetItem").await, Some(200));
        assert_eq!((proxy.calls(), proxy.injected().values().sum::<usize>()), (3, 1));
    }
}
