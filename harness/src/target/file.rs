//! Reading a target file: every unknown key, missing variable and contradiction is named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use crate::accepted::{self, AcceptedError};

use super::contradiction::contradiction;
use super::{
    ArchiveStandIn, Capability, DatabaseStore, Denials, Identity, Limits, Provision, Resident, Schemas,
    Secret, Store, TableStore, Target, Vocabulary, Waiver,
};
use crate::contract::{Binding, problems};

/// A target file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The file cannot be read.
    #[error(
        "cannot read the target file {path}: {source}; name an existing file in WATERTIGHT_TARGET or --target"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no TOML, or holds a key or value that is not known.
    #[error(
        "the target file {path} is not understood:\n{source}\nfixtures/targets/ has working examples, docs/targets.md every key"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        source: Box<toml::de::Error>,
    },
    /// A secret stands in the file itself.
    #[error(
        "{key} in {path} holds a secret in the clear; put it into an environment variable and write \"env:NAME\""
    )]
    SecretInTheClear {
        /// The key.
        key: String,
        /// The file.
        path: PathBuf,
    },
    /// The variable a secret is read from is not set.
    #[error(
        "{key} in {path} is read from the environment variable {variable}, which is not set; export it first"
    )]
    MissingVariable {
        /// The key.
        key: String,
        /// The variable's name.
        variable: String,
        /// The file.
        path: PathBuf,
    },
    /// Operations that cannot be bound as the file says.
    #[error("{path} binds operations that cannot be sent:\n  {}\ndocs/targets.md has the notation", .problems.join("\n  "))]
    Binding {
        /// The file.
        path: PathBuf,
        /// Each with its key, what was expected and what to do.
        problems: Vec<String>,
    },
    /// The findings it accepts.
    #[error(transparent)]
    Accepted(#[from] AcceptedError),
    /// The file contradicts itself.
    #[error("{path}: {what}")]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What does not fit together, and what to do.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetFile {
    name: String,
    base_url: Url,
    openapi: Option<String>,
    #[serde(default)]
    operations: BTreeMap<String, Binding>,
    #[serde(default)]
    provision: Provision,
    #[serde(default)]
    capabilities: BTreeSet<Capability>,
    #[serde(default)]
    denials: Denials,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    tenants: Vec<Resident>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    consent: BTreeSet<String>,
    accepted: Option<PathBuf>,
    #[serde(default)]
    waived: Vec<Waiver>,
    #[serde(default)]
    volatile: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    ca: Option<PathBuf>,
    proxy: Option<Url>,
    identity: Option<Identity>,
    #[serde(default)]
    vocabulary: Vocabulary,
    store: Option<StoreFile>,
    mail: Option<MailTable>,
    archive: Option<ArchiveStandIn>,
    lambda: Option<LambdaTable>,
    internal: Option<Url>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum StoreFile {
    DynamoDb {
        url: Url,
        #[serde(default = "default_region")]
        region: String,
        table: String,
        #[serde(default)]
        volatile: Vec<String>,
        #[serde(default = "default_owner_attributes")]
        owners: Vec<String>,
        access_key_id: Option<String>,
        secret_access_key: Option<String>,
    },
    Postgres {
        url: String,
        #[serde(default)]
        volatile: Vec<String>,
        #[serde(default = "default_owner_columns")]
        owners: Vec<String>,
        schemas: Option<Schemas>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MailTable {
    listen: SocketAddr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LambdaTable {
    url: Url,
}

fn default_openapi() -> String {
    "/openapi.json".to_owned()
}

/// The region of the performance seed's deployments.
fn default_region() -> String {
    "af-south-1".to_owned()
}

/// The keys of a single-table design.
fn default_owner_attributes() -> Vec<String> {
    ["PK", "SK", "GSI1PK"].map(str::to_owned).to_vec()
}

/// What a table of organisations, users or their things is likely to have.
fn default_owner_columns() -> Vec<String> {
    ["id", "organisation_id", "organization_id", "user_id", "name", "email"].map(str::to_owned).to_vec()
}

impl Target {
    /// Reads a target file.
    pub fn read(path: &Path) -> Result<Target, TargetError> {
        let text = fs::read_to_string(path)
            .map_err(|source| TargetError::Unreadable { path: path.to_owned(), source })?;
        Target::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Target, TargetError> {
        let file: TargetFile = toml::from_str(text)
            .map_err(|source| TargetError::Malformed { path: path.to_owned(), source: Box::new(source) })?;
        let secret = |key: String, value: &str| secret(path, key, value);
        let store = file.store.map(|store| -> Result<Store, TargetError> {
            let credential = |key: &str, value: &Option<String>| match value {
                Some(value) => secret(format!("store.{key}"), value),
                None => Ok(Secret::new("watertight")),
            };
            Ok(match store {
                StoreFile::DynamoDb {
                    url,
                    region,
                    table,
                    volatile,
                    owners,
                    access_key_id,
                    secret_access_key,
                } => {
                    let credentials = (
                        credential("access_key_id", &access_key_id)?,
                        credential("secret_access_key", &secret_access_key)?,
                    );
                    Store::DynamoDb(TableStore { url, region, table, volatile, owners, credentials })
                }
                StoreFile::Postgres { url, volatile, owners, schemas } => {
                    let url = secret("store.url".to_owned(), &url)?;
                    Store::Postgres(DatabaseStore { url, volatile, owners, schemas })
                }
            })
        });
        let headers = file
            .headers
            .iter()
            .map(|(name, value)| Ok((name.clone(), secret(format!("headers.{name}"), value)?)))
            .collect::<Result<_, TargetError>>()?;
        let beside = |file: PathBuf| path.parent().unwrap_or(Path::new("")).join(file);
        let accepted = file.accepted.map(|accepted| accepted::read(&beside(accepted), &[&file.name]));
        let alone = !file.operations.is_empty() && file.openapi.is_none();
        let problems = problems(&file.operations, &file.vocabulary.roles, alone);
        if !problems.is_empty() {
            return Err(TargetError::Binding { path: path.to_owned(), problems });
        }
        let mut vocabulary = file.vocabulary;
        if let (Some(first), true) =
            (vocabulary.roles.first(), vocabulary.admin_role == Vocabulary::default().admin_role)
        {
            vocabulary.admin_role.clone_from(first);
        }
        let target = Target {
            file: Some(path.to_owned()),
            // Whoever binds operations has no document unless the file says so.
            openapi: if alone { None } else { Some(file.openapi.unwrap_or_else(default_openapi)) },
            operations: file.operations,
            provision: file.provision,
            capabilities: file.capabilities,
            denials: file.denials,
            read_only: file.read_only,
            tenants: file.tenants,
            limits: file.limits,
            consent: file.consent,
            accepted: accepted.transpose()?.unwrap_or_default(),
            waived: file.waived,
            volatile: file.volatile,
            headers,
            ca: file.ca.map(beside),
            proxy: file.proxy,
            identity: file.identity,
            vocabulary,
            store: store.transpose()?,
            mail: file.mail.map(|mail| mail.listen),
            archive: file.archive,
            lambda: file.lambda.map(|lambda| lambda.url),
            internal: file.internal,
            stores: Vec::new(),
            ..Target::at(&file.name, file.base_url)
        };
        match contradiction(&target) {
            Some(what) => Err(TargetError::Contradiction { path: path.to_owned(), what }),
            None => Ok(target),
        }
    }
}

fn secret(path: &Path, key: String, value: &str) -> Result<Secret, TargetError> {
    let path = path.to_owned();
    let Some(variable) = value.strip_prefix("env:") else {
        return Err(TargetError::SecretInTheClear { key, path });
    };
    match std::env::var(variable) {
        Ok(value) => Ok(Secret::new(value)),
        Err(_) => Err(TargetError::MissingVariable { key, variable: variable.to_owned(), path }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Store, Target};

    fn error(text: &str) -> String {
        Target::parse(text, Path::new("sit.toml")).unwrap_err().to_string()
    }

    const BASE: &str = "name = 'sit'\nbase_url = 'https://api.example.com'\n";

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = error(&format!("{BASE}capabilites = []\n"));
        assert!(
            error.contains("sit.toml") && error.contains("capabilites") && error.contains("line 3"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_variable_is_named_with_the_key_that_wants_it() {
        let error = error(&format!("{BASE}[headers]\nx-key = 'env:WATERTIGHT_TEST_NOT_SET'\n"));
        assert!(error.contains("headers.x-key") && error.contains("WATERTIGHT_TEST_NOT_SET"), "{error}");
    }

    #[test]
    fn a_secret_in_the_clear_is_refused_and_not_repeated() {
        let error = error(&format!("{BASE}[headers]\nx-key = 'hunter2hunter2'\n"));
        assert!(error.contains("env:NAME") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_capability_without_its_table_is_refused() {
        let error = error(&format!("{BASE}capabilities = ['store']\n"));
        assert!(error.contains("[store]"), "{error}");
    }

    const WITH_STORE: &str =
        "name = 'p'\nbase_url = 'http://127.0.0.1:1'\ncapabilities = ['store']\n[store]\n";

    #[test]
    fn a_store_is_one_of_two_kinds_each_with_keys_of_its_own() {
        let database = format!(
            "{WITH_STORE}kind = 'postgres'\nurl = 'env:PATH'\nvolatile = ['audit']\n\
             schemas = {{ table = 'public.tenants', owner = 'clerk_org_id', schema = 'tenant_{{id}}' }}\n"
        );
        let target = Target::parse(&database, Path::new("sit.toml")).unwrap();
        let Some(Store::Postgres(store)) = target.store else { unreachable!("the kind says so") };
        assert_eq!(store.schemas.unwrap().name_of(&serde_json::json!({ "id": "a-b", "n": 1 })), "tenant_a-b");
        assert!(store.owners.contains(&"user_id".to_owned()));

        let table = format!("{WITH_STORE}kind = 'dynamodb'\nurl = 'http://127.0.0.1:2'\ntable = 't'\n");
        let target = Target::parse(&table, Path::new("sit.toml")).unwrap();
        assert!(matches!(target.store, Some(Store::DynamoDb(_))));

        let mixed = error(&format!("{WITH_STORE}kind = 'postgres'\nurl = 'env:PATH'\ntable = 't'\n"));
        assert!(mixed.contains("table"), "{mixed}");
        let neither = error(&format!("{WITH_STORE}url = 'http://127.0.0.1:2'\ntable = 't'\n"));
        assert!(neither.contains("kind"), "{neither}");
    }

    #[test]
    fn the_url_of_a_database_stands_in_the_environment() {
        let error = error(&format!("{WITH_STORE}kind = 'postgres'\nurl = 'postgres://u:hunter2@h/d'\n"));
        assert!(
            error.contains("store.url") && error.contains("env:NAME") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn what_is_waived_names_a_class_and_has_a_reason() {
        let waived = |checks: &str, reason: &str| {
            Target::parse(
                &format!("{BASE}[[waived]]\nchecks = '{checks}'\nreason = '{reason}'\n"),
                Path::new("sit.toml"),
            )
        };
        let target = waived("content/*/headers.*", "the gateway adds them").unwrap();
        assert!(target.waives("content/team-get/headers.answer").is_some());
        assert!(target.waives("content/team-get/media.plain").is_none());
        for (checks, reason, said) in
            [("*", "none", "[[waived]] 1 is '*'"), ("hop/*", " ", "reason of [[waived]] 1")]
        {
            let error = waived(checks, reason).unwrap_err().to_string();
            assert!(error.contains("sit.toml") && error.contains(said), "{error}");
        }
    }

    #[test]
    fn hostile_requests_need_loopback_or_consent() {
        let parse = |text: &str| Target::parse(text, Path::new("sit.toml")).unwrap().consents();
        assert!(!parse(BASE));
        assert!(parse(&format!("{BASE}consent = ['api.example.com']\n")));
        assert!(parse("name = 'l'\nbase_url = 'http://127.0.0.1:1'\n"));
        assert!(parse("name = 'l'\nbase_url = 'http://[::1]:1'\n"));
        assert!(!parse("name = 'l'\nbase_url = 'http://127.0.0.1.example.com'\n"));
    }
}
