//! One call in the making, and its sending.

use std::time::Instant;

use serde_json::Value;

use super::request::{Request, Values};
use super::{Answer, Api, CallError, LONGEST_BODY, is_hostile};
use crate::contract::{Effect, Operation, Place, SlotKind};
use crate::exchange::{Class, Exchange, is_secret_header, redact_body, redact_text, redacted};
use crate::identity::{Credential, Principal};
use crate::leak::Leak;

/// The header that carries the run's id to the target's log.
const REQUEST_ID: &str = "x-request-id";

/// One call in the making.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before .send()"]
pub struct Call {
    api: Api,
    operation: String,
    principal: Principal,
    values: Values,
    class: Class,
}

impl Call {
    pub(super) fn new(api: Api, operation: &str) -> Call {
        Call {
            api,
            operation: operation.to_owned(),
            principal: Principal::anonymous(),
            values: Values::default(),
            class: Class::Use,
        }
    }

    /// Who sends it. Without this the call is anonymous.
    pub fn as_(mut self, principal: &Principal) -> Call {
        self.principal = principal.clone();
        self
    }

    /// The value for every slot of a kind.
    pub fn slot(mut self, kind: SlotKind, value: &str) -> Call {
        self.values.by_kind.insert(kind, value.to_owned());
        self
    }

    /// The value at one place, which outranks the value for its kind.
    pub fn at(mut self, place: &Place, value: &str) -> Call {
        self.values.by_place.insert(place.clone(), value.to_owned());
        self
    }

    /// Leaves an optional place out.
    pub fn without(mut self, place: &Place) -> Call {
        self.values.left_out.insert(place.clone());
        self
    }

    /// The organisation.
    pub fn org(self, id: &str) -> Call {
        self.slot(SlotKind::Org, id)
    }

    /// The team.
    pub fn team(self, id: &str) -> Call {
        self.slot(SlotKind::Team, id)
    }

    /// The role.
    pub fn role(self, id: &str) -> Call {
        self.slot(SlotKind::Role, id)
    }

    /// The user.
    pub fn user(self, id: &str) -> Call {
        self.slot(SlotKind::User, id)
    }

    /// The team member.
    pub fn member(self, id: &str) -> Call {
        self.slot(SlotKind::Member, id)
    }

    /// The invitation.
    pub fn invitation(self, id: &str) -> Call {
        self.slot(SlotKind::Invitation, id)
    }

    /// The invitation's secret token.
    pub fn invitation_token(self, token: &str) -> Call {
        self.slot(SlotKind::InvitationToken, token)
    }

