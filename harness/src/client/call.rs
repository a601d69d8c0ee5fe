//! One call in the making, and its sending.

use std::sync::Arc;
use std::time::Instant;

use http::Method;
use serde_json::Value;

use super::request::{self, Request, Values};
use super::{Answer, Api, CallError, Outgoing, Pending, Received};
use crate::contract::{Effect, Operation, Place, SlotKind};
use crate::exchange::Class;
use crate::identity::{Credential, Principal};
use crate::leak::Entitlement;

/// An octet that begins no character of UTF-8.
const NO_TEXT: &str = "%FF";

/// The id of whoever has none.
const NOBODY: &str = "nobody";

/// One call in the making.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before .send()"]
pub struct Call {
    api: Api,
    operation: String,
    principal: Arc<Principal>,
    values: Values,
    class: Class,
    /// Whether even what the caller is entitled to elsewhere must not come back.
    reveals_nothing: bool,
}

impl Call {
    pub(super) fn new(api: Api, operation: &str) -> Call {
        Call {
            api,
            operation: operation.to_owned(),
            principal: Arc::new(Principal::anonymous()),
            values: Values::default(),
            class: Class::Use,
            reveals_nothing: false,
        }
    }

    /// Who sends it. Without this the call is anonymous.
    pub fn as_(mut self, principal: impl Into<Arc<Principal>>) -> Call {
        self.principal = principal.into();
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
    pub fn query(mut self, name: &str, value: &(impl ToString + ?Sized)) -> Call {
        self.values.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// The body, sent as it stands in the place of the contract's example.
    pub fn json(mut self, body: Value) -> Call {
        self.values.body = Some(body);
        self
    }

    /// The body as these characters, of this media type, whatever the contract says.
    pub fn raw_body(mut self, media_type: &str, body: &str) -> Call {
        self.values.raw_body = Some((media_type.to_owned(), body.to_owned()));
        self
    }

    /// In a place of the path stands something that is no text: an octet that UTF-8 does not know.
    pub fn undecodable(self, place: &Place) -> Call {
        self.verbatim(place, NO_TEXT)
    }

    /// What stands in a place of the path, as it goes over the wire: nothing of it is encoded.
    pub fn verbatim(mut self, place: &Place, encoded: &str) -> Call {
        self.values.verbatim.insert(place.clone(), encoded.to_owned());
        self
    }

    /// A header besides those of the contract: what a client claims about itself. It is added to one of the same name, never put in its place.
    pub fn header(mut self, name: &str, value: &str) -> Call {
        self.values.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another path template in place of the contract's, with the same places.
    pub fn template(mut self, template: &str) -> Call {
        self.values.template = Some(template.to_owned());
        self
    }

    /// Another verb in place of the contract's. The request counts as one of the operation.
    pub fn method(mut self, method: Method) -> Call {
        self.values.method = Some(method);
        self
    }

    /// The path as it would be sent.
    pub fn filled_path(&self) -> Result<String, CallError> {
        let call = self.clone().naming_its_caller()?;
        request::path(call.operation()?, &call.values)
    }

    /// The body as it would be sent, for whoever changes it first.
    pub fn filled_body(&self) -> Result<Option<Value>, CallError> {
        let call = self.clone().naming_its_caller()?;
        request::body(call.operation()?, &call.values)
    }

    /// With the caller's own id wherever the operation has a place for it, unless something else was given.
    fn naming_its_caller(mut self) -> Result<Call, CallError> {
        if self.operation()?.slots.iter().any(|slot| slot.kind == SlotKind::Caller) {
            let caller = if self.principal.subject.is_empty() { NOBODY } else { &self.principal.subject };
            self.values.by_kind.entry(SlotKind::Caller).or_insert_with(|| caller.to_owned());
        }
        Ok(self)
    }

    fn operation(&self) -> Result<&Operation, CallError> {
        let connection = &self.api.inner.connection;
        connection.contract.get(&self.operation).ok_or_else(|| CallError::NoSuchOperation {
            operation: self.operation.clone(),
            target: connection.target.name.clone(),
        })
    }

    /// What is sent in `Authorization` in the place of the principal's own credential. Whoever sends it is
    /// entitled to nothing that comes back.
    pub fn credential(mut self, credential: Credential) -> Call {
        let principal = Arc::make_mut(&mut self.principal);
        principal.credential = credential;
        principal.tokens.clear();
        principal.entitlement = Entitlement::none();
        self
    }

    /// The answer must be a refusal, which has nothing to show: not even of the caller's own tenant. What the operation
    /// wants sent first may well show that.
    pub fn revealing_nothing(mut self) -> Call {
        self.reveals_nothing = true;
        self
    }

    /// Why it is sent; default [`Class::Use`].
    pub fn class(mut self, class: Class) -> Call {
        self.class = class;
        self
    }

    /// Sends the call, after whatever the operation wants sent first. An answer of any status is an answer; a
    /// response with another tenant's data is an error, and a finding even if the error is dropped.
    pub async fn send(self) -> Result<Answer, CallError> {
        let setup = self.api.contract().get(&self.operation).map(|operation| operation.setup.clone());
        for operation in setup.unwrap_or_default() {
            let values = Values { body: None, raw_body: None, ..self.values.clone() };
            // Its answer is the target's affair: what is asked for after it shows whether it worked.
            Box::pin(Call { operation, values, reveals_nothing: false, ..self.clone() }.send_alone()).await?;
        }
        // On the heap, or every future of a call would hold the call twice.
        Box::pin(self.send_alone()).await
    }

    async fn send_alone(self) -> Result<Answer, CallError> {
        let api = self.api.clone();
        let coverage = &api.inner.connection.coverage;
        if let Some(patience) = api.inner.connection.patience
            && coverage.unanswered() >= patience
        {
            return Err(CallError::Silent(patience));
        }
        if self.class != Class::Cleanup {
            api.inner.connection.budget.turn().await;
        }
        let (request, pending) = self.prepare()?;
        let start = Instant::now();
        let received = api.inner.connection.http.send(request).await;
        let millis = start.elapsed().as_secs_f64() * 1e3;
        coverage.answered(received.is_ok());
        let received = match received {
            Ok(received) => received,
            Err(source) => {
                let exchange = pending.exchange(Err(&source.to_string()), millis);
                api.record_exchange(&exchange)?;
                let what = format!("{} {}", exchange.method, exchange.url);
                return Err(CallError::Transport { what, source });
            }
        };
        let exchange = pending.exchange(Ok(&received), millis);
        api.record_exchange(&exchange)?;
        if let Some(leak) = pending.leak(&received) {
            api.record_leak(&leak, &exchange)?;
            return Err(CallError::Leak { leak, exchange: Box::new(exchange) });
        }
        api.hold_to_contract(&received, &exchange);
        let Received { status, headers, body } = received;
        Ok(Answer { status, headers, body, exchange })
    }

    /// Builds the request and counts it as sent, for a sender with a clock of its own: who sends it searches
    /// the response with [`Pending::leak`] and records what is worth keeping.
    pub fn prepare(self) -> Result<(Outgoing, Pending), CallError> {
        let call = self.naming_its_caller()?;
        let inner = &call.api.inner;
        let target = &inner.connection.target;
        let operation = call.operation()?;
        call.permit(operation)?;
        let mut request = Request::build(target, operation, &call.values)?;
        let credential = call.principal.credential_for(operation);
        if let Credential::Query(name, token) = credential {
            request.url.query_pairs_mut().append_pair(name, token.reveal());
            request.secrets.push(token.reveal().to_owned());
        }
        let authorization = credential.headers()?;
        let id = inner.connection.run.next_request_id();

        let sent = request.outgoing(target, &id, credential.name(), &authorization).map_err(|source| {
            CallError::Unsendable { what: format!("{} {}", request.method, operation.path), source }
        })?;

        if call.class != Class::Cleanup {
            inner.connection.budget.spend()?;
        }
        inner.connection.coverage.count(&operation.name, &call.principal.label, call.class);
        let Call { api, operation, principal, class, reveals_nothing, .. } = call;
        let pending =
            Pending { api, id, operation, principal, class, reveals_nothing, request, authorization };
        Ok((sent, pending))
    }

    fn permit(&self, operation: &Operation) -> Result<(), CallError> {
        let target = &self.api.inner.connection.target;
        let other = self.values.method.as_ref();
        let writes = operation.effect != Effect::Read || other.is_some_and(|method| !method.is_safe());
        if target.read_only && writes {
            return Err(CallError::ReadOnly {
                operation: operation.name.clone(),
                target: target.name.clone(),
            });
        }
        if self.class.is_attack() && !target.consents() {
            return Err(CallError::NoConsent {
                host: target.base_url.host_str().unwrap_or_default().to_owned(),
            });
        }
        Ok(())
    }
}
