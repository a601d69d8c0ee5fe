//! Permissions of the platform: the same for every tenant, so nothing about one is a tenant's secret.

use super::{Data, DataError, Entry, Made, Tenant};
use crate::contract::SlotKind;
use crate::leak::random_code;

/// Creates permissions.
#[derive(Clone, Copy, Debug)]
pub struct Permissions<'d>(pub(super) &'d Data);

impl Permissions<'_> {
    /// A name that no permission has.
    pub fn fresh_name(self) -> String {
        format!("watertight-{}:read", random_code(8))
    }

    /// A new permission of the platform, on a resource whose name begins like this.
    pub async fn create_named(&self, tenant: &Tenant, resource: &str) -> Result<String, DataError> {
        self.create_as(tenant, &format!("{resource}-{}:read", random_code(8))).await
    }

    /// A new permission of the platform. The tenant is whose test makes it, no more.
    pub async fn create(&self, tenant: &Tenant) -> Result<String, DataError> {
        self.create_as(tenant, &self.fresh_name()).await
    }

    async fn create_as(&self, tenant: &Tenant, name: &str) -> Result<String, DataError> {
        let data = self.0;
        let admin = data.platform_admin()?;
        let call = data.api.call("permission-create").as_(&admin).slot(SlotKind::Permission, name);
        let (entry, answer) = data.send_entered(&tenant.key, &tenant.org, SlotKind::Permission, call).await?;
        let answer = answer.expect(201)?;
        let created = data.system.contract.get("permission-create");
        let pointer = created.and_then(|operation| operation.created(SlotKind::Permission));
        let id = answer.text_at(pointer.unwrap_or("/id"))?;
        self.enter(entry, tenant, &id)?;
        Ok(id)
    }

    /// Enters a permission that a request of the test itself created.
    pub fn adopt(&self, tenant: &Tenant, id: &str) -> Result<(), DataError> {
        let entry = self.0.ledger.creating(SlotKind::Permission, &tenant.key, &tenant.org)?;
        self.enter(entry, tenant, id)
    }

    /// Enters an id that now exists. The leak detector does not learn it: it is nobody's secret.
    fn enter(self, entry: Entry, tenant: &Tenant, id: &str) -> Result<(), DataError> {
        self.0.ledger.created(entry, id, &tenant.org)?;
        let kind = SlotKind::Permission;
        self.0.remember(Made { entry, kind, org: tenant.org.clone(), id: id.to_owned() });
        Ok(())
    }
}
