//! One operation tried by everyone who may be refused it: each documented status is brought about and noted.

use std::collections::BTreeSet;

use harness::client::{Answer, Call};
use harness::contract::{Operation, Place};
use harness::data::{Fill, Tenant};
use harness::identity::Principal;
use harness::world::{Stop, World};
use serde_json::json;

/// Names nothing anywhere.
pub const ABSENT: &str = "00000000-0000-4000-8000-000000000000";
/// More than the 64 KiB that a body may have.
const TOO_MUCH: usize = 70 * 1024;

/// One operation, what it is tried with, and who may.
#[derive(Debug)]
pub struct Trial<'w> {
    /// The world it is tried in.
    pub world: &'w World,
    /// What is tried.
    pub operation: Operation,
    /// The values with which its rightful caller succeeds.
    pub fill: Fill,
    /// Who that is.
    pub rightful: Principal,
    seen: BTreeSet<u16>,
}

impl<'w> Trial<'w> {
    /// A trial of the operation of that name in a tenant that `admin` administers.
    pub async fn of(
        world: &'w World,
        tenant: &Tenant,
        admin: &Principal,
        name: &str,
    ) -> Result<Trial<'w>, Stop> {
        let operation = world.system.contract.get(name).cloned();
        let operation =
            operation.ok_or_else(|| Stop::fail(format!("an operation {name} in the contract")))?;
        let fill = world.data.fill(tenant, admin, &operation).await?;
        let rightful = if operation.is_the_platforms() {
            world.data.platform_admin()?
        } else {
            fill.rightful(&operation, admin)
        };
        Ok(Trial { world, operation, fill, rightful, seen: BTreeSet::new() })
    }

    /// The operation, called by someone.
    pub fn by(&self, principal: &Principal) -> Call {
        self.fill.call(&self.world.api, &self.operation, principal)
    }

    /// Sends a call and insists on its status; a refusal must be a problem document.
    pub async fn must_be(&mut self, status: u16, call: Call) -> Result<Answer, Stop> {
        let answer = call.send().await?.expect(status)?;
        self.seen.insert(status);
        if status >= 400 {
            let problem = answer.json();
            let is_it = problem["status"] == json!(status)
                && problem["type"].as_str().is_some_and(|kind| kind.starts_with("urn:"));
            self.world.must(is_it, format!("a problem document of status {status}, got {}", answer.body))?;
        }
        Ok(answer)
    }

    /// Names in a place of the path what nobody has, and what is no text.
    pub async fn misnamed(&mut self, place: &Place) -> Result<(), Stop> {
        let rightful = self.rightful.clone();
        self.must_be(404, self.by(&rightful).at(place, ABSENT)).await?;
        self.must_be(400, self.by(&rightful).undecodable(place)).await?;
        Ok(())
    }

    /// Sends bodies that cannot be taken, where the operation has one.
    pub async fn bodies(&mut self) -> Result<(), Stop> {
        if self.operation.body.is_none() {
            return Ok(());
        }
        let rightful = self.rightful.clone();
        let much = json!({ "name": "x".repeat(TOO_MUCH) }).to_string();
        self.must_be(413, self.by(&rightful).raw_body("application/json", &much)).await?;
        self.must_be(415, self.by(&rightful).raw_body("text/plain", "{}")).await?;
        self.must_be(422, self.by(&rightful).raw_body("application/json", r#"{"nonsense":true}"#)).await?;
        Ok(())
    }

    /// Insists that what was seen is all that is documented, but for what has stories elsewhere.
    pub fn has_seen_all_but(self, elsewhere: &[u16]) -> Result<(), Stop> {
        let documented: BTreeSet<u16> =
            self.operation.statuses.iter().copied().filter(|status| !elsewhere.contains(status)).collect();
        self.world.equal("what was brought about of what is documented", self.seen, documented)
    }
}

/// Insists that a source file, which lists operations as cases, lists each of the contract.
pub fn has_a_case_for_each(world: &World, told: &str) -> Result<(), Stop> {
    let operations = world.system.contract.operations().map(|operation| operation.name.as_str());
    let missing: Vec<&str> = operations.filter(|name| !told.contains(&format!("\"{name}\")"))).collect();
    world.must(missing.is_empty(), format!("a case for each operation, missing {missing:?}"))
}

/// Insists that no route lacks its annotations.
pub fn annotates_each_route(world: &World) -> Result<(), Stop> {
    let lacking: Vec<String> = world.system.contract.unannotated.iter().map(ToString::to_string).collect();
    world.must(lacking.is_empty(), format!("annotations on every route: {}", lacking.join("; ")))
}
