//! Users of organisations, and the principals they sign in as.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Data, DataError, Made, Tenant, fresh_email, fresh_key};
use crate::client::Call;
use crate::contract::SlotKind;
use crate::identity::Principal;
use crate::identity::login;
use crate::leak::Entitlement;
use crate::target::{Capability, Resident, Sender};

/// Makes a user of an organisation.
const AS_USER: &str = "user-create";
/// Makes a member of an organisation, where users come from the identity provider.
const AS_MEMBER: &str = "member-add";

/// Creates users.
#[derive(Clone, Copy, Debug)]
pub struct Users<'d>(pub(super) &'d Data);

impl Users<'_> {
    /// A new user of an organisation, with a role given by its id or predefined name, signed in.
    pub async fn create(
        &self,
        tenant: &Tenant,
        label: &str,
        role: Option<&str>,
    ) -> Result<Principal, DataError> {
        let person = self.person(label).await?;
        self.join(tenant, &person, role).await
    }

    /// Somebody the target does not know yet, signed in; where the target signs, signed up for it.
    pub async fn person(&self, label: &str) -> Result<Principal, DataError> {
        let Some(login) = self.0.system.target.login() else { return self.stranger(label) };
        let person = login::sign_up(&self.0.api, login, label, &fresh_email(label)).await?;
        // Belongs to no tenant: nobody's secret.
        let (kind, org) = (SlotKind::User, String::new());
        let entry = self.0.ledger.creating(kind, &fresh_key(), &org)?;
        self.0.ledger.created(entry, &person.subject, &org)?;
        self.0.remember(Made { entry, kind, org, id: person.subject.clone() });
        Ok(person)
    }

    /// A new user who may do everything in an organisation, signed in.
    pub async fn administrator(&self, tenant: &Tenant, label: &str) -> Result<Principal, DataError> {
        let role = self.0.system.target.vocabulary.admin_role.clone();
        self.create(tenant, label, Some(&role)).await
    }

    /// The operation by which a person gets into an organisation.
    fn operation(self) -> &'static str {
        if self.0.system.contract.get(AS_USER).is_none() { AS_MEMBER } else { AS_USER }
    }

    /// The predefined role that people get in with where none is asked for; none where they get in without.
    pub fn usual_role(&self) -> Option<String> {
        let system = &self.0.system;
        let steps = system.target.provision.member.iter().map(|step| step.call.as_str());
        let mut ways: Vec<&str> = steps.collect();
        if ways.is_empty() {
            ways.push(self.operation());
        }
        let mut slots =
            ways.into_iter().filter_map(|name| system.contract.get(name)).flat_map(|way| &way.slots);
        let role = slots.find(|slot| slot.kind == SlotKind::PlatformRole && !slot.optional)?;
        role.example.clone()
    }

    /// Somebody the target does not know yet, whose tokens the harness mints: belongs to no tenant.
    pub fn stranger(&self, label: &str) -> Result<Principal, DataError> {
        let issuer = self.0.system.stand_ins.issuer.as_ref().ok_or(DataError::Lacks(Capability::Mint))?;
        let subject = Uuid::new_v4().to_string();
        if self.operation() == AS_MEMBER {
            // Whoever shows a token of the identity provider becomes a user, of no tenant: nobody's secret.
            let (kind, org) = (SlotKind::User, String::new());
            let entry = self.0.ledger.creating(kind, &fresh_key(), &org)?;
            self.0.ledger.created(entry, &subject, &org)?;
            self.0.remember(Made { entry, kind, org, id: subject.clone() });
        }
        Ok(Principal::minted(label, issuer, &subject, &fresh_email(label), Entitlement::none()))
    }

    /// The user of a tenant that is there, signed in.
    pub fn resident(
        &self,
        tenant: &Tenant,
        resident: &Resident,
        label: &str,
    ) -> Result<Principal, DataError> {
        let issuer = self.0.system.stand_ins.issuer.as_ref().ok_or(DataError::Lacks(Capability::Mint))?;
        let entitlement = Entitlement::of(&tenant.key);
        Ok(Principal::minted(label, issuer, &resident.user, &fresh_email(label), entitlement))
    }

    /// Makes a person a user of one more organisation. The principal returned may see that one too.
    pub async fn join(
        &self,
        tenant: &Tenant,
        person: &Principal,
        role: Option<&str>,
    ) -> Result<Principal, DataError> {
        let data = self.0;
        if !data.system.target.provision.member.is_empty() {
            return self.lead_in(tenant, person, role).await;
        }
        let admin = data.administrator_of(&tenant.org)?;
        let operation = self.operation();
        let mut call = data
            .api
            .call(operation)
            .as_(&admin)
            .org(&tenant.org)
            .user(&person.subject)
            .slot(SlotKind::Person, &person.subject)
            .slot(SlotKind::Email, &person.email)
            .slot(SlotKind::Text, &tenant.text(&person.label));
        // Without a role the place is left out: the contract's example names one. Where there must be one, it is that.
        call = match role {
            Some(role) => call.slot(SlotKind::PlatformRole, role),
            None => data.optional_places(operation, SlotKind::PlatformRole).iter().fold(call, Call::without),
        };
        let created = data.system.contract.get(operation).and_then(|of| of.created(SlotKind::User));
        let answer = if created.is_some() || data.system.target.login().is_none() {
            data.create(&tenant.key, &tenant.org, SlotKind::User, call, operation).await?.1
        } else {
            // The person signed up: there is nothing to create but the membership.
            let answer = call.send().await?.success(&data.system.contract)?;
            data.adopt(tenant, SlotKind::User, &person.subject)?;
            answer
        };
        data.learn_membership(&tenant.key, &tenant.org, &person.subject, operation, &answer)?;
        Ok(Principal { entitlement: person.entitlement.clone().and(&tenant.key), ..person.clone() })
    }

    /// Makes a person a member by the steps of the target file: what one answers with, the next may name.
    async fn lead_in(
        self,
        tenant: &Tenant,
        person: &Principal,
        role: Option<&str>,
    ) -> Result<Principal, DataError> {
        let data = self.0;
        let member = Principal { entitlement: person.entitlement.clone().and(&tenant.key), ..person.clone() };
        let mut values = BTreeMap::from([
            (SlotKind::Org, tenant.org.clone()),
            (SlotKind::User, person.subject.clone()),
            (SlotKind::Person, person.subject.clone()),
            (SlotKind::Email, person.email.clone()),
            (SlotKind::Text, tenant.text(&person.label)),
        ]);
        values.extend(role.map(|role| (SlotKind::PlatformRole, role.to_owned())));
        for step in &data.system.target.provision.member {
            let sender = match step.by {
                Sender::Administrator => data.administrator_of(&tenant.org)?,
                Sender::Person => member.clone(),
            };
            let call = data.api.call(&step.call).as_(&sender);
            let call = values.iter().fold(call, |call, (kind, value)| call.slot(*kind, value));
            let answer = call.send().await?.success(&data.system.contract)?;
            let operation = data.system.contract.get(&step.call);
            for (kind, _) in operation.iter().flat_map(|operation| &operation.creates) {
                let id = data.created_id(&step.call, *kind, &answer)?;
                data.system.leaks.learn(&tenant.key, kind.as_str(), &id);
                values.insert(*kind, id);
            }
            data.learn_membership(&tenant.key, &tenant.org, &person.subject, &step.call, &answer)?;
        }
        data.adopt(tenant, SlotKind::User, &person.subject)?;
        Ok(member)
    }
}
