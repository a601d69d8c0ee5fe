//! A case: one attack whose outcome has a name, and what its success would mean.

use std::time::Duration;

use harness::exchange::Exchange;
use harness::record::{Finding, Severity, Subject};
use harness::suite::Outcome;
use harness::verdict::Verdict;

/// What a kind of attack is known as in the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Common Weakness Enumeration number.
    pub cwe: u32,
    /// OWASP API Security Top 10 2023.
    pub owasp: &'static str,
    /// OWASP ASVS 5.0 requirements, with commas between.
    pub asvs: &'static str,
}

impl Reference {
    fn requirements(self) -> Vec<String> {
        self.asvs.split(',').map(|requirement| requirement.trim().to_owned()).collect()
    }
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// `class/operation/variant`, unique within the suite.
    pub path: String,
    /// The operation attacked.
    pub operation: String,
    /// What it is known as.
    pub reference: Reference,
    /// How bad its success is.
    pub severity: Severity,
    /// What a finding is called, in one sentence for a reader who was not there.
    pub title: String,
    /// What an attacker gains by its success.
    pub gain: String,
}

/// What came of a case.
#[derive(Clone, Debug)]
pub struct CaseOutcome {
    /// The case.
    pub case: Case,
    /// How it ended.
    pub outcome: Outcome,
    /// The hole, if it found one.
    pub finding: Option<Finding>,
    /// How long a right outlived its end, where that was measured.
    pub outlived: Option<Duration>,
}

impl Case {
    /// What it is about, for the records of a suite on a target.
    pub fn subject(&self, suite: &str, target: &str) -> Subject {
        Subject {
            suite: suite.to_owned(),
            target: target.to_owned(),
            test: self.path.clone(),
            operation: self.operation.clone(),
            cwe: self.reference.cwe,
            owasp: self.reference.owasp.to_owned(),
            asvs: self.reference.requirements(),
        }
    }

    /// The attack was refused, and nothing changed.
    pub fn passed(self) -> CaseOutcome {
        CaseOutcome { case: self, outcome: Outcome::pass(), finding: None, outlived: None }
    }

    /// The attack succeeded: a finding.
    pub fn failed(
        self,
        target: &str,
        expected: &str,
        observed: &str,
        exchanges: Vec<Exchange>,
    ) -> CaseOutcome {
        let reference = self.reference;
        let finding = Finding {
            id: Finding::id_of(target, &self.path),
            title: self.title.clone(),
            check: self.path.clone(),
            suite: "security".to_owned(),
            operation: self.operation.clone(),
            target: target.to_owned(),
            severity: self.severity,
            cwe: reference.cwe,
            owasp: reference.owasp.to_owned(),
            asvs: reference.requirements(),
            gain: self.gain.clone(),
            expected: expected.to_owned(),
            observed: observed.to_owned(),
            exchanges,
        };
        let outcome = Outcome::because(Verdict::Fail, format!("expected {expected}, observed {observed}"));
        CaseOutcome { case: self, outcome, finding: Some(finding), outlived: None }
    }

    /// Nothing was observed.
    pub fn without_result(self, verdict: Verdict, reason: &str) -> CaseOutcome {
        CaseOutcome { case: self, outcome: Outcome::because(verdict, reason), finding: None, outlived: None }
    }
}

impl CaseOutcome {
    /// The same, with how long a right outlived its end.
    pub(crate) fn after(self, outlived: Duration) -> CaseOutcome {
        CaseOutcome { outlived: Some(outlived), ..self }
    }
}
