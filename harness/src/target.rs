//! Where a system lives and what it can do, read from a TOML file.
//!
//! ```toml
//! name = "sit"
//! base_url = "https://api.sit.example.com"
//! capabilities = ["provision"]
//! consent = ["api.sit.example.com"]     # hostile suites run against this host
//!
//! [headers]
//! x-gateway-key = "env:SIT_GATEWAY_KEY" # secrets only by the name of a variable
//! ```
//!
//! What a target cannot do is skipped by name; nothing is guessed.

mod contradiction;
mod file;
mod people;
mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::contract::{Binding, Contract, Operation};
use crate::pattern::matches;
use crate::record::Accepted;

pub use file::TargetError;
pub(crate) use people::header_for;
pub use people::{Exchanged, Login, Provision, Sender, Step};
pub use secret::Secret;

/// Something a target may or may not be able to do. A check that needs one the target lacks is skipped and
/// says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// The harness may create and remove organisations and users.
    Provision,
    /// The harness signs tokens the target accepts.
    Mint,
    /// The harness reads the target's store.
    Store,
    /// The harness reads the mail the target sends.
    Mail,
    /// The harness reads the objects the target archives.
    Archive,
    /// The harness invokes the target's functions.
    Lambda,
    /// The target has routes that answer with its audit log.
    Audit,
}

impl Capability {
    /// The name as target files spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Capability::Provision => "provision",
            Capability::Mint => "mint",
            Capability::Store => "store",
            Capability::Mail => "mail",
            Capability::Archive => "archive",
            Capability::Lambda => "lambda",
            Capability::Audit => "audit",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which statuses count as a refusal, by the reason for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Denials {
    /// No valid token.
    pub unauthenticated: BTreeSet<u16>,
    /// A permission is missing.
    pub forbidden: BTreeSet<u16>,
    /// It is another tenant's.
    pub hidden: BTreeSet<u16>,
}

impl Default for Denials {
    /// 401, 403, 404: what RFC 9110 15.5 says of each, with 404 for what must not be revealed (15.5.5).
    fn default() -> Self {
        Denials { unauthenticated: [401].into(), forbidden: [403].into(), hidden: [404].into() }
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No valid token.
    Unauthenticated,
    /// A permission is missing.
    Forbidden,
    /// It is another tenant's.
    Hidden,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Refusal; 3] = [Refusal::Unauthenticated, Refusal::Forbidden, Refusal::Hidden];
}

impl Denials {
    /// Whether a status of an operation refuses for one of these reasons; what the operation itself declares refuses for
    /// any.
    pub fn refuses(&self, operation: &Operation, status: u16, reasons: &[Refusal]) -> bool {
        let statuses = |reason: &Refusal| match reason {
            Refusal::Unauthenticated => &self.unauthenticated,
            Refusal::Forbidden => &self.forbidden,
            Refusal::Hidden => &self.hidden,
        };
        operation.denied.contains(&status) || reasons.iter().any(|reason| statuses(reason).contains(&status))
    }
}

/// How much the harness may ask of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests one process may send in all; the next one is refused before it is sent.
    pub max_requests: Option<u64>,
    /// Requests one process may send a second; load, which has rates of its own, is not held to it.
    pub rate: Option<u32>,
    /// How long a right may outlive its end; without it, it is gone with the next request.
    pub revocation_seconds: Option<u64>,
    /// From sending to the last byte. A target that needs longer is taken for hanging.
    pub timeout_seconds: u64,
}

impl Default for Limits {
    /// No bound on requests; nothing in the contract takes half a minute.
    fn default() -> Self {
        Limits { max_requests: None, rate: None, revocation_seconds: None, timeout_seconds: 30 }
    }
}

/// Whose tokens the minted ones look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenStyle {
    /// Access tokens of Amazon Cognito: `client_id`, `token_use`, `username`.
    #[default]
    Cognito,
    /// Session tokens of Clerk: `azp`, `sid`, `nbf`, a minute's life.
    Clerk,
}

/// Who signs the tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Identity {
    /// The harness signs, and serves the keys at `http://<listen>/.well-known/jwks.json` for the target to
    /// fetch. Give the target that URL and the issuer.
    Mint {
        /// `iss` of every token; default `http://<listen>`.
        #[serde(default)]
        issuer: Option<String>,
        /// Whose tokens they look like.
        #[serde(default)]
        style: TokenStyle,
        /// `client_id` of every token, or `azp` in Clerk's.
        client_id: String,
        /// Where the target fetches the keys, when that is not `listen` itself but a copy or a tunnel. Looked
        /// at before anything is sent.
        #[serde(default)]
        jwks_url: Option<String>,
        /// Where the keys are served. Port 0 picks a free one.
        listen: SocketAddr,
        /// `sub` of the user the target knows as platform administrator.
        platform_admin: String,
        /// Seconds that the target believes tokens past their time, for clocks that differ.
        #[serde(default = "default_leeway")]
        leeway: u64,
    },
    /// The target signs: people sign up and sign in by operations of the contract.
    Login(Login),
}

