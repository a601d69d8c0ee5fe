//! A tenant with an owner on the platform: where most of its stories begin.

use harness::client::{Answer, Call};
use harness::contract::{Place, SlotKind};
use harness::data::Tenant;
use harness::identity::Principal;
use harness::leak::random_code;
use harness::world::{Stop, World};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Gives as _;

/// What a tenant has that has everything.
pub const EVERYTHING: &str = "enterprise";

/// An organisation with an owner, and its tenant. What it is asked to set up is done by that owner.
#[derive(Debug)]
pub struct Business<'w> {
    world: &'w World,
    /// The organisation.
    pub tenant: Tenant,
    /// The tenant's id; empty as long as the organisation has no tenant.
    pub id: String,
    /// Its owner.
    pub owner: Principal,
}

/// An event of a tenant's audit log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// The request it was of.
    pub request_id: String,
    /// Who did it.
    pub actor: String,
    /// What was tried: the name of an operation.
    pub operation: String,
    /// What became of it.
    pub outcome: String,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What it was done to.
    pub resource: Option<String>,
}

impl Entry {
    /// Operation and outcome, and the reason of a denial: `product-create DENIED role`.
    pub fn what(&self) -> String {
        let reason = self.reason.as_deref().map(|reason| format!(" {reason}")).unwrap_or_default();
        format!("{} {}{reason}", self.operation, self.outcome)
    }
}

