//! The one client: records every exchange, counts what was sent, and lets no leak pass.
//!
//! ```no_run
//! # use harness::{client::Api, data::Tenant, identity::Principal};
//! # async fn example(api: Api, alice: Principal, acme: Tenant) -> Result<(), Box<dyn std::error::Error>> {
//! let body = serde_json::json!({ "name": "Ops" });
//! let answer = api.call("team-create").as_(&alice).org(&acme.org).json(body).send().await?;
//! let team = answer.expect(201)?.text_at("/id")?;
//! # Ok(()) }
//! ```

mod answer;
mod budget;
mod call;
mod coverage;
mod http;
mod pending;
mod request;
mod route;

use std::sync::{Arc, Mutex, PoisonError};

use crate::contract::{Conformance, Contract};
use crate::exchange::Exchange;
use crate::leak::{Leak, LeakDetector};
use crate::record::{Finding, Record, Severity};
use crate::run::{Run, RunError};
use crate::target::Target;

pub use answer::{Answer, Unexpected};
pub use budget::Budget;
pub use call::Call;
pub use coverage::Coverage;
pub use http::{Http, HttpError, Outgoing, Received};
pub(crate) use http::{add, add_all_of, outgoing};
pub use pending::Pending;

/// The header that carries the run's id to the target's log.
const REQUEST_ID: &str = "x-request-id";

/// A call that did not end with an answer to look at.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The target has no such operation.
    #[error("the target '{target}' has no operation '{operation}'")]
    NoSuchOperation {
        /// The operation asked for.
        operation: String,
        /// The target's name.
        target: String,
    },
    /// A slot of the request has no value.
    #[error("operation {operation}: nothing to fill {place} with (a {kind}); give it with .slot() or .at()")]
    Unfilled {
        /// The operation.
        operation: String,
        /// The place.
        place: String,
        /// The slot's kind.
        kind: String,
    },
    /// The target is `read_only` and the operation writes.
    #[error("operation {operation} writes, and the target '{target}' is read_only: not sent")]
    ReadOnly {
        /// The operation.
        operation: String,
        /// The target's name.
        target: String,
    },
    /// A hostile request to a host that did not consent.
    #[error(
        "hostile requests go to loopback only; to attack {host}, name it under `consent` in the target file"
    )]
    NoConsent {
        /// The host.
        host: String,
    },
    /// The request budget is used up.
    #[error(
        "the budget of {0} requests is used up; raise limits.max_requests in the target file, or --max-requests"
    )]
    Budget(u64),
    /// The response carried another tenant's data. Recorded as a finding, whatever the caller makes of it.
    #[error("{leak}\n  {} {} (request {})", .exchange.method, .exchange.url, .exchange.id)]
    Leak {
        /// What was found.
        leak: Leak,
        /// Where it was found.
        exchange: Box<Exchange>,
    },
    /// The target is gone, or hangs: whoever waits for every answer waits for hours.
    #[error("not sent: the target left the last {0} requests unanswered, so nothing more is asked of it")]
    Silent(u64),
    /// No response came.
    #[error("no answer to {what}: {source}")]
    Transport {
        /// Method and URL.
        what: String,
        /// Why.
        source: HttpError,
    },
    /// HTTP has no way to send it.
    #[error("{what} cannot be sent: {source}")]
    Unsendable {
        /// Method and path template.
        what: String,
        /// Why.
        source: HttpError,
    },
    /// The token could not be signed.
    #[error(transparent)]
    Key(#[from] crate::identity::KeyError),
    /// The run folder cannot be written.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl CallError {
    /// Whether nothing was sent: whatever was asked for has not been done.
    pub fn is_unsent(&self) -> bool {
        match self {
            CallError::NoSuchOperation { .. }
            | CallError::Unfilled { .. }
            | CallError::ReadOnly { .. }
            | CallError::NoConsent { .. }
            | CallError::Budget(_)
            | CallError::Silent(_)
            | CallError::Unsendable { .. }
            | CallError::Key(_) => true,
            CallError::Leak { .. } | CallError::Transport { .. } | CallError::Run(_) => false,
        }
    }
}

/// The client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The certificate authority file.
    #[error("cannot use the certificate authority {path}: {what}; `ca` must name a PEM file")]
    Ca {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The proxy's URL.
    #[error(
        "cannot use the proxy: expected http://, https://, socks4://, socks4a://, socks5:// or socks5h:// and a host in `proxy`, got {0}"
    )]
    Proxy(String),
    /// The certificates of this machine, or TLS itself.
    #[error("cannot set up TLS: {0}; without the system's certificate authorities `ca` must name a PEM file")]
    Tls(rustls::Error),
}

/// What all clients of one target share.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The run everything is recorded in.
    pub run: &'static Run,
    /// Where requests go.
    pub target: Arc<Target>,
    /// What can be asked for.
    pub contract: Arc<Contract>,
    /// What responses are searched for.
    pub leaks: LeakDetector,
    /// What was sent.
    pub coverage: Arc<Coverage>,
    /// What may still be sent.
    pub budget: Arc<Budget>,
    /// What answers are held against, if they are.
    pub conformance: Option<Arc<Conformance>>,
    /// After so many requests in a row without an answer no more is sent, if that is so.
    pub patience: Option<u64>,
    /// The connections.
    pub http: Http,
}

