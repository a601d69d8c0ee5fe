//! Load from more than one machine: each runs a shard of the profile and keeps what it measured, and a merge judges the
//! whole. Nothing is averaged: histograms are added bucket by bucket.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use harness::record::LoadResult;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::baseline::Baseline;
use crate::conclusion::{About, conclusion};
use crate::measured::Measured;
use crate::threshold::{Rule, RuleError};

/// Where in a run's folder shards lie.
const FOLDER: &str = "shards";
/// Shards that begin further apart than this are told of.
const TOGETHER: Duration = Duration::from_secs(1);

/// One of several parts of a run, counted from 0 as Kubernetes counts the pods of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: usize,
    of: usize,
}

/// The text is no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a shard as I/N, with I from 0 to N-1 as in 0/3, got '{0}'")]
pub struct NotAShard(String);

impl FromStr for Shard {
    type Err = NotAShard;

    fn from_str(text: &str) -> Result<Shard, NotAShard> {
        let parsed = text
            .split_once('/')
            .and_then(|(index, of)| Some(Shard { index: index.parse().ok()?, of: of.parse().ok()? }));
        parsed.filter(|shard| shard.index < shard.of).ok_or_else(|| NotAShard(text.to_owned()))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl TryFrom<String> for Shard {
    type Error = NotAShard;

    fn try_from(text: String) -> Result<Shard, NotAShard> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}

impl Shard {
    /// How many there are.
    pub(crate) fn of(self) -> usize {
        self.of
    }

    /// Whether it is the one that does what only one can.
    pub(crate) fn is_first(self) -> bool {
        self.index == 0
    }

    /// Its part of so many, which all shards' parts add up to.
    pub(crate) fn part(self, all: usize) -> usize {
        all * (self.index + 1) / self.of - all * self.index / self.of
    }

    /// Whether one of a row of things is its.
    pub(crate) fn takes(self, number: usize) -> bool {
        number % self.of == self.index
    }
}

/// Shards cannot be kept or merged.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// Reading or writing.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a shard of this version.
    #[error("{path} is not what a shard measured: {source}; all shards and the merge take the same version")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Nothing to merge.
    #[error("no shard in {0}: expected folders of runs of `watertight load --shard I/N`")]
    None(String),
    /// Some are not there. What they measured is not known, and neither is what all of them did.
    #[error("{profile} on {target}: of {of} shards {missing} are missing; run them again, or all of them")]
    Missing {
        /// The profile.
        profile: String,
        /// The target.
        target: String,
        /// How many there should be.
        of: usize,
        /// Which are missing.
        missing: String,
    },
    /// One is there twice.
    #[error(
        "{profile} on {target}: expected shard {shard} once, found it in {first} and in {second}; name only folders of one run, each once"
    )]
    Twice {
        /// The profile.
        profile: String,
        /// The target.
        target: String,
        /// The shard.
        shard: Shard,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// It has been run in this folder before.
    #[error(
        "expected a folder in which shard {shard} has not been run, found what it measured in {path}: its records would count twice; name another folder in WATERTIGHT_RUN, or remove this one"
    )]
    There {
        /// The shard.
        shard: Shard,
        /// What it measured.
        path: PathBuf,
    },
    /// One is of another run.
    #[error("{profile} on {target}: shard {shard} is no part of the same run: {why}")]
    Other {
        /// The profile.
        profile: String,
        /// The target.
        target: String,
        /// The shard.
        shard: Shard,
        /// What is different.
        why: &'static str,
    },
    /// A threshold of it.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

/// What a shard measured, raw.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Piece {
    pub shard: Shard,
    pub about: About,
    /// What the whole is judged by.
    pub rules: Vec<String>,
    /// When it began to count.
    #[serde(with = "time::serde::rfc3339")]
    pub began: OffsetDateTime,
    /// What of a core the generator took.
    pub cores: Option<f64>,
    pub measured: Measured,
    /// Where it was read.
    #[serde(skip)]
    pub kept: PathBuf,
}

/// Where a shard is kept in the folder of its run.
fn place(run: &Path, profile: &str, target: &str, shard: Shard) -> PathBuf {
    run.join(FOLDER).join(format!("{profile}-{target}-{}-of-{}.json", shard.index, shard.of))
}

/// Refuses a folder in which the shard has been run.
pub(crate) fn is_new(run: &Path, profile: &str, target: &str, shard: Shard) -> Result<(), ShardError> {
    let path = place(run, profile, target, shard);
    if path.exists() { Err(ShardError::There { shard, path }) } else { Ok(()) }
}

