//! Data managers, one per domain: what a test needs is created through the API, entered in the ledger
//! first, and removed at the end.

mod cleanup;
mod exports;
mod fill;
mod invitations;
mod ledger;
mod organisations;
mod permissions;
mod products;
mod roles;
mod teams;
mod tenants;
mod users;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::{Answer, Api, Call, CallError, Unexpected};
use crate::contract::{Place, SlotKind};
use crate::identity::Principal;
use crate::identity::login::LoginError;
use crate::leak::{Canary, TenantKey, random_code};
use crate::run::RunError;
use crate::stores::{ArchiveError, Database, Store, StoreError, Table};
use crate::system::System;
use crate::target::Capability;
use crate::wait::TimedOut;

pub use cleanup::sweep;
pub use exports::Exports;
pub use fill::Fill;
pub use invitations::{Invitation, Invitations};
pub use ledger::{Entry, Ledger, LedgerLine, Outstanding};
pub use organisations::Organisations;
pub use permissions::Permissions;
pub use products::Products;
pub use roles::Roles;
pub use teams::Teams;
pub use tenants::Tenants;
pub use users::Users;

/// Something could not be created or removed.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The target has nothing of a kind that an operation names.
    #[error("the target has no {0} to name")]
    Absent(SlotKind),
    /// No data manager makes a kind of thing.
    #[error("nothing in the harness can make a {0}: add a data manager for it")]
    Unmade(SlotKind),
    /// The call itself.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Nobody can sign in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The answer has no id where the contract says.
    #[error(
        "operations.{operation}.creates.{kind} in {file} is '{pointer}', and the answer has nothing there; it has \
         something at {found}: name one of these"
    )]
    Pointer {
        /// The operation.
        operation: String,
        /// What it creates.
        kind: SlotKind,
        /// The target file.
        file: String,
        /// What stands there.
        pointer: String,
        /// Where the answer has something.
        found: String,
    },
    /// The answer has no id where every answer is looked at, and the contract does not say where else.
    #[error(
        "operations.{operation}.creates in {file} has no `{kind}`, and the answer has no /id; it has something at \
         {found}: say which with creates = {{ {kind} = \"…\" }}"
    )]
    NoPointer {
        /// The operation.
        operation: String,
        /// What it creates.
        kind: SlotKind,
        /// The target file.
        file: String,
        /// Where the answer has something.
        found: String,
    },
    /// The answer.
    #[error("cannot set the scene: {0}")]
    Unexpected(#[from] Unexpected),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] RunError),
    /// The ledger of another run.
    #[error("cannot use the ledger in {folder}: {source}")]
    Unreadable {
        /// The run's folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The target cannot do what is needed.
    #[error("the target has no capability '{0}'")]
    Lacks(Capability),
    /// The state is made in a store of one kind, and the target's is another.
    #[error("the target's store is no {0}")]
    OtherStore(&'static str),
    /// The store has not what a state is made of.
    #[error("a state cannot be made in the store: {0}")]
    Untouched(String),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What is needed did not come: a mail, the end of a job.
    #[error(transparent)]
    Late(#[from] TimedOut),
    /// The mail came without a link.
    #[error("expected an invitation link in the mail to {0}, found none")]
    NoLink(String),
    /// Something is still there after cleanup.
    #[error("{} things are left after cleanup, the first: {}; `watertight sweep` removes them", .0.len(), .0[0])]
    Left(Vec<String>),
}

/// A tenant the harness made.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its canary, by which the leak detector knows it.
    pub key: TenantKey,
    /// The organisation's id.
    pub org: String,
    /// The organisation's name; holds the canary.
    pub name: String,
    /// The id of its record at the target, where that tells tenants from organisations.
    pub record: Option<String>,
}

impl Tenant {
    /// Free text that gives the tenant away wherever it surfaces.
    pub fn text(&self, about: &str) -> String {
        format!("{about} {} {}", self.key, random_code(4))
    }
}

/// All data managers of one test.
#[derive(Debug)]
pub struct Data {
    system: Arc<System>,
    api: Api,
    ledger: Ledger,
    made: Mutex<Vec<Made>>,
    people: Mutex<People>,
}

/// What is known of the people who were made.
#[derive(Debug, Default)]
struct People {
    /// Who founded an organisation, by its id.
    founders: BTreeMap<String, Principal>,
    /// The id of a membership, by organisation and person.
    memberships: BTreeMap<(String, String), String>,
}

/// Something that was created and not yet removed.
#[derive(Clone, Debug)]
struct Made {
    entry: Entry,
    kind: SlotKind,
    org: String,
    id: String,
}

impl Data {
    /// Managers that send through `api`. `owner` names the test in the ledger.
    pub fn new(system: Arc<System>, api: Api, owner: &str) -> Data {
        let ledger = Ledger::new(system.run, owner, &system.target);
        Data { system, api, ledger, made: Mutex::default(), people: Mutex::default() }
    }

    /// Organisations.
    pub fn organisations(&self) -> Organisations<'_> {
        Organisations(self)
    }

    /// Users.
    pub fn users(&self) -> Users<'_> {
        Users(self)
    }

    /// Teams and their members.
    pub fn teams(&self) -> Teams<'_> {
        Teams(self)
    }

    /// Roles.
    pub fn roles(&self) -> Roles<'_> {
        Roles(self)
    }

    /// Permissions of the platform.
    pub fn permissions(&self) -> Permissions<'_> {
        Permissions(self)
    }

    /// Invitations.
    pub fn invitations(&self) -> Invitations<'_> {
        Invitations(self)
    }

    /// Products.
    pub fn products(&self) -> Products<'_> {
        Products(self)
    }

    /// States of tenants that no request brings about.
    pub fn tenants(&self) -> Tenants<'_> {
        Tenants(self)
    }

    /// Exports of the audit log.
    pub fn exports(&self) -> Exports<'_> {
        Exports(self)
    }

    /// The platform administrator, who provisions.
    pub fn platform_admin(&self) -> Result<Principal, DataError> {
        if !self.system.target.can(Capability::Provision) {
            return Err(DataError::Lacks(Capability::Provision));
        }
        self.system.platform_admin().ok_or(DataError::Lacks(Capability::Mint))
    }

    /// Who administers an organisation from outside its stories: whoever founded it, or the platform's administrator.
    fn administrator_of(&self, org: &str) -> Result<Principal, DataError> {
        let founder = self.people().founders.get(org).cloned();
        founder.map_or_else(|| self.platform_admin(), Ok)
    }

    fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of somebody's membership of an organisation, where the target gave it one.
    pub fn membership(&self, org: &str, person: &str) -> Result<String, DataError> {
        let id = self.people().memberships.get(&(org.to_owned(), person.to_owned())).cloned();
        id.ok_or(DataError::Absent(SlotKind::Membership))
    }

    /// Remembers the membership that an answer tells the id of.
    fn learn_membership(
        &self,
        tenant: &TenantKey,
        org: &str,
        person: &str,
        operation: &str,
        answer: &Answer,
    ) -> Result<(), DataError> {
        let creates = self.system.contract.get(operation).and_then(|of| of.created(SlotKind::Membership));
        if creates.is_none() {
            return Ok(());
        }
        let id = self.created_id(operation, SlotKind::Membership, answer)?;
        self.system.leaks.learn(tenant, SlotKind::Membership.as_str(), &id);
        self.people().memberships.insert((org.to_owned(), person.to_owned()), id);
        Ok(())
    }

    /// The id of what an operation created, where the contract says that the answer has it.
    fn created_id(&self, operation: &str, kind: SlotKind, answer: &Answer) -> Result<String, DataError> {
        let said = self.system.contract.get(operation).and_then(|operation| operation.created(kind));
        let found = answer.text_at(said.unwrap_or("/id"));
        let target = &self.system.target;
        if !target.operations.contains_key(operation) {
            return Ok(found?);
        }
        let (operation, file) = (operation.to_owned(), target.file_name());
        found.map_err(|_| match (said.map(str::to_owned), answer.texts().join(", ")) {
            (Some(pointer), found) => DataError::Pointer { operation, kind, file, pointer, found },
            (None, found) => DataError::NoPointer { operation, kind, file, found },
        })
    }

    fn store(&self) -> Result<&Store, DataError> {
        self.system.store.as_ref().ok_or(DataError::Lacks(Capability::Store))
    }

    /// The DynamoDB table, for what no request brings about.
    pub(crate) fn table(&self) -> Result<&Table, DataError> {
        self.store()?.table().ok_or(DataError::OtherStore("DynamoDB table"))
    }

    /// The PostgreSQL database, for what no request brings about.
    pub(crate) fn database(&self) -> Result<&Database, DataError> {
        self.store()?.database().ok_or(DataError::OtherStore("PostgreSQL database"))
    }

    /// Creates through an operation: ledger entry, request, id from the answer, leak detector.
    async fn create(
        &self,
        tenant: &TenantKey,
        org: &str,
        kind: SlotKind,
        call: Call,
        operation: &str,
    ) -> Result<(String, Answer), DataError> {
        let (entry, answer) = self.send_entered(tenant, org, kind, call).await?;
        let answer = answer.success(&self.system.contract)?;
        let id = self.created_id(operation, kind, &answer)?;
        self.created(entry, tenant, org, kind, &id)?;
        Ok((id, answer))
    }

    /// Sends what makes something, which is entered before: it can be removed, whatever becomes of the answer. What was not
    /// sent made nothing.
    async fn send_entered(
        &self,
        tenant: &TenantKey,
        org: &str,
        kind: SlotKind,
        call: Call,
    ) -> Result<(Entry, Answer), DataError> {
        let entry = self.ledger.creating(kind, tenant, org)?;
        match call.send().await {
            Err(error) if error.is_unsent() => {
                self.ledger.removed(entry)?;
                Err(error.into())
            }
            answer => Ok((entry, answer?)),
        }
    }

    /// Where an operation may name a kind of thing, and need not.
    fn optional_places(&self, operation: &str, kind: SlotKind) -> Vec<Place> {
        let operation = self.system.contract.get(operation);
        let slots = operation.map(|operation| operation.slots.as_slice()).unwrap_or_default();
        slots
            .iter()
            .filter(|slot| slot.kind == kind && slot.optional)
            .map(|slot| slot.place.clone())
            .collect()
    }

    /// Enters an id that now exists.
    fn created(
        &self,
        entry: Entry,
        tenant: &TenantKey,
        org: &str,
        kind: SlotKind,
        id: &str,
    ) -> Result<(), DataError> {
        let org = if kind == SlotKind::Org { id } else { org };
        self.ledger.created(entry, id, org)?;
        self.system.leaks.learn(tenant, kind.as_str(), id);
        self.remember(Made { entry, kind, org: org.to_owned(), id: id.to_owned() });
        Ok(())
    }

    fn remember(&self, made: Made) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(made);
    }

    /// Enters an id that a request of the test itself created.
    pub fn adopt(&self, tenant: &Tenant, kind: SlotKind, id: &str) -> Result<(), DataError> {
        let org = if kind == SlotKind::Org { id } else { &tenant.org };
        let entry = self.ledger.creating(kind, &tenant.key, org)?;
        self.created(entry, &tenant.key, org, kind, id)
    }

    /// Removes everything that was created, newest first, and verifies it.
    ///
    /// With the store nothing is left. Without it, organisations are deleted through the API and what the
    /// target keeps of them (soft-deleted items, audit) is residue.
    pub async fn cleanup(&self) -> Result<(), DataError> {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        if made.is_empty() {
            return Ok(());
        }
        let made_of = |kind: SlotKind| made.iter().filter(move |made| made.kind == kind);
        let ids = |kind: SlotKind| -> Vec<&str> { made_of(kind).map(|made| made.id.as_str()).collect() };
        let users = made_of(SlotKind::User).map(|made| (made.org.clone(), made.id.clone()));
        let founders = self.people().founders.clone();
        cleanup::by_founders(&self.system, &founders).await?;
        let orgs = ids(SlotKind::Org);
        let orgs: Vec<&str> = orgs.into_iter().filter(|org| !founders.contains_key(*org)).collect();
        let records = made_of(SlotKind::Tenant).map(|made| (made.org.clone(), made.id.clone()));
        cleanup::remove(&self.system, &orgs, &users.collect::<Vec<_>>(), &records.collect()).await?;
        cleanup::remove_permissions(&self.system, &ids(SlotKind::Permission)).await?;
        for made in made.iter().rev() {
            self.ledger.removed(made.entry)?;
        }
        Ok(())
    }

    /// Leaves everything where it is, for a look at it. Says how to look and how to remove it.
    pub fn keep(&self) -> Option<String> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let org = made.iter().find(|made| made.kind == SlotKind::Org)?;
        Some(match &self.system.store {
            Some(store) => format!(
                "kept: organisation {}; look: {} (while the target runs); remove: watertight sweep",
                org.id,
                store.how_to_look(&org.id)
            ),
            None => format!("kept: organisation {}; remove: watertight sweep", org.id),
        })
    }
}

/// A fresh address that no mail server will ever take.
pub fn fresh_email(name: &str) -> String {
    format!("{name}-{}@watertight.invalid", random_code(8))
}

/// A fresh canary: what a new tenant is known by.
fn fresh_key() -> TenantKey {
    Canary::fresh()
}