impl<'w> Business<'w> {
    /// A tenant of that name with every feature there is.
    pub async fn open(world: &'w World, name: &str) -> Result<Business<'w>, Stop> {
        Business::open_on(world, name, EVERYTHING).await
    }

    /// A tenant of that name on a plan.
    pub async fn open_on(world: &'w World, name: &str, tier: &str) -> Result<Business<'w>, Stop> {
        Business::of(world, world.data.organisations().create_on(name, Some(tier)).await?).await
    }

    /// An organisation with an owner and without a tenant.
    pub async fn before_it_opens(world: &'w World, name: &str) -> Result<Business<'w>, Stop> {
        Business::of(world, world.data.organisations().without_tenant(name)?).await
    }

    async fn of(world: &'w World, tenant: Tenant) -> Result<Business<'w>, Stop> {
        let owner = world.data.users().create(&tenant, "owner", Some("owner")).await?;
        let id = tenant.record.clone().unwrap_or_default();
        Ok(Business { world, tenant, id, owner })
    }

    /// What makes the tenant of an organisation that has none.
    pub fn opening(&self, tier: &str) -> Result<Call, Stop> {
        // Another each time: of several who ask at once it is not the slug that keeps all but one from it.
        let slug = format!("t-{}-{}", self.tenant.key, random_code(6)).to_lowercase();
        let body = json!({ "name": self.tenant.name, "slug": slug, "clerkOrgId": self.org(), "tier": tier });
        Ok(self.platform("tenant-create")?.json(body))
    }

    /// The world it is in.
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// The organisation's id.
    pub fn org(&self) -> &str {
        &self.tenant.org
    }

    /// An operation in this organisation by someone.
    pub fn by(&self, who: &Principal, operation: &str) -> Call {
        self.world.api.call(operation).as_(who).org(&self.tenant.org)
    }

    /// An operation in this organisation by its owner.
    pub fn owner(&self, operation: &str) -> Call {
        self.by(&self.owner, operation)
    }

    /// An operation in this organisation by the platform.
    pub fn platform(&self, operation: &str) -> Result<Call, Stop> {
        let platform = self.world.data.platform_admin()?;
        Ok(self.by(&platform, operation).slot(SlotKind::Tenant, &self.id))
    }

    /// A new member of a role.
    pub async fn member(&self, role: &str) -> Result<Principal, Stop> {
        Ok(self.world.data.users().create(&self.tenant, role, Some(role)).await?)
    }

    /// Makes somebody known a member too; the principal returned may see this tenant as well.
    pub async fn join(&self, person: &Principal, role: &str) -> Result<Principal, Stop> {
        Ok(self.world.data.users().join(&self.tenant, person, Some(role)).await?)
    }

    /// A new product with a price in cents.
    pub async fn product(&self, name: &str, price_cents: u64) -> Result<String, Stop> {
        let create = self.owner("product-create").json(json!({ "name": name, "priceCents": price_cents }));
        let id = create.gives(201).await?.text_at("/id")?;
        self.world.data.adopt(&self.tenant, SlotKind::Product, &id)?;
        Ok(id)
    }

    /// The sale of so many of a product.
    pub fn sell(&self, who: &Principal, product: &str, quantity: u64) -> Call {
        self.by(who, "sale-create").json(json!({ "productId": product, "quantity": quantity }))
    }

    /// The names in a list that someone sees, in the order of the alphabet.
    pub async fn names_seen_by(&self, who: &Principal) -> Result<Vec<String>, Stop> {
        let items = self.by(who, "product-list").query("limit", &100).items().await?;
        let mut names: Vec<String> =
            items.iter().filter_map(|item| item["name"].as_str()).map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// What the dashboard says to the owner.
    pub async fn dashboard(&self) -> Result<Value, Stop> {
        Ok(self.owner("dashboard-get").gives(200).await?.json())
    }

    /// The plan is changed by the owner.
    pub async fn subscribe(&self, tier: &str) -> Result<Answer, Stop> {
        self.owner("subscription-set").json(json!({ "tier": tier })).gives(200).await
    }

    /// The tenant's standing is set by the platform.
    pub async fn stand(&self, status: Value) -> Result<Answer, Stop> {
        self.platform("tenant-status-set")?.json(status).gives(200).await
    }

    /// The newest hundred entries of the audit log, newest first, as the owner reads them.
    pub async fn log(&self) -> Result<Vec<Entry>, Stop> {
        let answer = self.owner("audit-list").query("limit", &100).gives(200).await?;
        let entries = serde_json::from_value(Value::Array(answer.array_at("/items")?));
        Ok(entries.map_err(|error| answer.unexpected("entries", &error.to_string()))?)
    }

    /// What came into the log after an entry was the newest, in the order of the alphabet.
    pub async fn log_since(&self, before: &[Entry]) -> Result<Vec<String>, Stop> {
        let newest = before.first().map(|entry| entry.id.clone());
        let log = self.log().await?;
        let new = log.iter().take_while(|entry| newest.as_ref() != Some(&entry.id));
        let mut new: Vec<String> = new.map(Entry::what).collect();
        new.sort();
        Ok(new)
    }

    /// The whole audit log, the oldest entry first, as it is stored: also of a tenant that is closed.
    pub async fn entries(&self) -> Result<Vec<Entry>, Stop> {
        let mut rows = self.rows("audit").await?;
        rows.sort_by_key(|row| row["id"].as_str().map(str::to_owned));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let entry = |row: &Value| Entry {
            id: text(&row["id"]).unwrap_or_default(),
            request_id: text(&row["request_id"]).unwrap_or_default(),
            actor: text(&row["actor"]).unwrap_or_default(),
            operation: text(&row["operation"]).unwrap_or_default(),
            outcome: text(&row["outcome"]).unwrap_or_default(),
            reason: text(&row["reason"]),
            resource: text(&row["resource"]),
        };
        Ok(rows.iter().map(entry).collect())
    }

    /// The rows of one of the tenant's tables, as they are stored.
    pub async fn rows(&self, table: &str) -> Result<Vec<Value>, Stop> {
        let database = self.world.database()?;
        let mut rows = Vec::new();
        for schema in database.schemas_of(&[self.org()]).await? {
            rows.extend(database.rows_of(&schema, table).await?);
        }
        Ok(rows)
    }
}

/// Where an operation of a tenant names the organisation.
pub fn organisation_header() -> Place {
    Place::Header("X-Organization-ID".to_owned())
}

/// Insists on a refusal of this status and kind, told in a problem document that says nothing it should not.
pub fn refused(answer: &Answer, status: u16, kind: &str) -> Result<(), Stop> {
    let problem = answer.json();
    let is_it = answer.status == status
        && problem["status"] == json!(status)
        && problem["type"] == json!(format!("urn:platform:problem:{kind}"));
    if is_it {
        return Ok(());
    }
    let found = format!("{} {}", answer.status, problem["type"]);
    Err(answer.unexpected(&format!("{status} {kind}"), &found).into())
}

/// The stored users of a subject.
pub async fn users_of(world: &World, subject: &str) -> Result<Vec<Value>, Stop> {
    let query = "SELECT * FROM public.users WHERE subject = $1";
    Ok(world.database()?.rows(query, &[subject]).await?)
}
