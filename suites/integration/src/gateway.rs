//! API Gateway before the service: what its authorizer answers, read as API Gateway reads it.

use std::collections::BTreeSet;

use harness::events::{AuthorizerRequest, Invoked, method_arn};
use harness::identity::Principal;
use harness::world::{Stop, World};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Company;

/// What an authorizer makes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It may pass; the back end is told this of the caller.
    Allow(CallerContext),
    /// 403.
    Deny,
    /// 401.
    Unauthorized,
    /// 500: the authorizer failed, and nobody passes.
    Failed(String),
}

/// What the back end is told of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerContext {
    /// Who they are.
    pub user: String,
    /// The organisation they act in; empty where there is none.
    pub org: String,
    /// Their teams there.
    pub teams: BTreeSet<String>,
    /// What they may do there.
    pub permissions: BTreeSet<String>,
}

impl CallerContext {
    /// The context of an answer, which API Gateway takes only if all values are plain.
    fn of(context: &Value) -> Result<CallerContext, Stop> {
        let names: Vec<&String> = context.as_object().into_iter().flatten().map(|(name, _)| name).collect();
        let text = |name: &str| {
            let text = context[name].as_str().map(str::to_owned);
            text.ok_or_else(|| Stop::fail(format!("a text {name} in the context, found {context}")))
        };
        let words =
            |text: String| text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        if names != ["orgId", "permissions", "teamIds", "userId"] {
            return Err(Stop::fail(format!("userId, orgId, teamIds and permissions, found {names:?}")));
        }
        Ok(CallerContext {
            user: text("userId")?,
            org: text("orgId")?,
            teams: words(text("teamIds")?),
            permissions: words(text("permissions")?),
        })
    }
}

impl Ruling {
    /// Reads an answer about a method of a path. A policy that is not for exactly what was asked, or a refusal
    /// that tells the back end something, ends the story.
    pub fn of(invoked: &Invoked, arn: &str) -> Result<Ruling, Stop> {
        if let Some(message) = invoked.message() {
            // API Gateway answers 401 to this word and to no other.
            let is_refusal = message == "Unauthorized";
            return Ok(if is_refusal { Ruling::Unauthorized } else { Ruling::Failed(message.to_owned()) });
        }
        let payload = &invoked.payload;
        let not = |what: &str| Err(Stop::fail(format!("{what}, found {payload}")));
        if payload["principalId"].as_str().is_none_or(str::is_empty) {
            return not("the caller as principalId");
        }
        let effect = invoked.effect().unwrap_or_default();
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Action": ["execute-api:Invoke"], "Effect": effect, "Resource": [arn] }],
        });
        if payload["policyDocument"] != document {
            return not(&format!("one statement, for {arn} alone"));
        }
        match effect {
            "Allow" => {
                let context = CallerContext::of(&payload["context"])?;
                if payload["principalId"] != json!(context.user) {
                    return not("one user as principal and in the context");
                }
                Ok(Ruling::Allow(context))
            }
            "Deny" if payload["context"].as_object().is_some_and(|context| !context.is_empty()) => {
                not("a refusal without context")
            }
            "Deny" => Ok(Ruling::Deny),
            _ => not("Allow or Deny"),
        }
    }

    /// Whether the request passes.
    pub fn is_allow(&self) -> bool {
        matches!(self, Ruling::Allow(_))
    }

    /// What the back end is told; a refusal ends the story.
    pub fn allowed(self) -> Result<CallerContext, Stop> {
        match self {
            Ruling::Allow(context) => Ok(context),
            other => Err(Stop::fail(format!("Allow, found {other:?}"))),
        }
    }

    /// Insists that the authorizer failed, and that its words tell nothing of what it leans on.
    pub fn failed(self) -> Result<(), Stop> {
        let Ruling::Failed(words) = &self else {
            return Err(Stop::fail(format!("a function error, for nobody can decide, found {self:?}")));
        };
        let internals = ["127.0.0.1", "Dynamo", "dynamo", "Exception", "panicked", "http:"];
        match internals.iter().find(|internal| words.contains(**internal)) {
            Some(internal) => Err(Stop::fail(format!("no internals in '{words}', found {internal}"))),
            None => Ok(()),
        }
    }
}

/// What the authorizer makes of an event about a method of a path.
pub async fn ruling(world: &World, event: &impl Serialize, method: &str, path: &str) -> Result<Ruling, Stop> {
    let invoked = world.system.invoke("authorizer", event).await?;
    Ruling::of(&invoked, &method_arn(method, path))
}

impl Company<'_> {
    /// The path of something of this organisation: `/v1/orgs/ORG/teams`.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/orgs/{}/{rest}", self.org())
    }

    /// What the authorizer makes of someone's request for something of this organisation.
    pub async fn ruling(&self, who: &Principal, method: &str, rest: &str) -> Result<Ruling, Stop> {
        let path = self.path(rest);
        let event = AuthorizerRequest::new(method, &path).as_(who)?.parameter("orgId", self.org());
        ruling(self.world(), &event.build(), method, &path).await
    }

    /// The permissions by which someone passes to a back end behind the same authorizer.
    pub async fn permissions_of(&self, who: &Principal) -> Result<BTreeSet<String>, Stop> {
        Ok(self.ruling(who, "GET", "sites").await?.allowed()?.permissions)
    }
}
