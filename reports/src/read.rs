//! Reads the JSON lines of a run, forgiving the one line a killed process may have left half written.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::error::ReportError;

/// The `.jsonl` files of a folder, by name; none when the folder is not there.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let read_error = |source| ReportError::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read_error(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(read_error)?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Hands every line of a file to `take`. The answer tells whether the last line was cut off, and so left out.
///
/// A line is written in one go with its line feed, so only a last line without one can be half of a line.
pub(crate) fn lines<T: DeserializeOwned>(
    path: &Path,
    what: &'static str,
    mut take: impl FnMut(T),
) -> Result<bool, ReportError> {
    let read_error = |source| ReportError::Read { path: path.to_owned(), source };
    let mut reader = BufReader::new(File::open(path).map_err(read_error)?);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(read_error)? == 0 {
            break;
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(&bytes) {
            Ok(value) => take(value),
            Err(_) if !bytes.ends_with(b"\n") => return Ok(true),
            Err(source) => return Err(ReportError::Line { path: path.to_owned(), line, what, source }),
        }
    }
    Ok(false)
}
