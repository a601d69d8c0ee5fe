//! Signing up and in where the target signs: two operations of its contract, and a credential in their answer.

use std::collections::BTreeMap;

use super::{Credential, Principal};
use crate::client::{Answer, Api, Call, CallError};
use crate::contract::SlotKind;
use crate::leak::{Entitlement, random_code};
use crate::target::{Exchanged, Login, Secret, Target, header_for};

/// Nobody can sign in. Names the file, the key and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The request itself.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The target refused.
    #[error(
        "identity.{key} in {file}: the target answered {operation} with status {status} and {body}; correct \
         [operations.{operation}], so that it sends what the target wants"
    )]
    Refused {
        /// The key of `[identity]`.
        key: String,
        /// The target file.
        file: String,
        /// The operation.
        operation: String,
        /// What came.
        status: u16,
        /// The beginning of the body, redacted.
        body: String,
    },
    /// The answer has not what was looked for.
    #[error(
        "identity.{key} in {file} is '{looked_for}', and the answer to {operation} has nothing there; it has {found}: \
         name one of these"
    )]
    Missing {
        /// The key of `[identity]`.
        key: String,
        /// The target file.
        file: String,
        /// What stands there.
        looked_for: String,
        /// The operation.
        operation: String,
        /// Where the answer has something.
        found: String,
    },
}

/// A password that nobody has: long, of every class of characters that rules for passwords ask for.
pub(crate) fn fresh_password() -> String {
    format!("Wt-7{}", random_code(20))
}

/// A person the target did not know, signed in.
pub async fn sign_up(api: &Api, login: &Login, label: &str, email: &str) -> Result<Principal, LoginError> {
    let password = fresh_password();
    let up = attempt(api, "sign_up", &login.sign_up, label, email, &password).await?;
    let user = text(api.target(), "user", &login.user, &up, &login.sign_up)?;
    let (operation, signed_in) = match &login.sign_in {
        None => (&login.sign_up, up),
        Some(sign_in) => (sign_in, attempt(api, "sign_in", sign_in, label, email, &password).await?),
    };
    let credential = carried(
        api.target(),
        "credential",
        (&login.credential, login.send.as_deref()),
        &signed_in,
        operation,
    )?;
    let mut person = Principal {
        label: label.to_owned(),
        subject: user,
        email: email.to_owned(),
        entitlement: Entitlement::none(),
        credential,
        tokens: BTreeMap::new(),
    };
    for (name, Exchanged { call, credential, send, .. }) in &login.tokens {
        let key = format!("tokens.{name}");
        let answer = answered(api, &format!("{key}.call"), call, api.call(call).as_(&person)).await?;
        let place = (credential.as_str(), send.as_deref());
        let token = carried(api.target(), &format!("{key}.credential"), place, &answer, call)?;
        person.tokens.insert(name.clone(), token);
    }
    Ok(person)
}

/// What an answer gives, in the header that carries it from then on.
fn carried(
    target: &Target,
    key: &str,
    (place, send): (&str, Option<&str>),
    answer: &Answer,
    operation: &str,
) -> Result<Credential, LoginError> {
    let given = text(target, key, place, answer, operation)?;
    let (header, template) = header_for(place, send);
    Ok(Credential::Given { header, value: Secret::new(template.replace("{}", &given)) })
}

async fn attempt(
    api: &Api,
    key: &str,
    operation: &str,
    label: &str,
    email: &str,
    password: &str,
) -> Result<Answer, LoginError> {
    let call = api.call(operation).slot(SlotKind::Email, email).slot(SlotKind::Password, password);
    answered(api, key, operation, call.slot(SlotKind::Text, label)).await
}

/// The answer to a call that has to succeed.
async fn answered(api: &Api, key: &str, operation: &str, call: Call) -> Result<Answer, LoginError> {
    let answer = call.send().await?;
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let body = answer.exchange.response_body.as_deref().unwrap_or("no body").chars().take(200).collect();
    let (file, operation, status) = (api.target().file_name(), operation.to_owned(), answer.status);
    Err(LoginError::Refused { key: key.to_owned(), file, operation, status, body })
}

/// What stands in the answer at a pointer, in a header, or in a cookie.
fn text(
    target: &Target,
    key: &str,
    source: &str,
    answer: &Answer,
    operation: &str,
) -> Result<String, LoginError> {
    let found = match source.split_once(':') {
        Some(("header", name)) => Some(answer.header(name).to_owned()).filter(|value| !value.is_empty()),
        Some(("cookie", name)) => cookies(answer).find(|(cookie, _)| cookie == name).map(|(_, value)| value),
        _ => answer.text_at(source).ok(),
    };
    found.ok_or_else(|| {
        let headers = answer.headers.keys().map(|name| format!("header:{name}"));
        let places =
            answer.texts().into_iter().chain(cookies(answer).map(|(name, _)| format!("cookie:{name}")));
        let found: Vec<String> = places.chain(headers).collect();
        LoginError::Missing {
            key: key.to_owned(),
            file: target.file_name(),
            looked_for: source.to_owned(),
            operation: operation.to_owned(),
            found: found.join(", "),
        }
    })
}

/// Name and value of every cookie that an answer sets.
fn cookies(answer: &Answer) -> impl Iterator<Item = (String, String)> {
    let set = answer.headers.get_all("set-cookie").into_iter().filter_map(|value| value.to_str().ok());
    set.filter_map(|cookie| {
        let (name, value) = cookie.split(';').next()?.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    })
}
