//! A call whose request is on its way: what its answer is searched for, and how both are recorded.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use serde_json::Value;

use super::request::Request;
use super::{Api, REQUEST_ID, Received};
use crate::contract::{Operation, SlotKind};
use crate::exchange::{
    Class, Exchange, HEADER_LIMIT, cut, is_secret_header, redact_body, redact_text, redacted,
};
use crate::identity::Principal;
use crate::leak::{Entitlement, Leak};
use crate::target::Secret;

/// What is known of a call once its request is built. Whoever sends the request asks it about the answer.
#[derive(Debug)]
pub struct Pending {
    pub(super) api: Api,
    pub(super) id: String,
    pub(super) operation: String,
    pub(super) principal: Arc<Principal>,
    pub(super) class: Class,
    /// Whether not even what the principal is entitled to may come back.
    pub(super) reveals_nothing: bool,
    pub(super) request: Request,
    pub(super) authorization: Vec<Secret>,
}

impl Pending {
    /// The first thing in a response that belongs to a tenant the principal is not entitled to.
    pub fn leak(&self, received: &Received) -> Option<Leak> {
        let carried = LazyCell::new(|| self.request.carried());
        let sent = || carried.as_str();
        let headers: Vec<(&str, Cow<'_, str>)> = received
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let places = || {
            let headers = headers.iter().map(|(name, value)| (*name, value.as_ref()));
            std::iter::once(("body", received.body.as_str())).chain(headers)
        };
        let leaks = &self.api.inner.connection.leaks;
        let foreign = leaks.scan(&self.principal.entitlement, sent, places());
        let own = || {
            let any = leaks.scan(&Entitlement::none(), sent, places())?;
            Some(Leak { own: true, ..any })
        };
        let mut leak = foreign.or_else(|| if self.reveals_nothing { own() } else { None })?;
        leak.around = redact_text(&leak.around, &self.secrets());
        Some(leak)
    }

    /// The exchange, redacted: with the response, or with the reason why none came. `millis` is the time from
    /// sending to the last byte.
    pub fn exchange(&self, answer: Result<&Received, &str>, millis: f64) -> Exchange {
        let mut secrets = self.secrets();
        secrets.extend(answer.ok().into_iter().flat_map(|received| self.given(&received.body)));
        let mut exchange = Exchange {
            id: self.id.clone(),
            operation: self.operation.clone(),
            principal: self.principal.label.clone(),
            class: self.class,
            method: self.request.method.to_string(),
            url: redact_text(self.request.url.as_str(), &secrets),
            request_headers: self.request_headers(&secrets),
            request_body: self.request.body.as_deref().map(|body| redact_body(body, &secrets)),
            status: None,
            response_headers: BTreeMap::new(),
            response_body: None,
            trouble: None,
            millis,
        };
        match answer {
            Err(trouble) => exchange.trouble = Some(redact_text(trouble, &secrets)),
            Ok(received) => {
                exchange.status = Some(received.status);
                let body = redact_body(&received.body, &secrets);
                exchange.response_body = Some(body).filter(|body| !body.is_empty());
                exchange.response_headers = response_headers(&received.headers, &secrets);
            }
        }
        exchange
    }

    /// What the contract has of the operation.
    fn contracted(&self) -> Option<&Operation> {
        self.api.contract().get(&self.operation)
    }

    /// What an answer gives away that must not be recorded: the token of an invitation.
    fn given(&self, body: &str) -> Vec<String> {
        let Some(pointer) =
            self.contracted().and_then(|operation| operation.created(SlotKind::InvitationToken))
        else {
            return Vec::new();
        };
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned).into_iter().collect()
    }

    fn request_headers(&self, secrets: &[String]) -> BTreeMap<String, String> {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &self.request.headers {
            let shown = if is_secret_header(name) { redacted(value) } else { redact_text(value, secrets) };
            // A name that was sent twice is shown once, with both values.
            let so_far = headers.remove(name).map_or_else(String::new, |first| format!("{first}, "));
            headers.insert(name.clone(), cut(format!("{so_far}{shown}"), HEADER_LIMIT));
        }
        headers.insert(REQUEST_ID.to_owned(), self.id.clone());
        for (name, value) in &self.api.inner.connection.target.headers {
            headers.insert(name.clone(), redacted(value.reveal()));
        }
        if self.request.body.is_some() {
            headers.insert("content-type".to_owned(), self.request.media_type.clone());
        }
        if !self.authorization.is_empty() {
            let values: Vec<String> =
                self.authorization.iter().map(|value| redacted(value.reveal())).collect();
            let principal = &self.principal;
            let sent = self.contracted().map_or(&principal.credential, |of| principal.credential_for(of));
            headers.insert(sent.name().to_owned(), values.join(" and again "));
        }
        headers
    }

    /// What must not be recorded wherever it stands.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = self.request.secrets.clone();
        secrets.extend(
            self.api.inner.connection.target.headers.values().map(|secret| secret.reveal().to_owned()),
        );
        for value in self.authorization.iter().map(Secret::reveal) {
            let bare = value.strip_prefix("Bearer ").unwrap_or(value);
            // A cookie: its value alone is as good as the whole.
            secrets.extend(bare.split_once('=').map(|(_, value)| value.to_owned()));
            secrets.push(bare.to_owned());
        }
        secrets
    }
}

fn response_headers(headers: &HeaderMap, secrets: &[String]) -> BTreeMap<String, String> {
    let shown = headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        let secret = is_secret_header(name.as_str());
        (name.to_string(), if secret { redacted(&value) } else { redact_text(&value, secrets) })
    });
    shown.collect()
}