/// What the reference systems leave, as many libraries do.
pub fn default_leeway() -> u64 {
    5
}

/// The store behind the target, for stored-state checks.
#[derive(Clone, Debug)]
pub enum Store {
    /// A DynamoDB table.
    DynamoDb(TableStore),
    /// A PostgreSQL database.
    Postgres(DatabaseStore),
}

/// A DynamoDB table.
#[derive(Clone, Debug)]
pub struct TableStore {
    /// Endpoint URL.
    pub url: Url,
    /// Region the requests are signed for.
    pub region: String,
    /// Table name.
    pub table: String,
    /// Sort keys that begin like this hold audit entries and counters: the state oracle leaves them out.
    pub volatile: Vec<String>,
    /// Attributes that hold the ids of the organisations and users an item belongs to, and the words (names,
    /// e-mails) by which one that a refused request created is found.
    pub owners: Vec<String>,
    /// Access key id and secret; dummies when the endpoint checks none.
    pub credentials: (Secret, Secret),
}

/// A PostgreSQL database.
#[derive(Clone, Debug)]
pub struct DatabaseStore {
    /// `postgres://user:password@host:port/database`, of a role that row level security does not hold back.
    pub url: Secret,
    /// Tables (`audit`, or `public.audit` where only one of that name is meant) that change with every request: the
    /// state oracle leaves them out.
    pub volatile: Vec<String>,
    /// Columns, of whatever table, that hold the ids of the organisations and users a row belongs to, and the words
    /// (names, e-mails) by which one that a refused request created is found.
    pub owners: Vec<String>,
    /// Which schema is whose, where tenants have schemas.
    pub schemas: Option<Schemas>,
}

/// Which schema is whose.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schemas {
    /// The table that says so: `public.tenants`.
    pub table: String,
    /// Its column with the organisation's id.
    pub owner: String,
    /// The schema's name, with columns of the table in braces: `tenant_{id}`. Dashes and underscores do not count.
    pub schema: String,
}

impl Schemas {
    /// The schema that a row of the table names.
    pub(crate) fn name_of(&self, row: &Value) -> String {
        let columns = row.as_object().into_iter().flatten();
        columns.fold(self.schema.clone(), |name, (column, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            name.replace(&format!("{{{column}}}"), &text)
        })
    }
}

/// What a target calls what every suite needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vocabulary {
    /// The predefined role that may do everything in an organisation.
    pub admin_role: String,
    /// The plan that includes every feature, where plans decide.
    pub plan: Option<String>,
    /// The predefined roles of an organisation, from the one that may do everything downwards.
    pub roles: Vec<String>,
}

impl Default for Vocabulary {
    /// What access-service says.
    fn default() -> Self {
        Vocabulary { admin_role: "ORG_ADMIN".to_owned(), plan: None, roles: Vec::new() }
    }
}

/// Where the archive stand-in listens, and its bucket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveStandIn {
    /// Where. Port 0 picks a free one.
    pub listen: SocketAddr,
    /// The bucket.
    #[serde(default = "default_bucket")]
    pub bucket: String,
}

/// The integration seed's.
fn default_bucket() -> String {
    "test-audit-bucket".to_owned()
}

/// A tenant that is there before a run and stays after it, for targets on which none can be made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resident {
    /// The organisation's id.
    pub org: String,
    /// `sub` of a user of it who may read what is asked for.
    pub user: String,
}

/// Checks that ask for what a target does not promise: they are disabled by name, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The checks of the security suite, `*` for any part of a path: `content/*/headers.*`.
    pub checks: String,
    /// Why nobody may rely on it.
    pub reason: String,
}

/// The checks that ask what a form of another site could send.
const FORMS: &str = "content/*/media.*";
const FORMLESS: &str = "the credential goes in a header that no form of another site can send";

