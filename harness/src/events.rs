//! Events as AWS makes them, and the invocation of a target's functions with them.
//!
//! ```no_run
//! # use harness::events::AuthorizerRequest;
//! # async fn ask(system: &harness::system::System, token: &str) -> Result<(), harness::events::InvokeError> {
//! let event = AuthorizerRequest::new("GET", "/v1/orgs/acme/teams").bearer(token).parameter("orgId", "acme");
//! let invoked = system.invoke("authorizer", &event.build()).await?;
//! assert_eq!(invoked.error, None);
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::time::Duration;

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequest, ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayProxyRequest,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::client::{add, outgoing};
use crate::identity::{Credential, KeyError, Principal};
use crate::system::{System, innermost};
use crate::target::Capability;

/// Region, account, API and stage of every event: none of them is anybody's.
const REGION: &str = "af-south-1";
const ACCOUNT: &str = "123456789012";
const API: &str = "watertight";
const STAGE: &str = "test";

/// How long a function may take, as a Lambda behind API Gateway.
const DEADLINE: Duration = Duration::from_secs(29);

/// The ARN by which API Gateway names a method of a path.
pub fn method_arn(method: &str, path: &str) -> String {
    let path = path.trim_start_matches('/');
    format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{API}/{STAGE}/{method}/{path}")
}

/// Puts what is no header into none: a builder gives the event that API Gateway could have sent.
fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
        headers.append(name, value);
    }
}

/// A proxy integration's event.
#[derive(Clone, Debug)]
pub struct ProxyRequest(ApiGatewayProxyRequest);

impl ProxyRequest {
    /// A request of a method to a path.
    pub fn new(method: &Method, path: &str) -> ProxyRequest {
        let mut event = ApiGatewayProxyRequest::default();
        event.path = Some(path.to_owned());
        event.resource = Some(path.to_owned());
        event.http_method = method.clone();
        event.request_context.http_method = method.clone();
        event.request_context.path = Some(format!("/{STAGE}{path}"));
        event.request_context.stage = Some(STAGE.to_owned());
        event.request_context.account_id = Some(ACCOUNT.to_owned());
        event.request_context.apiid = Some(API.to_owned());
        event.request_context.request_id = Some(Uuid::new_v4().to_string());
        ProxyRequest(event)
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> ProxyRequest {
        put(&mut self.0.headers, name, value);
        put(&mut self.0.multi_value_headers, name, value);
        self
    }

    /// With a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> ProxyRequest {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// With a name of the path.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> ProxyRequest {
        self.0.path_parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> ProxyRequest {
        self.0.body = Some(body.to_string());
        self.header("content-type", "application/json")
    }

    /// With what an authorizer answered, as its back end gets to see it.
    #[must_use]
    pub fn authorized(mut self, context: &Value) -> ProxyRequest {
        let fields = context.as_object().cloned().unwrap_or_default();
        self.0.request_context.authorizer.fields.extend(fields);
        self
    }

    /// The event.
    pub fn build(self) -> ApiGatewayProxyRequest {
        self.0
    }
}

/// An authorizer's event of type REQUEST.
#[derive(Clone, Debug)]
pub struct AuthorizerRequest(ApiGatewayCustomAuthorizerRequestTypeRequest);

impl AuthorizerRequest {
    /// About a method of a path.
    pub fn new(method: &str, path: &str) -> AuthorizerRequest {
        let mut event = ApiGatewayCustomAuthorizerRequestTypeRequest::default();
        event.type_ = Some("REQUEST".to_owned());
        event.method_arn = Some(method_arn(method, path));
        event.path = Some(path.to_owned());
        event.resource = Some(path.to_owned());
        event.http_method = method.parse().ok();
        event.request_context.path = Some(format!("/{STAGE}{path}"));
        event.request_context.stage = Some(STAGE.to_owned());
        event.request_context.account_id = Some(ACCOUNT.to_owned());
        event.request_context.apiid = Some(API.to_owned());
        event.request_context.http_method = method.parse().ok();
        event.request_context.request_id = Some(Uuid::new_v4().to_string());
        AuthorizerRequest(event)
    }

    /// With one more header; a name given twice is a header that came twice.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> AuthorizerRequest {
        put(&mut self.0.multi_value_headers, name, value);
        // The single-value form holds the last of several.
        if let Ok(name) = HeaderName::try_from(name) {
            self.0.headers.remove(&name);
        }
        put(&mut self.0.headers, name, value);
        self
    }

