//! Organisations: the tenants themselves.

use super::{Data, DataError, Tenant, fresh_key};
use crate::client::Call;
use crate::contract::{Contract, SlotKind};
use crate::identity::Principal;
use crate::leak::{Entitlement, TenantKey};
use crate::target::{Capability, Resident};

/// Makes an organisation, whose id the target chooses.
const BY_TARGET: &str = "org-create";
/// Makes a tenant of an organisation, whose id its identity provider has chosen.
const BY_PROVIDER: &str = "tenant-create";

/// Creates organisations.
#[derive(Clone, Copy, Debug)]
pub struct Organisations<'d>(pub(super) &'d Data);

impl Organisations<'_> {
    /// A new organisation whose name holds its canary, on the plan that includes every feature.
    pub async fn create(&self, name: &str) -> Result<Tenant, DataError> {
        let plan = self.0.system.target.vocabulary.plan.clone();
        self.create_on(name, plan.as_deref()).await
    }

    /// A new organisation on a plan; where the target has plans and none is named, on that of the contract's example.
    pub async fn create_on(&self, name: &str, plan: Option<&str>) -> Result<Tenant, DataError> {
        let data = self.0;
        let key = fresh_key();
        let name = format!("{name} {key}");
        if self.0.system.founded_by_people() {
            return self.found(key, name).await;
        }
        let admin = data.platform_admin()?;
        if !chosen_by_provider(&data.system.contract) {
            let call = self.named(BY_TARGET, &admin, &key, &name);
            let (org, _) = data.create(&key, "", SlotKind::Org, call, BY_TARGET).await?;
            return Ok(Tenant { key, org, name, record: None });
        }
        let org = org_of(&key);
        let call = self.named(BY_PROVIDER, &admin, &key, &name).org(&org);
        let call = match plan {
            Some(plan) => call.slot(SlotKind::Status, plan),
            None => call,
        };
        let (org, answer) = data.create(&key, &org, SlotKind::Org, call, BY_PROVIDER).await?;
        let created = data.system.contract.get(BY_PROVIDER);
        let pointer = created.and_then(|operation| operation.created(SlotKind::Tenant));
        let record = pointer.map(|pointer| answer.text_at(pointer)).transpose()?;
        let tenant = Tenant { key, org, name, record };
        if let Some(record) = &tenant.record {
            data.adopt(&tenant, SlotKind::Tenant, record)?;
        }
        Ok(tenant)
    }

    /// A new organisation of a person who signs up for it, and administers it from then on.
    async fn found(self, key: TenantKey, name: String) -> Result<Tenant, DataError> {
        let data = self.0;
        if !data.system.target.can(Capability::Provision) {
            return Err(DataError::Lacks(Capability::Provision));
        }
        let person = data.users().person("founder").await?;
        let founder = Principal { entitlement: Entitlement::of(&key), ..person };
        let call = self.named(BY_TARGET, &founder, &key, &name);
        let (org, answer) = data.create(&key, "", SlotKind::Org, call, BY_TARGET).await?;
        data.learn_membership(&key, &org, &founder.subject, BY_TARGET, &answer)?;
        data.people().founders.insert(org.clone(), founder);
        Ok(Tenant { key, org, name, record: None })
    }

    fn named(self, operation: &str, admin: &Principal, key: &TenantKey, name: &str) -> Call {
        let call = self.0.api.call(operation).as_(admin).slot(SlotKind::Text, name);
        call.slot(SlotKind::Slug, &format!("t-{key}"))
    }

    /// A tenant that is there, as the target file says. The harness made nothing of it and removes nothing.
    pub fn resident(&self, resident: &Resident) -> Tenant {
        let key = fresh_key();
        self.0.system.leaks.learn(&key, SlotKind::Org.as_str(), &resident.org);
        Tenant { name: resident.org.clone(), org: resident.org.clone(), key, record: None }
    }

    /// An organisation that the identity provider knows and of which the target has no tenant yet.
    pub fn without_tenant(&self, name: &str) -> Result<Tenant, DataError> {
        let key = fresh_key();
        let org = org_of(&key);
        let tenant = Tenant { org: org.clone(), name: format!("{name} {key}"), key, record: None };
        self.0.adopt(&tenant, SlotKind::Org, &org)?;
        Ok(tenant)
    }
}

/// Whether ids of organisations come from the identity provider, whose part the harness then plays.
pub(super) fn chosen_by_provider(contract: &Contract) -> bool {
    contract.get(BY_TARGET).is_none() && contract.get(BY_PROVIDER).is_some()
}

/// The id that the harness chooses for a tenant's organisation: it follows from the canary, so that the ledger knows
/// it before anything is answered.
pub(super) fn org_of(key: &TenantKey) -> String {
    format!("org_{key}")
}
