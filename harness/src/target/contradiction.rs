//! What a target file says that cannot be, each with its key and what to do.

use super::{Capability, Denials, Exchanged, Identity, Login, Target, Vocabulary, Waiver};

/// The first thing that does not fit together, if there is one.
pub(super) fn contradiction(target: &Target) -> Option<String> {
    let needs = [
        (Capability::Mint, mints(target), "an [identity] table of kind \"mint\""),
        (Capability::Store, target.store.is_some(), "a [store] table"),
        (Capability::Mail, target.mail.is_some(), "a [mail] table"),
        (Capability::Archive, target.archive.is_some(), "an [archive] table"),
        (Capability::Lambda, target.lambda.is_some(), "a [lambda] table"),
    ];
    for (capability, there, table) in needs {
        if target.can(capability) && !there {
            return Some(format!(
                "the capability '{capability}' needs {table}; add it or take the capability out"
            ));
        }
        if there && !target.can(capability) {
            return Some(format!(
                "there is {table}, but no capability '{capability}'; add it to `capabilities`"
            ));
        }
    }
    let Denials { unauthenticated, forbidden, hidden } = &target.denials;
    for (name, statuses) in
        [("unauthenticated", unauthenticated), ("forbidden", forbidden), ("hidden", hidden)]
    {
        if statuses.is_empty() || statuses.iter().any(|status| !(400..500).contains(status)) {
            return Some(format!("denials.{name} must list statuses from 400 to 499, found {statuses:?}"));
        }
    }
    if !matches!(target.base_url.scheme(), "http" | "https") || target.base_url.host_str().is_none() {
        return Some(format!(
            "base_url must be an http or https URL with a host, found '{}'",
            target.base_url
        ));
    }
    if let Some(url) = &target.lambda
        && (!matches!(url.scheme(), "http" | "https") || url.host_str().is_none())
    {
        return Some(format!("lambda.url must be an http or https URL with a host, found '{url}'"));
    }
    if target.limits.timeout_seconds == 0 {
        return Some(
            "limits.timeout_seconds must be 1 or more: within 0 nothing is ever answered".to_owned(),
        );
    }
    for (at, Waiver { checks, reason }) in target.waived.iter().enumerate() {
        let number = at + 1;
        if reason.trim().is_empty() {
            return Some(format!("reason of [[waived]] {number} is empty; say why nobody may rely on it"));
        }
        if checks.split('/').next().is_none_or(|class| class.is_empty() || class.contains('*')) {
            return Some(format!(
                "checks of [[waived]] {number} is '{checks}', expected a class and what of it is waived, as in \
                 \"content/*/headers.*\""
            ));
        }
    }
    if let Some(openapi) = target.openapi.as_ref().filter(|path| !path.starts_with('/')) {
        return Some(format!("openapi must be a path that begins with '/', found '{openapi}'"));
    }
    let Vocabulary { roles, admin_role, .. } = &target.vocabulary;
    if !roles.is_empty() && roles.first() != Some(admin_role) {
        let what = "vocabulary.roles must begin with the role that may do everything, which vocabulary.admin_role calls";
        return Some(format!("{what} '{admin_role}'; found {roles:?}"));
    }
    let login = target.login().and_then(|login| login_trouble(target, login));
    login.or_else(|| token_trouble(target)).or_else(|| provision_trouble(target))
}

fn mints(target: &Target) -> bool {
    matches!(target.identity, Some(Identity::Mint { .. }))
}

/// What of the sign-in cannot work, by its key. Operations of a document are not known yet.
fn login_trouble(target: &Target, login: &Login) -> Option<String> {
    let Login { sign_up, sign_in, credential, send, user, jwks, tokens } = login;
    let unbound = |key: &str, operation: &String| {
        let missing = target.openapi.is_none() && !target.operations.contains_key(operation);
        missing.then(|| {
            format!(
                "identity.{key} names {operation}, which the file does not bind; add [operations.{operation}]"
            )
        })
    };
    if !user.starts_with('/') {
        return Some(format!(
            "identity.user is '{user}', expected a JSON pointer into the answer such as \"/user/id\""
        ));
    }
    let of_token = |(name, Exchanged { call, credential, send, jwks }): (&String, &Exchanged)| {
        let key = |key: &str| format!("tokens.{name}.{key}");
        carriage_trouble(&key(""), credential, send.as_deref())
            .or_else(|| unbound(&key("call"), call))
            .or_else(|| unbound(&key("jwks"), jwks.as_ref()?))
    };
    carriage_trouble("", credential, send.as_deref())
        .or_else(|| unbound("sign_up", sign_up))
        .or_else(|| unbound("sign_in", sign_in.as_ref()?))
        .or_else(|| unbound("jwks", jwks.as_ref()?))
        .or_else(|| tokens.iter().find_map(of_token))
}

/// What is wrong with where a credential stands in an answer, or with the header that carries it.
fn carriage_trouble(key: &str, credential: &str, send: Option<&str>) -> Option<String> {
    let is_source = credential.starts_with('/')
        || ["header:", "cookie:"]
            .iter()
            .any(|place| credential.strip_prefix(place).is_some_and(|name| !name.is_empty()));
    if !is_source {
        return Some(format!(
            "identity.{key}credential is '{credential}', expected a JSON pointer into the answer such as \"/token\", or \
             \"header:NAME\" or \"cookie:NAME\""
        ));
    }
    let is_header = send.is_none_or(|send| send.contains(':') && send.contains("{}"));
    (!is_header).then(|| {
        format!("identity.{key}send must be a header with {{}} for the credential, as in \"X-Session: {{}}\"")
    })
}

/// Operations that want a token which nobody asks for.
fn token_trouble(target: &Target) -> Option<String> {
    let known = |token: &String| target.login().is_some_and(|login| login.tokens.contains_key(token));
    let wanted = target.operations.iter().filter_map(|(name, binding)| Some((name, binding.token.as_ref()?)));
    let (operation, token) = wanted.into_iter().find(|(_, token)| !known(token))?;
    Some(format!(
        "operations.{operation}.token is '{token}', which [identity.tokens] does not have; add [identity.tokens.{token}] \
         with call and credential"
    ))
}

fn provision_trouble(target: &Target) -> Option<String> {
    let unbound = |call: &&String| target.openapi.is_none() && !target.operations.contains_key(*call);
    let call = target.provision.member.iter().map(|step| &step.call).find(unbound)?;
    Some(format!("provision.member names {call}, which the file does not bind; add [operations.{call}]"))
}