    /// With a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> AuthorizerRequest {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// With a principal's credential, if they have one.
    pub fn as_(self, principal: &Principal) -> Result<AuthorizerRequest, KeyError> {
        self.credential(&principal.credential)
    }

    /// With a credential, wherever it stands.
    pub fn credential(mut self, credential: &Credential) -> Result<AuthorizerRequest, KeyError> {
        if let Credential::Query(name, token) = credential {
            let parameters = [((*name).to_owned(), token.reveal().to_owned())];
            self.0.query_string_parameters = HashMap::from(parameters).into();
        }
        let headers = credential.headers()?;
        Ok(headers.iter().fold(self, |event, header| event.header(AUTHORIZATION.as_str(), header.reveal())))
    }

    /// With a name of the path.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> AuthorizerRequest {
        self.0.path_parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With an ARN that is not the one of method and path.
    #[must_use]
    pub fn arn(mut self, arn: &str) -> AuthorizerRequest {
        self.0.method_arn = Some(arn.to_owned());
        self
    }

    /// The event.
    pub fn build(self) -> ApiGatewayCustomAuthorizerRequestTypeRequest {
        self.0
    }
}

/// An authorizer's event of type TOKEN. `token` is the header as it came, scheme and all.
pub fn authorizer_token(method: &str, path: &str, token: Option<&str>) -> ApiGatewayCustomAuthorizerRequest {
    let mut event = ApiGatewayCustomAuthorizerRequest::default();
    event.type_ = Some("TOKEN".to_owned());
    event.authorization_token = token.map(str::to_owned);
    event.method_arn = Some(method_arn(method, path));
    event
}

/// `EventBridge`'s event of a schedule that was due at a moment.
pub fn scheduled(at: OffsetDateTime) -> Value {
    let at = at.replace_nanosecond(0).unwrap_or(at);
    let time = at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    json!({
        "version": "0", "id": Uuid::new_v4().to_string(), "detail-type": "Scheduled Event", "source": "aws.events",
        "account": ACCOUNT, "region": REGION, "time": time, "detail": {},
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/watertight")],
    })
}

/// What a function is told of its invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The invocation.
    pub request_id: String,
    /// The function.
    pub function: String,
    /// When it must have ended, in milliseconds since 1970.
    pub deadline_ms: u64,
}

impl Context {
    /// The context of an invocation that begins now.
    pub fn of(function: &str) -> Context {
        let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
        let deadline =
            u64::try_from(now).unwrap_or_default() + u64::try_from(DEADLINE.as_millis()).unwrap_or_default();
        Context {
            request_id: Uuid::new_v4().to_string(),
            function: function.to_owned(),
            deadline_ms: deadline,
        }
    }

    /// The headers: Lambda's of an invocation, and the client context of Invoke.
    fn headers(&self) -> [(&'static str, String); 4] {
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.function);
        let client =
            json!({ "client": { "appTitle": "watertight" }, "custom": { "requestId": self.request_id } });
        [
            ("lambda-runtime-aws-request-id", self.request_id.clone()),
            ("lambda-runtime-deadline-ms", self.deadline_ms.to_string()),
            ("lambda-runtime-invoked-function-arn", arn),
            ("x-amz-client-context", STANDARD.encode(client.to_string())),
        ]
    }
}

/// A function could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// There is no way to.
    #[error("the target has no capability '{0}'")]
    Lacks(Capability),
    /// A function may write.
    #[error("the target is read_only, and the function {function} may write: it is not invoked")]
    ReadOnly {
        /// The function.
        function: String,
    },
    /// The event cannot be written down.
    #[error("the event for {function} is not JSON: {source}")]
    Event {
        /// The function.
        function: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Nothing answers.
    #[error(
        "the function {function} does not answer: {why}; start it, or correct lambda.url in the target file"
    )]
    Unreachable {
        /// The function.
        function: String,
        /// The innermost cause.
        why: String,
    },
    /// The answer is not one of Invoke.
    #[error("expected JSON of {function}, got status {status} and '{found}'")]
    NoPayload {
        /// The function.
        function: String,
        /// The status.
        status: u16,
        /// The beginning of the body.
        found: String,
    },
}

