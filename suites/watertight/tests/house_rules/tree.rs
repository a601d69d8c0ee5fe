//! The tree the rules are held against: the files people wrote, as paths from the root and texts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Folders of what no person wrote, by path from the root.
const SKIPPED: [&str; 3] = [".git", "target", "reports/out"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file: its path from the root, with `/`, and its text (empty when it is no text).
pub fn tree() -> Vec<(String, String)> {
    static TREE: OnceLock<Vec<(String, String)>> = OnceLock::new();
    let walked = TREE.get_or_init(|| {
        let mut files = Vec::new();
        walk(&root(), "", &mut files);
        files.sort();
        files
    });
    walked.clone()
}

fn walk(folder: &Path, path: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        if SKIPPED.contains(&path.as_str()) || name == "node_modules" {
            continue;
        }
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            walk(&entry.path(), &path, files);
        } else if kind.is_file() {
            // A file may go between listing and reading (an editor's swap file), and need not be text.
            files.push((path, fs::read_to_string(entry.path()).unwrap_or_default()));
        }
    }
}

/// Every package of the workspace: its folder and name.
pub fn packages() -> Vec<(String, String)> {
    let manifests = tree().into_iter().filter(|(path, _)| path.ends_with("/Cargo.toml"));
    manifests
        .map(|(path, text)| {
            let manifest: toml::Table = text.parse().unwrap();
            let name = manifest["package"]["name"].as_str().unwrap().to_owned();
            (path.trim_end_matches("/Cargo.toml").to_owned(), name)
        })
        .collect()
}
