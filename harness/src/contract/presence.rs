//! Which of the operations that a target file binds the target serves at all.
//!
//! A binding is written for a system in all its versions and configurations; a route that one of them lacks answers as a
//! path that nobody has. It is asked for anonymously and with nothing in it.

use http::Method;
use http::header::CONTENT_TYPE;
use url::Url;
use uuid::Uuid;

use super::{Contract, Effect};
use crate::client::{Http, HttpError, add, add_all_of, outgoing};
use crate::target::Target;

/// No route, whatever the path: the method is not served there (RFC 9110 15.5.6, 15.6.2).
const NO_METHOD: [u16; 2] = [405, 501];
/// No route, or no such thing on it.
const NOTHING: u16 = 404;

/// Takes the bound operations out of a contract that the target does not serve.
pub(crate) async fn miss_absent(
    contract: &mut Contract,
    target: &Target,
    http: &Http,
) -> Result<(), HttpError> {
    let bound = contract.operations().filter(|operation| target.operations.contains_key(&operation.name));
    // What writes is not tried where nothing may be, or where the harness may do no more than it is told to.
    let tried = bound
        .filter(|operation| operation.effect == Effect::Read || (!target.read_only && target.consents()));
    let tried: Vec<(String, Method, String)> = tried
        .map(|operation| (operation.name.clone(), operation.method.clone(), operation.path.clone()))
        .collect();
    for (name, method, path) in tried {
        let answer = answer(http, target, &method, &filled(&path)).await?;
        let absent = NO_METHOD.contains(&answer.0)
            || (answer.0 == NOTHING && answer == self::answer(http, target, &method, &nowhere()).await?);
        if absent {
            contract.miss(&name);
        }
    }
    Ok(())
}

/// A path that no server has.
fn nowhere() -> String {
    format!("/{}", Uuid::new_v4())
}

/// A path whose parameters name nothing.
fn filled(path: &str) -> String {
    let parts = path
        .split('/')
        .map(|part| if part.starts_with('{') { Uuid::new_v4().to_string() } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("/")
}

/// Status and body, without the path in it.
async fn answer(
    http: &Http,
    target: &Target,
    method: &Method,
    path: &str,
) -> Result<(u16, String), HttpError> {
    let base = target.base_url.as_str().trim_end_matches('/');
    let Ok(url) = Url::parse(&format!("{base}{path}")) else { return Ok((0, String::new())) };
    let at = url.path().to_owned();
    let mut request = outgoing(method.clone(), &url)?;
    add_all_of(target, request.headers_mut())?;
    if !matches!(*method, Method::GET | Method::HEAD) {
        add(request.headers_mut(), CONTENT_TYPE.as_str(), b"application/json")?;
        *request.body_mut() = "{}".into();
    }
    let answer = http.send(request).await?;
    Ok((answer.status, answer.body.replace(&at, "").replace(path, "")))
}
