//! How people come to be: they sign up and sign in at the target, and get into organisations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contract::Operation;

/// How people sign up and sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The operation that makes a person the target did not know; fills `email`, `password` and `text`.
    pub sign_up: String,
    /// The operation that signs a person in, where signing up does not.
    #[serde(default)]
    pub sign_in: Option<String>,
    /// Where the answer has the credential: a JSON pointer, `header:NAME` or `cookie:NAME`.
    pub credential: String,
    /// The header that carries it from then on, `{}` for the credential; a cookie goes back as one unless this is said.
    #[serde(default)]
    pub send: Option<String>,
    /// Where the answer has the person's id: a JSON pointer.
    pub user: String,
    /// The operation that answers with the keys (JWKS, RFC 7517 5) which the credential is signed with, where it is a JWT.
    #[serde(default)]
    pub jwks: Option<String>,
    /// Tokens besides the credential, by the name that operations call them.
    #[serde(default)]
    pub tokens: BTreeMap<String, Exchanged>,
}

/// A token that whoever is signed in asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchanged {
    /// The operation that answers with it.
    pub call: String,
    /// Where: a JSON pointer, `header:NAME` or `cookie:NAME`.
    pub credential: String,
    /// As [`Login::send`].
    #[serde(default)]
    pub send: Option<String>,
    /// As [`Login::jwks`].
    #[serde(default)]
    pub jwks: Option<String>,
}

impl Login {
    /// The operation that answers with the keys which an operation's credential is signed with, if it is a JWT.
    pub fn keys_for(&self, operation: &Operation) -> Option<&str> {
        match &operation.token {
            Some(name) => self.tokens.get(name)?.jwks.as_deref(),
            None => self.jwks.as_deref(),
        }
    }
}

/// Name and value of the header that carries a credential from a place in an answer; `{}` stands for it.
pub(crate) fn header_for(credential: &str, send: Option<&str>) -> (String, String) {
    let said = send.and_then(|send| send.split_once(':'));
    match (said, credential.strip_prefix("cookie:")) {
        (Some((name, value)), _) => (name.trim().to_ascii_lowercase(), value.trim().to_owned()),
        (None, Some(cookie)) => ("cookie".to_owned(), format!("{cookie}={{}}")),
        (None, None) => ("authorization".to_owned(), "Bearer {}".to_owned()),
    }
}

/// How people get into organisations where no single operation of an administrator does it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provision {
    /// The operations that make a person a member, in this order.
    pub member: Vec<Step>,
}

/// One operation on the way into an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The operation.
    pub call: String,
    /// Who sends it.
    pub by: Sender,
}

/// Who sends a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sender {
    /// Whoever founded the organisation, or the platform's administrator where that founds them.
    Administrator,
    /// The person who is to get in.
    Person,
}