impl Piece {
    /// Keeps it in the folder of its run.
    pub(crate) fn keep(&self, run: &Path) -> Result<(), ShardError> {
        let path = place(run, &self.about.profile, &self.about.target, self.shard);
        let failed = |source| ShardError::File { path: path.clone(), source };
        fs::create_dir_all(run.join(FOLDER)).map_err(failed)?;
        let text = serde_json::to_string(self)
            .map_err(|source| ShardError::Malformed { path: path.clone(), source })?;
        // Written aside and renamed, so that a merge on a shared disk sees all or nothing.
        let aside = path.with_extension("tmp");
        fs::write(&aside, text).and_then(|()| fs::rename(&aside, &path)).map_err(failed)
    }
}

/// Every shard that runs kept in these folders.
fn read(runs: &[PathBuf]) -> Result<Vec<Piece>, ShardError> {
    let mut pieces = Vec::new();
    for run in runs {
        let folder = run.join(FOLDER);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(ShardError::File { path: folder, source }),
        };
        for entry in entries {
            let path = entry.map_err(|source| ShardError::File { path: folder.clone(), source })?.path();
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let text = fs::read_to_string(&path)
                .map_err(|source| ShardError::File { path: path.clone(), source })?;
            match serde_json::from_str(&text) {
                Ok(piece) => pieces.push(Piece { kept: path, ..piece }),
                Err(source) => return Err(ShardError::Malformed { path, source }),
            }
        }
    }
    Ok(pieces)
}

/// Merges the shards in the folders of these runs; one result for each profile and target, judged as a whole.
pub fn merged(runs: &[PathBuf], baseline: Option<&Baseline>) -> Result<Vec<LoadResult>, ShardError> {
    let mut wholes: BTreeMap<(String, String), Vec<Piece>> = BTreeMap::new();
    for piece in read(runs)? {
        let of = (piece.about.profile.clone(), piece.about.target.clone());
        wholes.entry(of).or_default().push(piece);
    }
    if wholes.is_empty() {
        let folders: Vec<String> = runs.iter().map(|run| run.display().to_string()).collect();
        return Err(ShardError::None(folders.join(", ")));
    }
    wholes.into_values().map(|pieces| whole(pieces, baseline)).collect()
}

/// One run of its shards.
fn whole(mut pieces: Vec<Piece>, baseline: Option<&Baseline>) -> Result<LoadResult, ShardError> {
    pieces.sort_by_key(|piece| piece.shard);
    complete(&pieces)?;
    // Counted from the first one's beginning.
    pieces.sort_by_key(|piece| (piece.began, piece.shard));
    let mut pieces = pieces.into_iter();
    let Some(mut first) = pieces.next() else { return Err(ShardError::None(String::new())) };
    let mut apart = Duration::ZERO;
    for piece in pieces {
        let later = Duration::try_from(piece.began - first.began).unwrap_or_default();
        apart = apart.max(later);
        first.measured.absorb(&piece.measured, later);
        first.about.absorb(piece.about);
        first.cores = first.cores.zip(piece.cores).map(|(ours, theirs)| ours + theirs);
    }
    first.about.notes.push(format!("merged of {} shards", first.shard.of));
    if apart > TOGETHER {
        first.about.notes.push(format!(
            "the shards began up to {:.1} s apart: rates are of the whole time; give all of them one --start-at",
            apart.as_secs_f64()
        ));
    }
    let rules = first.rules.iter().map(|rule| rule.parse()).collect::<Result<Vec<Rule>, _>>()?;
    Ok(conclusion(first.about, &first.measured, first.cores, &rules, baseline))
}

/// That every shard of the run is there once, and no other; they are sorted.
fn complete(pieces: &[Piece]) -> Result<(), ShardError> {
    let Some(first) = pieces.first() else { return Ok(()) };
    let (profile, target) = (first.about.profile.clone(), first.about.target.clone());
    let other =
        |shard, why| ShardError::Other { profile: profile.clone(), target: target.clone(), shard, why };
    for piece in pieces {
        if piece.shard.of != first.shard.of {
            return Err(other(piece.shard, "another number of shards"));
        }
        if piece.rules != first.rules || piece.measured.parts != first.measured.parts {
            return Err(other(piece.shard, "other thresholds"));
        }
    }
    if let Some([one, again]) = pieces.array_windows().find(|[one, again]| one.shard == again.shard) {
        return Err(ShardError::Twice {
            profile,
            target,
            shard: one.shard,
            first: one.kept.clone(),
            second: again.kept.clone(),
        });
    }
    let is_missing = |index: &usize| pieces.iter().all(|piece| piece.shard.index != *index);
    let missing: Vec<String> =
        (0..first.shard.of).filter(is_missing).map(|index| index.to_string()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ShardError::Missing { profile, target, of: first.shard.of, missing: missing.join(", ") })
}

#[cfg(test)]
mod tests;