    /// A query parameter that is no slot: a limit, a cursor.
    pub fn query(mut self, name: &str, value: impl ToString) -> Call {
        self.values.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// The body, sent as it stands in the place of the contract's example.
    pub fn json(mut self, body: Value) -> Call {
        self.values.body = Some(body);
        self
    }

    /// What is sent in `Authorization` in the place of the principal's own credential.
    pub fn credential(mut self, credential: Credential) -> Call {
        self.principal.credential = credential;
        self
    }

    /// Why it is sent; default [`Class::Use`].
    pub fn class(mut self, class: Class) -> Call {
        self.class = class;
        self
    }

    /// Sends the call. An answer of any status is an answer; a response with another tenant's data is an
    /// error, and a finding even if the error is dropped.
    pub async fn send(self) -> Result<Answer, CallError> {
        let inner = &self.api.inner;
        let target = &inner.target;
        let operation = inner.contract.get(&self.operation).ok_or_else(|| CallError::NoSuchOperation {
            operation: self.operation.clone(),
            target: target.name.clone(),
        })?;
        self.permit(operation)?;
        let request = Request::build(target, operation, &self.values)?;
        let authorization = self.principal.credential.header()?;
        let id = inner.run.next_request_id();

        let mut builder =
            inner.http.request(operation.method.clone(), request.url.clone()).header(REQUEST_ID, &id);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        for (name, value) in &target.headers {
            builder = builder.header(name, value.reveal());
        }
        if let Some(authorization) = &authorization {
            builder = builder.header("authorization", authorization.reveal());
        }
        if let Some(body) = &request.body {
            builder = builder.header("content-type", "application/json").body(body.clone());
        }

        self.api.spend()?;
        inner.coverage.count(&operation.name, &self.principal.label, self.class);
        let mut secrets = request.secrets.clone();
        secrets.extend(target.headers.values().map(|secret| secret.reveal().to_owned()));
        if let Some(authorization) = &authorization {
            let value = authorization.reveal();
            secrets.push(value.strip_prefix("Bearer ").unwrap_or(value).to_owned());
        }
        let mut exchange = self.exchange(id, operation, &request, &secrets);
        if let Some(authorization) = &authorization {
            exchange.request_headers.insert("authorization".to_owned(), redacted(authorization.reveal()));
        }

        let start = Instant::now();
        let received = receive(builder).await;
        exchange.millis = start.elapsed().as_secs_f64() * 1e3;
        let (status, headers, body) = match received {
            Ok(received) => received,
            Err(source) => {
                exchange.trouble = Some(source.to_string());
                self.api.record_exchange(&exchange)?;
                let what = format!("{} {}", exchange.method, exchange.url);
                return Err(CallError::Transport { what, source });
            }
        };
        exchange.status = Some(status);
        exchange.response_body = Some(redact_body(&body, &secrets)).filter(|body| !body.is_empty());
        for (name, value) in &headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            let shown = if is_secret_header(name.as_str()) {
                redacted(&value)
            } else {
                redact_text(&value, &secrets)
            };
            exchange.response_headers.insert(name.to_string(), shown);
        }
        self.api.record_exchange(&exchange)?;

        if let Some(leak) = self.leak(&request, &headers, &body) {
            self.api.record_leak(&leak, &exchange)?;
            let line = format!("{} {} {} ({})", exchange.method, exchange.url, status, exchange.id);
            return Err(CallError::Leak { leak, exchange: line });
        }
        Ok(Answer { status, headers, body, exchange })
    }

    fn permit(&self, operation: &Operation) -> Result<(), CallError> {
        let target = &self.api.inner.target;
        if target.read_only && operation.effect != Effect::Read {
            return Err(CallError::ReadOnly {
                operation: operation.name.clone(),
                target: target.name.clone(),
            });
        }
        if is_hostile(self.class) && !target.consents() {
            return Err(CallError::NoConsent {
                host: target.base_url.host_str().unwrap_or_default().to_owned(),
            });
        }
        Ok(())
    }

    fn exchange(&self, id: String, operation: &Operation, request: &Request, secrets: &[String]) -> Exchange {
        let mut request_headers: std::collections::BTreeMap<String, String> =
            request.headers.iter().map(|(name, value)| (name.clone(), redact_text(value, secrets))).collect();
        request_headers.insert(REQUEST_ID.to_owned(), id.clone());
        for (name, value) in &self.api.inner.target.headers {
            request_headers.insert(name.clone(), redacted(value.reveal()));
        }
        if request.body.is_some() {
            request_headers.insert("content-type".to_owned(), "application/json".to_owned());
        }
        Exchange {
            id,
            operation: operation.name.clone(),
            principal: self.principal.label.clone(),
            class: self.class,
            method: operation.method.to_string(),
            url: redact_text(request.url.as_str(), secrets),
            request_headers,
            request_body: request.body.as_deref().map(|body| redact_body(body, secrets)),
            status: None,
            response_headers: std::collections::BTreeMap::new(),
            response_body: None,
            trouble: None,
            millis: 0.0,
        }
    }

    fn leak(&self, request: &Request, headers: &reqwest::header::HeaderMap, body: &str) -> Option<Leak> {
        let sent = request.carried();
        let headers: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let places = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let places = std::iter::once(("body", body)).chain(places);
        self.api.inner.leaks.scan(&self.principal.entitlement, &sent, places)
    }
}

async fn receive(
    builder: reqwest::RequestBuilder,
) -> Result<(u16, reqwest::header::HeaderMap, String), reqwest::Error> {
    let mut response = builder.send().await?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_BODY {
            break;
        }
    }
    Ok((response.status().as_u16(), response.headers().clone(), String::from_utf8_lossy(&body).into_owned()))
}
