//! The authorization model: who may do what, written down here and not asked of the service.
//!
//! The permissions of the predefined roles are the suite's own copy. What an operation needs is read from
//! its annotation, and pinned by the golden table `expected/authz-<title>.txt` where there is one, so that a
//! service that changes its annotation along with its mistake is noticed.

use std::collections::BTreeMap;

use harness::contract::{Operation, Permission, SlotKind, Visibility};

/// What must come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    /// A 2xx.
    Allow,
    /// No valid identity: 401.
    Unauthenticated,
    /// Known, and not permitted: 403.
    Forbidden,
    /// Must look absent: 404.
    Hidden,
}

impl Expected {
    /// The word of golden tables and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Expected::Allow => "allow",
            Expected::Unauthenticated => "unauthenticated",
            Expected::Forbidden => "forbidden",
            Expected::Hidden => "hidden",
        }
    }

    fn parse(word: &str) -> Option<Expected> {
        [Expected::Allow, Expected::Unauthenticated, Expected::Forbidden, Expected::Hidden]
            .into_iter()
            .find(|expected| expected.as_str() == word)
    }
}

/// Who the matrix sends requests as. All but `OtherTenant` belong to the tenant whose data is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Persona {
    /// No token.
    Anonymous,
    /// Manages the platform, member of no organisation.
    PlatformAdmin,
    /// Administrator of the organisation.
    OrgAdmin,
    /// Manager.
    OrgManager,
    /// Editor.
    SiteEditor,
    /// Viewer.
    SiteViewer,
    /// A member without any role.
    NoRole,
    /// Viewer here, administrator of another organisation.
    MemberOfTwo,
    /// An administrator whose account is suspended.
    Suspended,
    /// Administrator of another organisation.
    OtherTenant,
}

impl Persona {
    /// Every persona, as columns of the matrix.
    pub const ALL: [Persona; 10] = [
        Persona::Anonymous,
        Persona::PlatformAdmin,
        Persona::OrgAdmin,
        Persona::OrgManager,
        Persona::SiteEditor,
        Persona::SiteViewer,
        Persona::NoRole,
        Persona::MemberOfTwo,
        Persona::Suspended,
        Persona::OtherTenant,
    ];

    /// The label in records.
    pub fn label(self) -> &'static str {
        match self {
            Persona::Anonymous => "anonymous",
            Persona::PlatformAdmin => "platform-admin",
            Persona::OrgAdmin => "org-admin",
            Persona::OrgManager => "org-manager",
            Persona::SiteEditor => "site-editor",
            Persona::SiteViewer => "site-viewer",
            Persona::NoRole => "no-role",
            Persona::MemberOfTwo => "member-of-two",
            Persona::Suspended => "suspended",
            Persona::OtherTenant => "other-tenant",
        }
    }

    /// The predefined role held in the organisation asked for.
    pub fn role(self) -> Option<&'static str> {
        match self {
            Persona::OrgAdmin | Persona::Suspended => Some("ORG_ADMIN"),
            Persona::OrgManager => Some("ORG_MANAGER"),
            Persona::SiteEditor => Some("SITE_EDITOR"),
            Persona::SiteViewer | Persona::MemberOfTwo => Some("SITE_VIEWER"),
            Persona::Anonymous | Persona::PlatformAdmin | Persona::NoRole | Persona::OtherTenant => None,
        }
    }

    fn is_member(self) -> bool {
        !matches!(self, Persona::Anonymous | Persona::PlatformAdmin | Persona::OtherTenant)
    }
}

/// What the predefined roles permit.
fn permissions(role: &str) -> &'static [&'static str] {
    match role {
        "ORG_ADMIN" => &["site:*", "team:*", "team-role:*", "invitation:*", "role:*", "user:*", "audit:*"],
        "ORG_MANAGER" => &["site:read", "team:*", "team-role:read", "invitation:*", "role:read", "user:read"],
        "SITE_EDITOR" => &["site:read", "site:update", "site:publish", "team:read", "team:member:read"],
        "SITE_VIEWER" => &["site:read", "team:read"],
        _ => &[],
    }
}

/// `team:*` covers everything whose first segment is `team`; nothing else is a wildcard here.
fn covers(held: &str, needed: &str) -> bool {
    held == needed
        || held.strip_suffix(":*").is_some_and(|resource| needed.split(':').next() == Some(resource))
}

/// Whose data the request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// Somebody else of the tenant.
    Other,
    /// The caller itself, in the `user` slot.
    Own,
}

