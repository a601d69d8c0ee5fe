//! A target made ready: contract read, keys served, mailbox and store at hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::client::{Api, Budget, ClientError, Connection, Coverage, Http, HttpError, add_all_of, outgoing};
use crate::contract::{Conformance, Contract, ContractError, Effect, Operation, bound, miss_absent};
use crate::data::fresh_email;
use crate::double::Doubles;
use crate::identity::login::{self, LoginError};
use crate::identity::{Issuer, JwksServer, KeyError, Keys, Principal};
use crate::leak::{Entitlement, LeakDetector};
use crate::run::{Run, SharedError};
use crate::stores::{Archive, ArchiveError, Mailbox, Store, StoreError};
use crate::target::{ArchiveStandIn, Identity, Target, TokenStyle};
use crate::wait::{self, TimedOut};

/// Between two attempts to sign in.
const SIGN_IN_PAUSE: Duration = Duration::from_secs(1);
/// Twice as many as are under way at once, so that those that began together do not count as a row.
const PATIENCE: u64 = 16;
/// Longer than access-service leaves between two looks at the issuer's keys.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(15);

/// A target that cannot be worked with. Every variant ends the command with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// Nothing answers.
    #[error(
        "the target '{target}' does not answer at {url}: {why}; start it, or correct base_url in the target file"
    )]
    Unreachable {
        /// The target's name.
        target: String,
        /// What was asked for.
        url: Url,
        /// The innermost cause.
        why: String,
    },
    /// Something answers, but not with the contract.
    #[error(
        "expected the OpenAPI document at {url}, got status {status} and '{found}'; check `openapi` in the target file"
    )]
    NoDocument {
        /// What was asked for.
        url: Url,
        /// The status.
        status: u16,
        /// The beginning of the body.
        found: String,
    },
    /// The contract is not understood.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The contract has no operations: every coverage figure would be of nothing.
    #[error("{0} has no operation that can be attacked: nothing would be tested")]
    NoOperations(String),
    /// What the file binds does not fit what the target says of itself.
    #[error("{file} binds operations that cannot be sent:\n  {}", .problems.join("\n  "))]
    Binding {
        /// The target file.
        file: String,
        /// Each with its key, what was expected and what to do.
        problems: Vec<String>,
    },
    /// Nobody can sign in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The target serves nothing of what the file binds.
    #[error(
        "the target '{target}' serves none of the {bound} operations that {file} binds: all of them answer like a path \
         that nobody has; check the path of base_url"
    )]
    Elsewhere {
        /// The target's name.
        target: String,
        /// How many are bound.
        bound: usize,
        /// The target file.
        file: String,
    },
    /// The keys the target fetches are not those the harness signs with.
    #[error("the JWKS at {url}: {what}; the target fetches its keys there, so every token would be refused")]
    Jwks {
        /// Where it was fetched.
        url: String,
        /// What is wrong.
        what: String,
    },
    /// The target refuses the harness's tokens.
    #[error("{0}; compare the target's issuer, client id and JWKS URL with [identity] in the target file")]
    SignIn(#[from] TimedOut),
    /// A stand-in's port is taken.
    #[error(
        "cannot listen on {address} for the {what}: {source}; free the port or change `listen` in the target file"
    )]
    Listen {
        /// Which stand-in.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The archive stand-in.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys of the run.
    #[error(transparent)]
    Keys(#[from] SharedError<KeyError>),
    /// The HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The servers a target leans on and the harness runs. They must be up before the target is.
#[derive(Debug)]
pub struct StandIns {
    /// Signs the tokens.
    pub issuer: Option<Issuer>,
    /// Serves the keys.
    pub jwks: Option<JwksServer>,
    /// Receives the mail.
    pub mail: Option<Mailbox>,
    /// Receives the archive's objects.
    pub archive: Option<Archive>,
}

impl StandIns {
    /// Where the keys of the issuer are; empty where nothing is minted.
    pub fn jwks_url(&self) -> String {
        self.jwks.as_ref().map(JwksServer::url).unwrap_or_default()
    }

    /// What the tokens name as their issuer; empty where nothing is minted.
    pub fn issuer_url(&self) -> String {
        self.issuer.as_ref().map(|issuer| issuer.url.clone()).unwrap_or_default()
    }

    /// Starts what a target file asks for.
    pub async fn start(
        run: &Run,
        identity: Option<&Identity>,
        mail: Option<SocketAddr>,
        archive: Option<&ArchiveStandIn>,
    ) -> Result<StandIns, SystemError> {
        let listen_error = |what, address| move |source| SystemError::Listen { what, address, source };
        let (issuer, jwks) = match identity {
            Some(Identity::Mint { issuer, style, client_id, listen, leeway, .. }) => {
                let keys = Arc::new(Keys::of_run(run)?);
                let jwks = JwksServer::start(*listen, keys.jwks(), &keys.stranger)
                    .await
                    .map_err(listen_error("JWKS server", *listen))?;
                let url = issuer.clone().unwrap_or_else(|| jwks.base());
                let (client_id, lure) = (client_id.clone(), jwks.lure());
                (Some(Issuer { url, style: *style, client_id, leeway: *leeway, lure, keys }), Some(jwks))
            }
            Some(Identity::Login(_)) | None => (None, None),
        };
        let mail = match mail {
            Some(address) => {
                Some(Mailbox::start(address).await.map_err(listen_error("mail stand-in", address))?)
            }
            None => None,
        };
        let archive = match archive {
            Some(archive) => {
                Some(Archive::start(archive.listen, &archive.bucket, run.folder()).await.map_err(
                    |error| match error {
                        ArchiveError::Io(source) => listen_error("archive stand-in", archive.listen)(source),
                        error @ ArchiveError::Server(_) => error.into(),
                    },
                )?)
            }
            None => None,
        };
        Ok(StandIns { issuer, jwks, mail, archive })
    }
}

/// A target made ready.
#[derive(Debug)]
pub struct System {
    /// The run it is tested in.
    pub run: &'static Run,
    /// Where and what.
    pub target: Arc<Target>,
    /// Its operations.
    pub contract: Arc<Contract>,
    /// The OpenAPI document the contract was read from.
    pub document: Value,
    /// What its answers promise to be.
    pub conformance: Arc<Conformance>,
    /// The servers it leans on.
    pub stand_ins: StandIns,
    /// Its store, with the `store` capability.
    pub store: Option<Store>,
    /// What every client of it searches responses for.
    pub leaks: LeakDetector,
    /// What all clients of it sent.
    pub coverage: Arc<Coverage>,
    /// What may still be sent, by all suites together.
    pub budget: Arc<Budget>,
    /// Who starts another like it; nobody where the target is not ours to start.
    pub doubles: Option<Box<dyn Doubles>>,
    /// The connections all clients of it share.
    pub(crate) http: Http,
    /// Made once: everyone who provisions shares its token.
    platform_admin: Option<Principal>,
}

impl System {
    /// Connects to a running target.
    pub async fn open(run: &'static Run, target: Target, stand_ins: StandIns) -> Result<System, SystemError> {
        let http = Http::of(&target)?;
        let (source, document) = match &target.openapi {
            Some(path) => {
                let (url, document) = fetch_document(&http, &target, path).await?;
                (format!("the OpenAPI document at {url}"), document)
            }
            None => (target.file_name(), of_bindings(&target)),
        };
        let document = bound(document, &target.operations, &target.vocabulary.roles)
            .map_err(|problems| SystemError::Binding { file: target.file_name(), problems })?;
        let mut contract = Contract::from_openapi(&document)?;
        contract.check_roles(&target.vocabulary.roles)?;
        if contract.is_empty() && contract.unannotated.is_empty() {
            return Err(SystemError::NoOperations(source));
        }
        miss_absent(&mut contract, &target, &http).await.map_err(|error| unreachable(&target, &error))?;
        if contract.is_empty() && contract.unannotated.is_empty() {
            let (target, bound, file) = (target.name.clone(), contract.absent.len(), target.file_name());
            return Err(SystemError::Elsewhere { target, bound, file });
        }
        if let (Some(Identity::Mint { jwks_url, .. }), Some(jwks), Some(issuer)) =
            (&target.identity, &stand_ins.jwks, &stand_ins.issuer)
        {
            check_jwks(&http, jwks_url.clone().unwrap_or_else(|| jwks.url()), &issuer.keys.rsa.id).await?;
        }
        let store = target.store.as_ref().map(Store::connect).transpose()?;
        let platform_admin = platform_admin(&target, &stand_ins);
        let budget = Arc::new(Budget::of(&target.limits));
        Ok(System {
            run,
            target: Arc::new(target),
            contract: Arc::new(contract),
            conformance: Conformance::shared(&document),
            document,
            stand_ins,
            store,
            leaks: LeakDetector::default(),
            coverage: Arc::default(),
            budget,
            doubles: None,
            platform_admin,
            http,
        })
    }

    /// A client that records for a suite and takes answers as they come.
    pub fn api(&self, suite: &str) -> Api {
        Api::new(suite, self.connection())
    }

    /// A client that records for a suite and holds every answer against the contract.
    pub fn strict_api(&self, suite: &str) -> Api {
        let conformance = Some(Arc::clone(&self.conformance));
        Api::new(suite, Connection { conformance, ..self.connection() })
    }

    /// A client that records for a suite, takes answers as they come, and gives up on a target that gives none.
    pub fn impatient_api(&self, suite: &str) -> Api {
        Api::new(suite, Connection { patience: Some(PATIENCE), ..self.connection() })
    }

    fn connection(&self) -> Connection {
        Connection {
            run: self.run,
            target: self.target.clone(),
            contract: self.contract.clone(),
            leaks: self.leaks.clone(),
            coverage: self.coverage.clone(),
            budget: self.budget.clone(),
            conformance: None,
            patience: None,
            http: self.http.clone(),
        }
    }

    /// Waits until the target accepts a token. A service that has cached the keys of an earlier run looks for
    /// new ones at its own pace.
    ///
    /// Where the target signs, somebody signs up and in.
    pub async fn sign_in(&self) -> Result<(), SystemError> {
        if let Some(login) = self.target.login().filter(|_| !self.target.read_only) {
            login::sign_up(&self.api("sign-in"), login, "first", &fresh_email("first")).await?;
        }
        let harmless = |operation: &&Operation| {
            let nothing_to_fill = operation.slots.iter().all(|slot| slot.optional);
            operation.effect == Effect::Read && operation.needs_token() && nothing_to_fill
        };
        let (Some(admin), Some(operation)) =
            (self.platform_admin(), self.contract.operations().find(harmless))
        else {
            return Ok(());
        };
        let api = self.api("sign-in");
        let refused = &self.target.denials.unauthenticated;
        wait::every(SIGN_IN_PAUSE, "the target to accept a token", SIGN_IN_LIMIT, || async {
            match api.call(&operation.name).as_(&admin).send().await {
                Ok(answer) if refused.contains(&answer.status) => Err(format!("status {}", answer.status)),
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await?;
        Ok(())
    }

    /// Whose tokens those of this system look like.
    pub fn token_style(&self) -> TokenStyle {
        self.stand_ins.issuer.as_ref().map_or_else(TokenStyle::default, |issuer| issuer.style)
    }

    /// The platform administrator, when the harness can sign tokens.
    pub fn platform_admin(&self) -> Option<Principal> {
        self.platform_admin.clone()
    }

    /// Whether people sign up and found organisations, which no administrator of the platform does for them.
    pub(crate) fn founded_by_people(&self) -> bool {
        self.target.login().is_some() && self.platform_admin.is_none()
    }
}

fn platform_admin(target: &Target, stand_ins: &StandIns) -> Option<Principal> {
    let Some(Identity::Mint { platform_admin, .. }) = &target.identity else { return None };
    let issuer = stand_ins.issuer.as_ref()?;
    let email = format!("{platform_admin}@watertight.invalid");
    Some(Principal::minted("platform-admin", issuer, platform_admin, &email, Entitlement::All))
}

/// The document of a target that publishes none: it is called what the target is called.
fn of_bindings(target: &Target) -> Value {
    json!({ "openapi": "3.1.0", "info": { "title": target.name }, "paths": {} })
}

fn unreachable(target: &Target, error: &HttpError) -> SystemError {
    SystemError::Unreachable {
        target: target.name.clone(),
        url: target.base_url.clone(),
        why: innermost(error),
    }
}

async fn fetch_document(http: &Http, target: &Target, path: &str) -> Result<(Url, Value), SystemError> {
    let mut url = target.base_url.clone();
    url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
    let ask = async {
        let mut request = outgoing(Method::GET, &url)?;
        add_all_of(target, request.headers_mut())?;
        http.send(request).await
    };
    let answer = ask.await.map_err(|error| SystemError::Unreachable {
        target: target.name.clone(),
        url: url.clone(),
        why: innermost(&error),
    })?;
    match serde_json::from_str(&answer.body) {
        Ok(document) if answer.status == 200 => Ok((url, document)),
        _ => Err(SystemError::NoDocument { url, status: answer.status, found: answer.beginning() }),
    }
}

/// Fetches the JWKS as the target will, and looks for the key the harness signs with.
async fn check_jwks(http: &Http, url: String, key_id: &str) -> Result<(), SystemError> {
    let wrong = |what: String| SystemError::Jwks { url: url.clone(), what };
    let at = Url::parse(&url).map_err(|error| wrong(error.to_string()))?;
    let answer = http.get(&at).await.map_err(|error| wrong(innermost(&error)))?;
    let (status, found) = (answer.status, answer.beginning());
    let document: Value = serde_json::from_str(&answer.body)
        .map_err(|error| wrong(format!("expected JSON, got status {status} and '{found}' ({error})")))?;
    let keys = document.get("keys").and_then(Value::as_array);
    let keys =
        keys.ok_or_else(|| wrong(format!("expected an object with an array `keys`, got '{found}'")))?;
    if keys.iter().any(|key| key.get("kid").and_then(Value::as_str) == Some(key_id)) {
        return Ok(());
    }
    Err(wrong(format!("it does not hold the key '{key_id}' that this run signs with")))
}

/// The cause at the bottom of an error's chain: `Connection refused`, not `error sending request`.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
