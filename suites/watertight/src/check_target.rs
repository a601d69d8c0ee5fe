//! `check-target`: what could be tested, before anything is.

use std::path::Path;

use comfy_table::{Table, presets};
use harness::contract::Effect;
use harness::system::System;
use harness::target::Capability;
use harness::verdict::Exit;
use suites_security::Plan;

use crate::error::CommandError;
use crate::session::Session;

const CAPABILITIES: [Capability; 5] =
    [Capability::Provision, Capability::Mint, Capability::Store, Capability::Mail, Capability::Audit];

pub async fn check_target(target: Option<&Path>) -> Result<Exit, CommandError> {
    let session = Session::open(target).await?;
    let mut exit = Exit::Pass;
    for system in session.systems().await? {
        println!("\n{}\n{}", system.target.name, what_could_be_tested(&system));
        for route in &system.contract.unannotated {
            println!("not annotated: {route}");
            exit = Exit::Findings;
        }
    }
    session.discard();
    Ok(exit)
}

fn what_could_be_tested(system: &System) -> Table {
    let effect = |effect| {
        system.contract.operations().filter(|operation| operation.effect == effect).count().to_string()
    };
    let capabilities = CAPABILITIES.map(|capability| {
        let sign = if system.target.can(capability) { "yes" } else { "no" };
        format!("{capability} {sign}")
    });
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.add_row(["capabilities", &capabilities.join(", ")]);
    table.add_row([
        "reads, writes, consumes",
        &[effect(Effect::Read), effect(Effect::Write), effect(Effect::Consume)].join(", "),
    ]);
    table.add_row(["security checks", &Plan::of(system).cases().to_string()]);
    table.add_row([
        "hostile requests",
        if system.target.consents() { "permitted" } else { "not permitted: name the host under `consent`" },
    ]);
    table
}