/// What must come of `persona` calling `operation` with rightful values of a tenant.
pub fn expected(operation: &Operation, persona: Persona, relation: Relation) -> Expected {
    if operation.allows(&Permission::Public) || operation.allows(&Permission::Token) {
        return Expected::Allow;
    }
    if persona == Persona::Anonymous {
        return Expected::Unauthenticated;
    }
    if persona == Persona::Suspended {
        return Expected::Forbidden;
    }
    if operation.allows(&Permission::SignedIn) {
        return Expected::Allow;
    }
    if operation.allows(&Permission::Platform) {
        return if persona == Persona::PlatformAdmin { Expected::Allow } else { Expected::Forbidden };
    }
    if operation.allows(&Permission::Invitee) {
        return Expected::Forbidden;
    }
    if !persona.is_member() {
        return match operation.visibility {
            Visibility::Hidden => Expected::Hidden,
            Visibility::Public => Expected::Forbidden,
        };
    }
    let own = relation == Relation::Own && operation.allows(&Permission::SelfUser);
    let held = persona.role().map(permissions).unwrap_or_default();
    let permitted = operation.permission.iter().any(|permission| match permission {
        Permission::Named(needed) => held.iter().any(|held| covers(held, needed)),
        _ => false,
    });
    match own || permitted {
        true if needs_team_membership(operation, held) => Expected::Hidden,
        true => Expected::Allow,
        false => Expected::Forbidden,
    }
}

/// `team:read` alone shows the teams one belongs to, and the personas belong to none.
fn needs_team_membership(operation: &Operation, held: &[&str]) -> bool {
    let names_team = operation.slots.iter().any(|slot| slot.kind == SlotKind::Team);
    let by_team_permission = operation
        .permission
        .iter()
        .any(|permission| matches!(permission, Permission::Named(named) if named.starts_with("team:")));
    names_team && by_team_permission && !held.contains(&"team:*")
}

/// The rows of the matrix an operation has.
pub fn relations(operation: &Operation) -> &'static [Relation] {
    if operation.allows(&Permission::SelfUser) {
        &[Relation::Other, Relation::Own]
    } else {
        &[Relation::Other]
    }
}

/// The name of a row: the operation, and `(own)` where the caller asks for itself.
pub fn row(operation: &str, relation: Relation) -> String {
    match relation {
        Relation::Other => operation.to_owned(),
        Relation::Own => format!("{operation}(own)"),
    }
}

/// A golden table: expectations by row and column, written by people.
#[derive(Debug, Default)]
pub struct Golden {
    cells: BTreeMap<(String, String), Expected>,
}

/// The golden table of access-service.
const ACCESS: &str = include_str!("../expected/authz-access-service.txt");

/// A golden table cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected/authz-*.txt, line {line}: {what}; each row is an operation and one word for each principal of the first line"
)]
pub struct NotATable {
    line: usize,
    what: String,
}

impl Golden {
    /// The table for a service, by the title of its OpenAPI document; empty for services nobody wrote one for.
    pub fn of_title(title: &str) -> Result<Golden, NotATable> {
        if title == "access-service" { Golden::parse(ACCESS) } else { Ok(Golden::default()) }
    }

    fn parse(text: &str) -> Result<Golden, NotATable> {
        let mut lines =
            text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let header: Vec<&str> =
            lines.next().map(|(_, line)| line.split_whitespace().skip(1).collect()).unwrap_or_default();
        let mut cells = BTreeMap::new();
        for (at, line) in lines {
            let wrong = |what: String| NotATable { line: at + 1, what };
            let mut words = line.split_whitespace();
            let row = words.next().unwrap_or_default().to_owned();
            let words: Vec<&str> = words.collect();
            if words.len() != header.len() {
                return Err(wrong(format!(
                    "expected {} words for {row}, found {}",
                    header.len(),
                    words.len()
                )));
            }
            for (column, word) in header.iter().zip(words) {
                let expected =
                    Expected::parse(word).ok_or_else(|| wrong(format!("'{word}' is no expectation")))?;
                cells.insert((row.clone(), (*column).to_owned()), expected);
            }
        }
        Ok(Golden { cells })
    }

    /// What the table says of a cell, if it has it.
    pub fn get(&self, row: &str, persona: Persona) -> Option<Expected> {
        self.cells.get(&(row.to_owned(), persona.label().to_owned())).copied()
    }

    /// The rows of the table.
    pub fn rows(&self) -> impl Iterator<Item = &str> {
        let mut rows: Vec<&str> = self.cells.keys().map(|(row, _)| row.as_str()).collect();
        rows.dedup();
        rows.into_iter()
    }
}

/// The table the model makes of a contract, in the form of the golden files.
pub fn table<'o>(operations: impl IntoIterator<Item = &'o Operation>) -> String {
    let columns: Vec<&str> = Persona::ALL.iter().map(|persona| persona.label()).collect();
    let mut text = format!("{:<32}{}\n", "operation", padded(&columns));
    for operation in operations {
        for &relation in relations(operation) {
            let words: Vec<&str> =
                Persona::ALL.iter().map(|&persona| expected(operation, persona, relation).as_str()).collect();
            text.push_str(&format!("{:<32}{}\n", row(&operation.name, relation), padded(&words)));
        }
    }
    text
}

fn padded(words: &[&str]) -> String {
    let padded: Vec<String> = words.iter().map(|word| format!("{word:<16}")).collect();
    padded.concat().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Golden, covers};

    #[test]
    fn a_wildcard_covers_its_own_first_segment_only() {
        assert!(covers("team:*", "team:member:add"));
        assert!(!covers("site:*", "sitemap:read"));
        assert!(!covers("*", "team:read"));
    }

    #[test]
    fn a_row_with_too_few_words_is_refused_by_line() {
        let error = Golden::parse("operation a b\nteam-get allow\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("team-get"), "{error}");
    }
}
