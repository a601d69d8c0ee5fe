//! Requests on their way to a target and what comes back, to the last byte. No redirect is followed (one could lead off
//! the target's own host), nothing that was sent is sent again, and no proxy of the environment is used.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use url::Url;

use super::ClientError;
use super::route::{self, Route};
use crate::system::innermost;
use crate::target::Target;

/// A body longer than this is cut off: nothing in the contract answers with more.
const LONGEST_BODY: usize = 8 * 1024 * 1024;
/// Who is asking.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("watertight/", env!("CARGO_PKG_VERSION")));

/// Whatever the target has to say.
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

/// A request as it will be sent.
pub type Outgoing = Request<Full<Bytes>>;

/// A request that no complete answer came to.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody was there to send it to.
    #[error("no connection: {}", innermost(.0))]
    Connect(#[source] legacy::Error),
    /// The connection ended before the answer did, or what came is no HTTP.
    #[error("the connection broke: {}", innermost(.0.as_ref()))]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took longer than anybody waits.
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// Not sent: HTTP has no way to ask for its URL, which is not told, as there may be a secret in it.
    #[error("its URL is none that HTTP can ask for ({0})")]
    Url(#[source] http::uri::InvalidUri),
    /// Not sent: HTTP has no way to send this header.
    #[error("its header '{name}' cannot be sent: the {what}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Sends to a target by its own rules: its certificate authority, its proxy, its time limit. Copies share connections.
#[derive(Clone)]
pub struct Http {
    client: Client<HttpsConnector<Route>, Full<Bytes>>,
    connector: HttpsConnector<Route>,
    proxy_authorization: Option<HeaderValue>,
    patience: Duration,
}

impl fmt::Debug for Http {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Http").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Http {
    /// For a target.
    pub fn of(target: &Target) -> Result<Http, ClientError> {
        let (connector, proxy_authorization) = route::connector(target)?;
        Ok(Http {
            client: client(&connector),
            connector,
            proxy_authorization,
            patience: Duration::from_secs(target.limits.timeout_seconds),
        })
    }

    /// The same with connections of its own, as another user has them.
    #[must_use]
    pub fn apart(&self) -> Http {
        Http { client: client(&self.connector), ..self.clone() }
    }

    /// The same with another time limit.
    #[must_use]
    pub fn within(&self, patience: Duration) -> Http {
        Http { patience, ..self.clone() }
    }

    /// Fetches what a URL names.
    pub async fn get(&self, url: &Url) -> Result<Received, HttpError> {
        self.send(outgoing(Method::GET, url)?).await
    }

    /// Sends a request and reads the answer to its last byte.
    pub async fn send(&self, mut request: Outgoing) -> Result<Received, HttpError> {
        let passed_on = request.uri().scheme() == Some(&Scheme::HTTP);
        let headers = request.headers_mut();
        headers.entry(ACCEPT).or_insert(ANYTHING);
        headers.entry(USER_AGENT).or_insert(AGENT);
        if let (true, Some(authorization)) = (passed_on, &self.proxy_authorization) {
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let answer = async {
            let response = self.client.request(request).await.map_err(|error| {
                if error.is_connect() { HttpError::Connect(error) } else { HttpError::Broken(error.into()) }
            })?;
            Received::read(response).await
        };
        let answer = tokio::time::timeout(self.patience, answer).await;
        answer.unwrap_or(Err(HttpError::TimedOut(self.patience)))
    }
}

fn client(connector: &HttpsConnector<Route>) -> Client<HttpsConnector<Route>, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector.clone())
}

/// A request without a body.
pub fn outgoing(method: Method, url: &Url) -> Result<Outgoing, HttpError> {
    let uri = Uri::try_from(url.as_str()).map_err(HttpError::Url)?;
    let mut request = Request::new(Full::default());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    Ok(request)
}

/// Adds a header to those of its name.
pub(crate) fn add(headers: &mut HeaderMap, name: &str, value: &[u8]) -> Result<(), HttpError> {
    let unfit = |what: &'static str| HttpError::Header { name: name.to_owned(), what };
    let value = HeaderValue::from_bytes(value).map_err(|_| unfit("value holds a control character"))?;
    headers.append(HeaderName::try_from(name).map_err(|_| unfit("name is none (RFC 9110 5.1)"))?, value);
    Ok(())
}

/// Adds the headers that a target file wants on every request.
pub(crate) fn add_all_of(target: &Target, headers: &mut HeaderMap) -> Result<(), HttpError> {
    target.headers.iter().try_for_each(|(name, value)| add(headers, name, value.reveal().as_bytes()))
}

/// A response, read to its last byte.
#[derive(Clone, Debug)]
pub struct Received {
    /// The status.
    pub status: u16,
    /// The headers, as they came.
    pub headers: HeaderMap,
    /// The body as text; bytes that are no UTF-8 are replaced.
    pub body: String,
}

impl Received {
    async fn read(response: Response<Incoming>) -> Result<Received, HttpError> {
        let (head, mut rest) = response.into_parts();
        let announced =
            head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let mut body = Vec::with_capacity(announced.unwrap_or(0).min(LONGEST_BODY));
        while let Some(frame) = rest.frame().await {
            let frame = frame.map_err(|error| HttpError::Broken(error.into()))?;
            // Trailers say nothing that anybody asks.
            let Ok(chunk) = frame.into_data() else { continue };
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_BODY {
                break;
            }
        }
        Ok(Received {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        })
    }

    /// The beginning of the body, for an error that says what came.
    pub(crate) fn beginning(&self) -> String {
        self.body.chars().take(80).collect()
    }
}
