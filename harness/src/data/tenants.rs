//! States of a tenant that no request brings about, made in the store of platform-service.

use serde_json::Value;

use super::{Data, DataError, Tenant};
use crate::identity::Principal;

/// Brings about states of tenants.
#[derive(Clone, Copy, Debug)]
pub struct Tenants<'d>(pub(super) &'d Data);

impl Tenants<'_> {
    /// Lets the time of a trial run out: nobody waits a fortnight.
    pub async fn end_trial(&self, tenant: &Tenant) -> Result<(), DataError> {
        const PAST: &str = "
            UPDATE public.tenants SET trial_ends_at = now() - interval '1 second'
            WHERE org_id = $1 AND status = 'trial'";
        self.change(PAST, &[&tenant.org]).await
    }

    /// Writes the features that are stored beside the plan.
    pub async fn set_features(&self, tenant: &Tenant, features: &Value) -> Result<(), DataError> {
        const FEATURES: &str = "UPDATE public.tenants SET features = $2::jsonb WHERE org_id = $1";
        self.change(FEATURES, &[&tenant.org, &features.to_string()]).await
    }

    /// Puts the tenant on a plan that is stored and that nobody gave a meaning.
    pub async fn set_unheard_of_plan(&self, tenant: &Tenant) -> Result<(), DataError> {
        const PLAN: &str =
            "INSERT INTO public.plans (tier, features) VALUES ('unheard-of', '{}') ON CONFLICT DO NOTHING";
        const ON_IT: &str = "UPDATE public.tenants SET tier = 'unheard-of' WHERE org_id = $1";
        self.0.database()?.execute(PLAN, &[]).await?;
        self.change(ON_IT, &[&tenant.org]).await
    }

    /// Writes a member's role, whatever it says.
    pub async fn set_role(&self, tenant: &Tenant, member: &Principal, role: &str) -> Result<(), DataError> {
        const ROLE: &str = "UPDATE public.memberships SET role = $3 WHERE org_id = $1 AND user_id = $2";
        self.change(ROLE, &[&tenant.org, &member.subject, role]).await
    }

    /// Takes from the application's roles the right to write to the tenant's audit log.
    pub async fn close_log(&self, tenant: &Tenant) -> Result<(), DataError> {
        const ROLES: &str = "SELECT quote_ident(role::text) AS role FROM platform.application";
        let database = self.0.database()?;
        let roles = database.rows(ROLES, &[]).await?;
        let mut session = database.session().await?;
        for schema in database.schemas_of(&[&tenant.org]).await? {
            for role in roles.iter().filter_map(|row| row["role"].as_str()) {
                session.run(&format!("REVOKE INSERT ON \"{schema}\".audit FROM {role}")).await?;
            }
        }
        Ok(())
    }

    /// What the service would set `app.NAME` to for a value: the value with the seal that the database believes.
    pub async fn seal(&self, name: &str, value: &str) -> Result<String, DataError> {
        const SEAL: &str = "
            SELECT $2 || '.' || encode(sha256(outer_pad || sha256(inner_pad
                || convert_to($1 || '=' || $2, 'UTF8'))), 'hex') AS sealed FROM platform.seal";
        let rows = self.0.database()?.rows(SEAL, &[name, value]).await?;
        let sealed = rows.first().and_then(|row| row["sealed"].as_str());
        sealed.map(str::to_owned).ok_or_else(|| DataError::Untouched("the key of the seals".to_owned()))
    }

    /// A statement that must touch one row: a state that was not made is not there to be tested.
    async fn change(&self, statement: &'static str, arguments: &[&str]) -> Result<(), DataError> {
        match self.0.database()?.execute(statement, arguments).await? {
            1 => Ok(()),
            touched => Err(DataError::Untouched(format!("{touched} rows in the place of one"))),
        }
    }
}
