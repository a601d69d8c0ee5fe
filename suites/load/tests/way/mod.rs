//! A way to a target on which something goes wrong: answers late, failed, stalled, or with a row that is not the
//! tenant's. The service behind it is a real one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use harness::identity::Issuer;
use harness::leak::Canary;
use harness::system::{StandIns, System};
use harness::target::Target;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use url::Url;

/// What goes wrong.
#[derive(Debug, Default)]
pub struct Trouble {
    /// Every answer comes so much later.
    pub slower: Duration,
    /// Of so many reading requests, one fails.
    pub fails_one_in: Option<u64>,
    /// Of so many rows, one is another tenant's.
    pub leaks_one_in: Option<u64>,
    /// Once somebody says so, nothing is answered for this long.
    pub stall: Duration,
    /// The memory that the target tells of grows by so much a second.
    pub megabytes_a_second: f64,
}

struct Inner {
    trouble: Trouble,
    target: Url,
    client: reqwest::Client,
    reads: AtomicU64,
    rows: AtomicU64,
    stalled: AtomicBool,
    broken: AtomicBool,
    stall: tokio::sync::watch::Sender<Option<Instant>>,
    since: Instant,
    foreign: Canary,
}

/// A way that is open until it is dropped.
pub struct Way {
    inner: Arc<Inner>,
    url: Url,
    serving: JoinHandle<()>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Way {
    /// A way to a target.
    pub async fn to(target: &Url, trouble: Trouble) -> Way {
        let inner = Arc::new(Inner {
            trouble,
            target: target.clone(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            reads: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            stall: tokio::sync::watch::channel(None).0,
            since: Instant::now(),
            foreign: Canary::fresh(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let router = Router::new().fallback(pass).with_state(inner.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Way { inner, url, serving }
    }

    /// Lets nothing through for the time of the stall; the first time only.
    pub fn stall(&self) {
        if !self.inner.stalled.swap(true, Ordering::Relaxed) {
            self.inner.stall.send_replace(Some(Instant::now() + self.inner.trouble.stall));
        }
    }

    /// Answers nothing as it should, or does again.
    pub fn break_down(&self, broken: bool) {
        self.inner.broken.store(broken, Ordering::Relaxed);
    }

    /// The system behind, reached this way, with tokens of another issuer if there is one.
    pub async fn system(&self, behind: &System, issuer: Option<Issuer>) -> Arc<System> {
        let target = Target {
            name: "troubled".to_owned(),
            base_url: self.url.clone(),
            internal: Some(self.url.clone()),
            ..(*behind.target).clone()
        };
        let issuer = issuer.or_else(|| behind.stand_ins.issuer.clone());
        let stand_ins = StandIns { issuer, jwks: None, mail: None, archive: None };
        Arc::new(System::open(behind.run, target, stand_ins).await.unwrap())
    }
}

async fn pass(State(way): State<Arc<Inner>>, request: Request) -> Response {
    if request.uri().path() == "/metrics" {
        let grown = way.trouble.megabytes_a_second * way.since.elapsed().as_secs_f64();
        return format!("process_resident_memory_bytes {}\n", 1e8 + grown * 1e6).into_response();
    }
    let trouble = &way.trouble;
    let until = *way.stall.borrow();
    if let Some(until) = until {
        tokio::time::sleep_until(until).await;
    }
    tokio::time::sleep_until(Instant::now() + trouble.slower).await;
    let reads = request.method() == Method::GET;
    let broken = way.broken.load(Ordering::Relaxed);
    if broken || reads && one_in(trouble.fails_one_in, way.reads.fetch_add(1, Ordering::Relaxed), 1) {
        return (StatusCode::INTERNAL_SERVER_ERROR, "out of order").into_response();
    }
    way.forward(request).await
}

/// Whether a number is passed that so many go into, by `more` after `before`.
fn one_in(many: Option<u64>, before: u64, more: u64) -> bool {
    many.is_some_and(|many| (before + more) / many > before / many)
}

impl Inner {
    async fn forward(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = self.target.join(path).unwrap();
        let mut headers = parts.headers;
        headers.remove("host");
        let sent = self.client.request(parts.method, url).headers(headers).body(body).send().await;
        let Ok(answer) = sent else { return StatusCode::BAD_GATEWAY.into_response() };
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.unwrap_or_default();
        let body = self.with_foreign_row(&body).unwrap_or_else(|| body.to_vec());
        for own in ["content-length", "transfer-encoding"] {
            headers.remove(own);
        }
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// A list with one row more, whenever as many rows have passed.
    fn with_foreign_row(&self, body: &[u8]) -> Option<Vec<u8>> {
        self.trouble.leaks_one_in?;
        let mut list: Value = serde_json::from_slice(body).ok()?;
        let rows = list.get_mut("items")?.as_array_mut()?;
        let count = rows.len() as u64;
        let before = self.rows.fetch_add(count, Ordering::Relaxed);
        if !one_in(self.trouble.leaks_one_in, before, count) {
            return None;
        }
        rows.push(json!({ "name": format!("team {}", self.foreign) }));
        serde_json::to_vec(&list).ok()
    }
}
