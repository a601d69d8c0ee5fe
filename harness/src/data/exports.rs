//! Exports of the audit log.

use std::time::Duration;

use super::{Data, DataError, Tenant};
use crate::contract::SlotKind;
use crate::identity::Principal;
use crate::target::Capability;
use crate::wait;

/// How long a small export may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Begins exports.
#[derive(Clone, Copy, Debug)]
pub struct Exports<'d>(pub(super) &'d Data);

impl Exports<'_> {
    /// A new export of the time in the contract's example, which has ended. Returns its id.
    ///
    /// It is waited for: an organisation has room for a few unfinished ones only.
    pub async fn create(&self, tenant: &Tenant, creator: &Principal) -> Result<String, DataError> {
        let data = self.0;
        if !data.system.target.can(Capability::Archive) {
            return Err(DataError::Lacks(Capability::Archive));
        }
        let call = data.api.call("audit-export").as_(creator).org(&tenant.org);
        let (entry, answer) =
            data.send_entered(&tenant.key, &tenant.org, SlotKind::AuditExport, call).await?;
        let id = answer.expect(202)?.text_at("/id")?;
        data.created(entry, &tenant.key, &tenant.org, SlotKind::AuditExport, &id)?;
        wait::until(&format!("the export {id} to end"), LIMIT, || async {
            let call = data.api.call("audit-export-get").as_(creator).org(&tenant.org);
            let answer =
                call.slot(SlotKind::AuditExport, &id).send().await.map_err(|error| error.to_string())?;
            match answer.text_at("/status").map_err(|error| error.to_string())?.as_str() {
                "PENDING" => Err("it is PENDING".to_owned()),
                _ => Ok(()),
            }
        })
        .await?;
        Ok(id)
    }
}
