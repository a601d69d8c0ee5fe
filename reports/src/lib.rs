//! From the records of a run to what people and machines read in the morning.
//!
//! ```text
//! merge(folder)       records/ + exchanges/  ->  RunReport
//! render_all(folder)  RunReport              ->  run.json, index.html, summary.md, junit.xml, findings.sarif, slack.json
//! ```
//!
//! Nothing is decided here that a suite did not record, with four exceptions. Three are on the side of
//! caution: a test that started and never ended is an error, a leak under load is a failure whatever the thresholds
//! say, and a run that observed nothing is an error. The fourth is asked for: a finding that the run was told to
//! accept does not fail it, and an entry of that list whose finding no longer occurs does.
#![warn(missing_docs)]

mod chart;
mod checklist;
mod conclusion;
mod csv;
mod error;
mod junit;
mod knowledge;
mod markdown;
mod merge;
mod page;
mod read;
mod report;
mod run_json;
mod sarif;
mod scope;
mod slack;
mod terminal;
mod text;
mod write;

pub use error::ReportError;
pub use junit::junit;
pub use knowledge::{Remedy, is_class, is_requirement, remedy};
pub use markdown::summary;
pub use merge::merge;
pub use page::page;
pub use report::{Acceptance, Counts, Load, RunReport, Standing, Suite, Test, Weakness};
pub use run_json::{
    AcceptedEntry, FindingEntry, RunJson, SuiteEntry, TargetWeaknessesEntry, WeaknessesEntry, run_json,
};
pub use sarif::sarif;
pub use terminal::terminal_summary;
pub use write::{Rendered, render_all};

/// The JSON Schema of `run.json`.
pub const RUN_SCHEMA: &str = include_str!("../run.schema.json");
