//! Why a load run did not come to its end.

use goose::GooseError;
use harness::client::{CallError, ClientError, Unexpected};
use harness::data::DataError;
use harness::record::LoadResult;
use harness::run::RunError;
use harness::system::innermost;
use harness::target::Target;

use crate::profile::ProfileError;
use crate::shard::ShardError;
use crate::workload::WorkloadError;

/// A load run that did not come to its end. Exit code 2; with a leak in the partial result, a finding.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A workload of it.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// Nothing answered before the run.
    #[error(
        "the target '{target}' does not answer at {url}: {why}; start it, or correct base_url in the target file"
    )]
    Unreachable {
        /// The target's name.
        target: String,
        /// Where it should answer.
        url: String,
        /// The innermost cause.
        why: String,
    },
    /// It answers, and lets nobody in.
    #[error(
        "the target '{target}' refuses the harness's tokens with {status}: compare its issuer, client id and JWKS URL with [identity] in the target file\n  {source}"
    )]
    Refused {
        /// The target's name.
        target: String,
        /// The status.
        status: u16,
        /// What was asked, and what came.
        source: Unexpected,
    },
    /// There are no tenants, and none may be made.
    #[error(
        "the target '{target}' is read_only, so no tenants are made, and its file names none that are there: add [[tenants]] with `org` and `user`"
    )]
    NoTenants {
        /// The target's name.
        target: String,
    },
    /// The tenants could not be made.
    #[error("cannot make the tenants of the load run: {0}")]
    Provision(Box<DataError>),
    /// The target stopped answering during the run.
    #[error(
        "the target '{target}' at {url} stopped answering after {:.0} s of measuring: {why}; look at its log, start it again, or take a smaller profile{cleanup}",
        partial.seconds
    )]
    Gone {
        /// The target's name.
        target: String,
        /// Where it answered.
        url: String,
        /// The innermost cause of the last failure.
        why: String,
        /// What became of the tenants, when they could not be removed.
        cleanup: String,
        /// What was measured until then, as recorded.
        partial: Box<LoadResult>,
    },
    /// Ctrl-C.
    #[error("interrupted after {:.0} s of measuring{cleanup}", partial.seconds)]
    Interrupted {
        /// What became of the tenants, when they could not be removed.
        cleanup: String,
        /// What was measured until then, as recorded.
        partial: Box<LoadResult>,
    },
    /// The harness could not go on.
    #[error("the load run was stopped after {:.0} s of measuring: {why}{cleanup}", partial.seconds)]
    Stopped {
        /// The reason.
        why: String,
        /// What became of the tenants, when they could not be removed.
        cleanup: String,
        /// What was measured until then, as recorded.
        partial: Box<LoadResult>,
    },
    /// The run came to its end, and its tenants could not be removed.
    #[error(
        "the load run is over, but its tenants could not be removed: {source}; `watertight sweep` removes them"
    )]
    Left {
        /// Why.
        source: Box<DataError>,
        /// What was measured, as recorded.
        result: Box<LoadResult>,
    },
    /// Goose refused the profile.
    #[error("Goose does not run the profile: {0}")]
    Goose(Box<GooseError>),
    /// The HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What a shard measured could not be kept.
    #[error(transparent)]
    Shard(#[from] ShardError),
}

impl LoadError {
    pub(crate) fn provisioning(error: DataError, target: &Target) -> LoadError {
        match error {
            DataError::Call(CallError::Transport { source, .. }) => LoadError::Unreachable {
                target: target.name.clone(),
                url: target.base_url.to_string(),
                why: innermost(&source),
            },
            DataError::Unexpected(source) if target.denials.unauthenticated.contains(&source.status()) => {
                LoadError::Refused { target: target.name.clone(), status: source.status(), source }
            }
            error => LoadError::Provision(Box::new(error)),
        }
    }

    /// What was measured, when anything was.
    pub fn result(&self) -> Option<&LoadResult> {
        match self {
            LoadError::Gone { partial: result, .. }
            | LoadError::Interrupted { partial: result, .. }
            | LoadError::Stopped { partial: result, .. }
            | LoadError::Left { result, .. } => Some(result),
            _ => None,
        }
    }
}
