//! What a check concluded, and how conclusions add up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The conclusion of one check, test or threshold.
///
/// The order is the order of the conformance suites of the OCI distribution specification: a group is
/// worth its worst member, so `max` over the members is the group's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The target has no such route: there is nothing to check.
    Disabled,
    /// The target lacks a capability the check needs; the reason says which.
    Skip,
    /// Observed, and as it must be.
    Pass,
    /// Observed, and not as it must be.
    Fail,
    /// The harness could not observe: never a pass.
    Error,
}

impl Verdict {
    /// Every verdict, mildest first.
    pub const ALL: [Verdict; 5] =
        [Verdict::Disabled, Verdict::Skip, Verdict::Pass, Verdict::Fail, Verdict::Error];

    /// The name as records and reports spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Disabled => "disabled",
            Verdict::Skip => "skip",
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Error => "error",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The exit code of the command and of every suite binary.
///
/// A finding outranks the harness's own trouble: whoever reads only the code must not miss a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked was observed and is as it must be.
    Pass = 0,
    /// At least one finding, failed check or failed threshold.
    Findings = 1,
    /// The harness could not do its job: bad input, target unreachable, nothing observed.
    Trouble = 2,
}

impl Exit {
    /// The code for a set of verdicts. No pass and no failure at all means nothing was observed, which is
    /// trouble.
    pub fn of(verdicts: impl IntoIterator<Item = Verdict>) -> Exit {
        let (mut pass, mut fail, mut error) = (false, false, false);
        for verdict in verdicts {
            match verdict {
                Verdict::Pass => pass = true,
                Verdict::Fail => fail = true,
                Verdict::Error => error = true,
                Verdict::Disabled | Verdict::Skip => {}
            }
        }
        match (fail, error, pass) {
            (true, _, _) => Exit::Findings,
            (false, true, _) | (false, false, false) => Exit::Trouble,
            (false, false, true) => Exit::Pass,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Verdict};

    #[test]
    fn a_group_is_worth_its_worst_member() {
        let group = [Verdict::Pass, Verdict::Skip, Verdict::Fail, Verdict::Pass];
        assert_eq!(group.into_iter().max(), Some(Verdict::Fail));
    }

    #[test]
    fn a_finding_outranks_the_harness_s_own_trouble() {
        assert_eq!(Exit::of([Verdict::Error, Verdict::Fail]), Exit::Findings);
        assert_eq!(Exit::of([Verdict::Error, Verdict::Pass]), Exit::Trouble);
    }

    #[test]
    fn nothing_observed_is_not_a_pass() {
        assert_eq!(Exit::of([]), Exit::Trouble);
        assert_eq!(Exit::of([Verdict::Skip, Verdict::Disabled]), Exit::Trouble);
    }
}
