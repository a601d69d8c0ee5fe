//! What the field knows, as data: the classes of attack, the requirements of the standards, what to do about a weakness.

use std::sync::LazyLock;

use serde::Deserialize;

/// A class of attack, or of request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Class {
    /// The first part of a check's path, the class of a request.
    pub id: String,
    /// A letter for it.
    pub mark: String,
    /// What a person calls it.
    pub title: String,
    /// What is done.
    pub tried: String,
}

/// A standard and what it asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Standard {
    /// `asvs`, `owasp`.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// Number and text.
    pub requirements: Vec<[String; 2]>,
    /// Requirements that begin like this are asked whether or not a check names them.
    pub always: Vec<String>,
}

/// What to do about a weakness.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// Common Weakness Enumeration, the number alone.
    pub cwe: u32,
    /// Its name, in short.
    pub name: String,
    /// What to do.
    pub hint: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Classes {
    class: Vec<Class>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Standards {
    standard: Vec<Standard>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remedies {
    remedy: Vec<Remedy>,
}

// The files are part of the program; that they are understood is a test below.
static CLASSES: LazyLock<Classes> =
    LazyLock::new(|| toml::from_str(include_str!("../data/classes.toml")).unwrap_or_default());
static STANDARDS: LazyLock<Standards> =
    LazyLock::new(|| toml::from_str(include_str!("../data/requirements.toml")).unwrap_or_default());
static REMEDIES: LazyLock<Remedies> =
    LazyLock::new(|| toml::from_str(include_str!("../data/remedies.toml")).unwrap_or_default());

/// A class, if it is known.
pub(crate) fn class(id: &str) -> Option<&'static Class> {
    CLASSES.class.iter().find(|class| class.id == id)
}

/// The standards, in the order of a checklist.
pub(crate) fn standards() -> &'static [Standard] {
    &STANDARDS.standard
}

/// What to do about a weakness, if it is known.
pub fn remedy(cwe: u32) -> Option<&'static Remedy> {
    REMEDIES.remedy.iter().find(|remedy| remedy.cwe == cwe)
}

/// Whether a standard of the checklist has a requirement of this number.
pub fn is_requirement(id: &str) -> bool {
    standards().iter().any(|standard| standard.requirements.iter().any(|[number, _]| number == id))
}

/// Whether the class of a check, by its path, is known.
pub fn is_class(check: &str) -> bool {
    class(class_of(check)).is_some()
}

/// The class of a check, by its path: `hop/team-get/path.teamId` is one of `hop`.
pub(crate) fn class_of(check: &str) -> &str {
    check.split('/').next().unwrap_or(check)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Classes, Remedies, Standards, is_requirement};

    #[test]
    fn the_data_is_understood_and_says_nothing_twice() {
        let Classes { class } = toml::from_str(include_str!("../data/classes.toml")).unwrap();
        let marks: BTreeSet<&str> = class.iter().map(|class| class.mark.as_str()).collect();
        assert_eq!(marks.len(), class.len(), "a mark stands for one class");
        let Remedies { remedy } = toml::from_str(include_str!("../data/remedies.toml")).unwrap();
        let numbers: BTreeSet<u32> = remedy.iter().map(|remedy| remedy.cwe).collect();
        assert_eq!(numbers.len(), remedy.len());
        let Standards { standard } = toml::from_str(include_str!("../data/requirements.toml")).unwrap();
        for standard in &standard {
            let numbers: BTreeSet<&str> = standard.requirements.iter().map(|[id, _]| id.as_str()).collect();
            assert_eq!(numbers.len(), standard.requirements.len(), "{}", standard.name);
        }
        assert!(is_requirement("8.4.1") && is_requirement("API10") && !is_requirement("8.9.9"));
    }
}
