//! Products of a tenant.

use super::{Data, DataError, Tenant};
use crate::contract::SlotKind;
use crate::identity::Principal;

/// Creates products.
#[derive(Clone, Copy, Debug)]
pub struct Products<'d>(pub(super) &'d Data);

impl Products<'_> {
    /// A new product whose name holds the canary. Returns its id.
    pub async fn create(&self, tenant: &Tenant, creator: &Principal) -> Result<String, DataError> {
        let data = self.0;
        let call = data.api.call("product-create").as_(creator).org(&tenant.org);
        let call = call.slot(SlotKind::Text, &tenant.text("product"));
        Ok(data.create(&tenant.key, &tenant.org, SlotKind::Product, call, "product-create").await?.0)
    }
}