/// A system under test.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name in reports.
    pub name: String,
    /// Where it answers. Requests go to this host and no other.
    pub base_url: Url,
    /// The file it was read from.
    pub file: Option<PathBuf>,
    /// The path of its OpenAPI document; none where the file binds every operation.
    pub openapi: Option<String>,
    /// Operations that the file binds, by name.
    pub operations: BTreeMap<String, Binding>,
    /// How people get into organisations.
    pub provision: Provision,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// Which statuses refuse.
    pub denials: Denials,
    /// It was started by this process: it ends with it, and so does everything in it.
    pub embedded: bool,
    /// Embedded, and yet a process of its own.
    pub apart: bool,
    /// Nothing may be written: operations whose effect is not `read` are refused before they are sent.
    pub read_only: bool,
    /// Tenants that are there.
    pub tenants: Vec<Resident>,
    /// Bounds on what is sent.
    pub limits: Limits,
    /// Hosts, not loopback, that may be attacked.
    pub consent: BTreeSet<String>,
    /// Findings that are known, and that somebody answers for.
    pub accepted: Vec<Accepted>,
    /// What it does not promise, and is not asked for.
    pub waived: Vec<Waiver>,
    /// Members of answers that are no state: they change when somebody is merely seen.
    pub volatile: Vec<String>,
    /// Headers sent with every request.
    pub headers: BTreeMap<String, Secret>,
    /// PEM file of a certificate authority to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// Proxy URL for all requests.
    pub proxy: Option<Url>,
    /// Who signs tokens; `None` where the harness has no way to sign in.
    pub identity: Option<Identity>,
    /// Its words.
    pub vocabulary: Vocabulary,
    /// The store, with the `store` capability.
    pub store: Option<Store>,
    /// Where the recording mail stand-in listens, with the `mail` capability. Speaks SES v2 `SendEmail`.
    pub mail: Option<SocketAddr>,
    /// The archive stand-in, with the `archive` capability. Speaks S3, path style.
    pub archive: Option<ArchiveStandIn>,
    /// Base URL of a Lambda Invoke endpoint, with the `lambda` capability.
    pub lambda: Option<Url>,
    /// Base URL of the listener that tells metrics and health in detail.
    pub internal: Option<Url>,
    /// The stores it stands on, each with the reason it was chosen; for the run's first line.
    pub stores: Vec<String>,
}

impl Target {
    /// A target that answers at `base_url` and can do nothing yet.
    pub fn at(name: &str, base_url: Url) -> Target {
        Target {
            name: name.to_owned(),
            base_url,
            file: None,
            openapi: Some("/openapi.json".to_owned()),
            operations: BTreeMap::new(),
            provision: Provision::default(),
            capabilities: BTreeSet::new(),
            denials: Denials::default(),
            embedded: false,
            apart: false,
            read_only: false,
            tenants: Vec::new(),
            limits: Limits::default(),
            consent: BTreeSet::new(),
            accepted: Vec::new(),
            waived: Vec::new(),
            volatile: Vec::new(),
            headers: BTreeMap::new(),
            ca: None,
            proxy: None,
            identity: None,
            vocabulary: Vocabulary::default(),
            store: None,
            mail: None,
            archive: None,
            lambda: None,
            internal: None,
            stores: Vec::new(),
        }
    }

    /// The file it was read from, for messages.
    pub fn file_name(&self) -> String {
        self.file.as_ref().map_or_else(|| "the target".to_owned(), |file| file.display().to_string())
    }

    /// The predefined roles that the file names, from the highest, and what each may by the target's contract.
    pub fn roles(&self, contract: &Contract) -> Vec<(String, Vec<String>)> {
        let roles = self.vocabulary.roles.iter();
        roles.map(|role| (role.clone(), contract.permissions_of(role))).collect()
    }

    /// How people sign up and in, where the target signs.
    pub fn login(&self) -> Option<&Login> {
        match &self.identity {
            Some(Identity::Login(login)) => Some(login),
            _ => None,
        }
    }

    /// Why a check is not asked, if it is waived, or asks about what cannot be.
    pub fn waives(&self, check: &str) -> Option<String> {
        let waiver = self.waived.iter().find(|waiver| matches(&waiver.checks, check));
        let said = waiver.map(|waiver| format!("waived by the target file: {}", waiver.reason));
        said.or_else(|| {
            let (header, _) =
                self.login().map(|login| header_for(&login.credential, login.send.as_deref()))?;
            (header != "cookie" && matches(FORMS, check)).then(|| FORMLESS.to_owned())
        })
    }

    /// Whether the target can do something.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// Whether hostile requests may be sent: the host is loopback, or the file names it under `consent`.
    pub fn consents(&self) -> bool {
        let Some(host) = self.base_url.host_str() else {
            return false;
        };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        address.is_ok_and(|address| address.is_loopback())
            || host == "localhost"
            || self.consent.contains(host)
    }
}