/// A client of one target, for one suite.
#[derive(Clone, Debug)]
pub struct Api {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    suite: String,
    connection: Connection,
    leaked: Mutex<Vec<String>>,
    nonconforming: Mutex<Vec<String>>,
    exchanges: Mutex<Vec<String>>,
}

impl Api {
    /// A client that records for a suite, in files of its name.
    pub fn new(suite: &str, connection: Connection) -> Api {
        let inner = Inner {
            suite: suite.to_owned(),
            connection,
            leaked: Mutex::default(),
            nonconforming: Mutex::default(),
            exchanges: Mutex::default(),
        };
        Api { inner: Arc::new(inner) }
    }

    /// Begins a call of an operation; nothing is sent before `send`.
    pub fn call(&self, operation: &str) -> Call {
        Call::new(self.clone(), operation)
    }

    /// The contract.
    pub fn contract(&self) -> &Contract {
        &self.inner.connection.contract
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.inner.connection.target
    }

    /// The connections, for a sender with a clock of its own.
    pub fn http(&self) -> &Http {
        &self.inner.connection.http
    }

    /// The suite this client records for.
    pub fn suite(&self) -> &str {
        &self.inner.suite
    }

    /// The leak detector.
    pub fn leaks(&self) -> &LeakDetector {
        &self.inner.connection.leaks
    }

    /// What was sent so far.
    pub fn coverage(&self) -> &Coverage {
        &self.inner.connection.coverage
    }

    /// Writes what was sent since the last flush into the run's records.
    pub fn flush_coverage(&self) -> Result<(), RunError> {
        for cell in
            self.inner.connection.coverage.take_new(&self.inner.suite, &self.inner.connection.target.name)
        {
            self.inner.connection.run.record(&self.inner.suite, &Record::Coverage(cell))?;
        }
        Ok(())
    }

    /// The ids of the exchanges in which something leaked, whatever the caller made of the error.
    pub fn leaked(&self) -> Vec<String> {
        self.inner.leaked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answers that were none the contract promises, whatever the caller made of them: which and why.
    pub fn nonconforming(&self) -> Vec<String> {
        self.inner.nonconforming.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Holds an answer against the contract, and remembers it if it is none the contract promises.
    fn hold_to_contract(&self, received: &Received, exchange: &Exchange) {
        let Some(conformance) = &self.inner.connection.conformance else { return };
        let media_type = received.headers.get("content-type").and_then(|value| value.to_str().ok());
        let Exchange { operation, principal, id, .. } = exchange;
        if let Err(why) = conformance.check(operation, received.status, media_type, &received.body) {
            let line = format!("{operation} as {principal} (request {id}): {why}");
            self.inner.nonconforming.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    /// The ids of the exchanges recorded since the last call of this: what a step of a story sent.
    pub fn take_exchanges(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.exchanges.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Appends an exchange to the run.
    pub fn record_exchange(&self, exchange: &Exchange) -> Result<(), RunError> {
        self.inner.exchanges.lock().unwrap_or_else(PoisonError::into_inner).push(exchange.id.clone());
        self.inner.connection.run.exchange(&self.inner.suite, exchange)
    }

    /// Records a leak as a finding. [`Call::send`] does so by itself: a leak is a finding whatever the test
    /// asserts.
    pub fn record_leak(&self, leak: &Leak, exchange: &Exchange) -> Result<(), RunError> {
        self.inner.leaked.lock().unwrap_or_else(PoisonError::into_inner).push(exchange.id.clone());
        let (operation, target) = (&exchange.operation, &self.inner.connection.target.name);
        let (kind, who) = (&leak.kind, &exchange.principal);
        let (title, cwe, owasp, asvs, gain, expected) = if leak.own {
            (
                format!("{operation} shows a {kind} to {who}, who may not see it"),
                863,
                "API5",
                "8.2.1",
                "reads what only others of the tenant may",
                format!("a refusal, which shows {who} nothing"),
            )
        } else {
            (
                format!("{operation} shows a {kind} of another tenant to {who}"),
                639,
                "API1",
                "8.4.1",
                "reads what belongs to another tenant",
                format!("nothing of a tenant that {who} does not belong to"),
            )
        };
        let finding = Finding {
            id: format!("{target}.leak-{operation}-{who}-{kind}"),
            title,
            check: format!("leak/{operation}/{who}"),
            suite: self.inner.suite.clone(),
            operation: operation.clone(),
            target: target.clone(),
            severity: Severity::High,
            cwe,
            owasp: owasp.to_owned(),
            asvs: vec![asvs.to_owned()],
            gain: gain.to_owned(),
            expected,
            observed: leak.to_string(),
            exchanges: vec![exchange.clone()],
        };
        self.inner.connection.run.record(&self.inner.suite, &Record::Finding(finding))
    }
}