/// What came of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct Invoked {
    /// 200 also where the function failed: only what is wrong with the invocation is another.
    pub status: u16,
    /// `X-Amz-Function-Error`: that the function failed, and how.
    pub error: Option<String>,
    /// Its answer, or its error.
    pub payload: Value,
}

impl Invoked {
    /// Why the function failed, in its words.
    pub fn message(&self) -> Option<&str> {
        self.error.as_ref()?;
        self.payload.get("errorMessage").and_then(Value::as_str)
    }

    /// The effect of an authorizer's policy, `Allow` or `Deny`.
    pub fn effect(&self) -> Option<&str> {
        self.payload.pointer("/policyDocument/Statement/0/Effect").and_then(Value::as_str)
    }
}

impl System {
    /// Invokes a function of the target, at its Lambda URL and nowhere else.
    pub async fn invoke(&self, function: &str, event: &impl Serialize) -> Result<Invoked, InvokeError> {
        let base = self.target.lambda.as_ref().ok_or(InvokeError::Lacks(Capability::Lambda))?;
        if self.target.read_only {
            return Err(InvokeError::ReadOnly { function: function.to_owned() });
        }
        let body = serde_json::to_vec(event)
            .map_err(|source| InvokeError::Event { function: function.to_owned(), source })?;
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            // A name cannot leave its place in the path: segments are encoded.
            path.pop_if_empty().extend(["2015-03-31", "functions", function, "invocations"]);
        }
        let ask = async {
            let mut request = outgoing(Method::POST, &url)?;
            for (name, value) in Context::of(function).headers() {
                add(request.headers_mut(), name, value.as_bytes())?;
            }
            *request.body_mut() = body.into();
            self.http.within(DEADLINE).send(request).await
        };
        let answer = ask.await.map_err(|error| InvokeError::Unreachable {
            function: function.to_owned(),
            why: innermost(&error),
        })?;
        let status = answer.status;
        let error = answer.headers.get("x-amz-function-error");
        let error = error.and_then(|error| error.to_str().ok()).map(str::to_owned);
        let payload = serde_json::from_str(&answer.body).map_err(|_| InvokeError::NoPayload {
            function: function.to_owned(),
            status,
            found: answer.beginning(),
        })?;
        Ok(Invoked { status, error, payload })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn an_authorizer_event_reads_as_api_gateways() {
        let event = AuthorizerRequest::new("GET", "/v1/orgs/o/teams").bearer("a.b.c").parameter("orgId", "o");
        let event = to_value(event.build()).unwrap();
        assert_eq!(event["type"], "REQUEST");
        assert_eq!(event["httpMethod"], "GET");
        assert_eq!(
            event["methodArn"],
            "arn:aws:execute-api:af-south-1:123456789012:watertight/test/GET/v1/orgs/o/teams"
        );
        assert_eq!(event["headers"]["authorization"], "Bearer a.b.c");
        assert_eq!(event["pathParameters"], json!({ "orgId": "o" }));
        let token = to_value(authorizer_token("GET", "/x", Some("Bearer a.b.c"))).unwrap();
        assert_eq!((&token["type"], &token["authorizationToken"]), (&json!("TOKEN"), &json!("Bearer a.b.c")));
    }

    #[test]
    fn a_header_given_twice_came_twice() {
        let event = AuthorizerRequest::new("GET", "/").bearer("a").bearer("b").build();
        assert_eq!(event.multi_value_headers.get_all(AUTHORIZATION).iter().count(), 2);
        assert_eq!(event.headers.get_all(AUTHORIZATION).iter().count(), 1);
    }

    #[test]
    fn a_proxy_event_carries_body_and_context() {
        let event = ProxyRequest::new(&Method::POST, "/v1/orgs/o/teams").json(&json!({ "name": "n" }));
        let event = to_value(event.authorized(&json!({ "orgId": "o" })).build()).unwrap();
        assert_eq!(event["body"], "{\"name\":\"n\"}");
        assert_eq!(event["requestContext"]["authorizer"]["orgId"], "o");
    }

    #[test]
    fn a_schedule_tells_when_it_was_due() {
        let event = scheduled(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(
            (&event["source"], &event["time"]),
            (&json!("aws.events"), &json!("1970-01-01T00:00:00Z"))
        );
    }
}
