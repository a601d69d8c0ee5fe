//! Findings that are known: who answers for them, why, and until when. The list may only shrink.
//!
//! ```toml
//! [[accepted]]
//! finding = "sit.hop.team-get.path.teamId"
//! reason = "the gateway in front of it answers with 403 in place of 404; nothing is shown"
//! by = "Ines, platform team"
//! until = 2027-01-31        # the last day
//! ```
//!
//! What becomes of an entry is decided where the records are merged: one whose finding no longer occurs fails the run.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use time::{Date, Month};
use toml::value::Datetime;

use crate::record::Accepted;

/// A file of accepted findings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AcceptedError {
    /// The file cannot be read.
    #[error(
        "cannot read the accepted findings {path}: {source}; name an existing file in --accepted, or under `accepted` \
         in the target file"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no TOML, or holds a key or value that is not known.
    #[error(
        "the accepted findings {path} are not understood:\n{source}\nan entry is [[accepted]] with finding, reason, by, \
         and until = 2027-01-31, the last day"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        source: Box<toml::de::Error>,
    },
    /// An entry says nothing, or something that cannot be.
    #[error("{key} of entry {number} in {path} {what}")]
    Entry {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// The entry, from 1.
        number: usize,
        /// What is wrong with it, and what to do.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    accepted: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    finding: String,
    reason: String,
    by: String,
    until: Datetime,
}

/// Reads a file of accepted findings. `targets` are the names of all targets that a finding may be about: an entry for
/// no target would never be looked at.
pub fn read(path: &Path, targets: &[&str]) -> Result<Vec<Accepted>, AcceptedError> {
    let text = fs::read_to_string(path)
        .map_err(|source| AcceptedError::Unreadable { path: path.to_owned(), source })?;
    parse(&text, path, targets)
}

fn parse(text: &str, path: &Path, targets: &[&str]) -> Result<Vec<Accepted>, AcceptedError> {
    let file: File = toml::from_str(text)
        .map_err(|source| AcceptedError::Malformed { path: path.to_owned(), source: Box::new(source) })?;
    let mut seen = BTreeSet::new();
    let mut entries = Vec::new();
    for (at, entry) in file.accepted.into_iter().enumerate() {
        let wrong =
            |key, what: String| AcceptedError::Entry { path: path.to_owned(), key, number: at + 1, what };
        for (key, text) in [("reason", &entry.reason), ("by", &entry.by)] {
            if text.trim().is_empty() {
                return Err(wrong(
                    key,
                    "is empty; nobody can judge an acceptance that says nothing".to_owned(),
                ));
            }
        }
        let target = target_of(&entry.finding, targets).ok_or_else(|| {
            let (finding, known) = (&entry.finding, targets.join(", "));
            let what = format!("is '{finding}', which begins with the name of no target ({known}); copy the id from the report");
            wrong("finding", what)
        })?;
        if !seen.insert(entry.finding.clone()) {
            let what = format!("is '{}', which stands in an entry before; keep one of them", entry.finding);
            return Err(wrong("finding", what));
        }
        let until = day(entry.until).ok_or_else(|| {
            wrong("until", format!("is {}, which is no day; write it like 2027-01-31", entry.until))
        })?;
        entries.push(Accepted {
            target: target.to_owned(),
            finding: entry.finding,
            reason: entry.reason,
            by: entry.by,
            until,
            file: path.display().to_string(),
            whole: false,
        });
    }
    Ok(entries)
}

/// The target that a finding's id begins with; the longest, where one target's name begins with another's.
fn target_of<'t>(finding: &str, targets: &[&'t str]) -> Option<&'t str> {
    let begins = |target: &&&str| {
        finding.strip_prefix(**target).is_some_and(|rest| rest.len() > 1 && rest.starts_with('.'))
    };
    targets.iter().filter(begins).max_by_key(|target| target.len()).copied()
}

fn day(until: Datetime) -> Option<Date> {
    let date = until.date.filter(|_| until.time.is_none())?;
    let month = Month::try_from(date.month).ok()?;
    Date::from_calendar_date(i32::from(date.year), month, date.day).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use time::macros::date;

    use super::{parse, read};

    const ENTRY: &str =
        "[[accepted]]\nfinding = 'sit.eu.hop.team-get.path.teamId'\nreason = 'known'\nby = 'Ines'\n";

    fn error(text: &str) -> String {
        parse(text, Path::new("accepted.toml"), &["sit", "sit.eu"]).unwrap_err().to_string()
    }

    #[test]
    fn an_entry_is_about_the_target_whose_name_its_finding_begins_with() {
        let text = format!("{ENTRY}until = 2027-01-31\n");
        let entries = parse(&text, Path::new("accepted.toml"), &["sit", "sit.eu"]).unwrap();
        assert_eq!((entries[0].target.as_str(), entries[0].until), ("sit.eu", date!(2027 - 01 - 31)));
        let error = parse(&text, Path::new("accepted.toml"), &["prod"]).unwrap_err().to_string();
        assert!(error.contains("finding of entry 1 in accepted.toml") && error.contains("prod"), "{error}");
    }

    #[test]
    fn an_empty_list_accepts_nothing() {
        assert_eq!(parse("", Path::new("accepted.toml"), &["sit"]).unwrap(), []);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_the_file_the_key_and_the_remedy() {
        let cases = [
            (ENTRY.to_owned(), ["missing field `until`", "2027-01-31"]),
            (format!("{ENTRY}until = '2027-01-31'\n"), ["line 5", "2027-01-31"]),
            (format!("{ENTRY}until = 2027-01-31T10:00:00Z\n"), ["until of entry 1", "2027-01-31"]),
            (format!("{ENTRY}until = 2027-01-31\nowner = 'x'\n"), ["owner", "reason, by"]),
            (format!("{ENTRY}until = 2027-01-31\n").replace("known", " "), ["reason of entry 1", "is empty"]),
            (format!("{ENTRY}until = 2027-01-31\n").repeat(2), ["finding of entry 2", "keep one"]),
        ];
        for (text, words) in cases {
            let error = error(&text);
            assert!(error.contains("accepted.toml"), "{error}");
            for word in words {
                assert!(error.contains(word), "no {word:?}: {error}");
            }
        }
        let error = read(Path::new("/nowhere/accepted.toml"), &[]).unwrap_err().to_string();
        assert!(error.contains("/nowhere/accepted.toml") && error.contains("--accepted"), "{error}");
    }
}
