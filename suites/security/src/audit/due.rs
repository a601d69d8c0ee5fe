//! Which events are due: written by people for each reference system, beside who may do what.

use std::collections::BTreeMap;

use harness::contract::{Contract, Effect};

use super::log::Event;

/// The tables, by the title of the service's OpenAPI document.
const TABLES: [(&str, &str); 2] = [
    ("access-service", include_str!("../../expected/audit-access-service.txt")),
    ("platform-service", include_str!("../../expected/audit-platform-service.txt")),
];

/// A table cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected/audit-*.txt, line {line}: {what}; a row is an operation, `told` or `untold` for a refused member and for a refused stranger, and the events of a success, or -"
)]
pub struct NotATable {
    line: usize,
    what: String,
}

#[derive(Debug)]
struct Row {
    member: bool,
    stranger: bool,
    /// The events of a success, each by words that stand in it.
    done: Vec<String>,
}

/// What must be on record. A service nobody wrote a table for leaves one event of whatever it does.
#[derive(Debug, Default)]
pub struct Due {
    rows: BTreeMap<String, Row>,
}

impl Due {
    /// The table for a service, by the title of its OpenAPI document; empty for services nobody wrote one for.
    pub fn of_title(title: &str) -> Result<Due, NotATable> {
        let table = TABLES.into_iter().find(|(known, _)| *known == title);
        table.map_or_else(|| Ok(Due::default()), |(_, text)| Due::parse(text))
    }

    fn parse(text: &str) -> Result<Due, NotATable> {
        let mut rows = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: String| NotATable { line: at + 1, what };
            let mut words = line.split_whitespace();
            let (operation, member, stranger) = (words.next(), words.next(), words.next());
            let told = |word: Option<&str>| match word {
                Some("told") => Ok(true),
                Some("untold") => Ok(false),
                other => Err(wrong(format!("expected told or untold, found {}", other.unwrap_or("nothing")))),
            };
            let (member, stranger) = (told(member)?, told(stranger)?);
            let done: Vec<String> = words.filter(|word| *word != "-").map(str::to_owned).collect();
            let operation = operation.unwrap_or_default().to_owned();
            if rows.insert(operation.clone(), Row { member, stranger, done }).is_some() {
                return Err(wrong(format!("{operation} stands twice")));
            }
        }
        Ok(Due { rows })
    }

    /// Whether a member who is refused leaves an event.
    pub(super) fn tells_member(&self, operation: &str) -> bool {
        self.rows.get(operation).is_none_or(|row| row.member)
    }

    /// Whether a stranger who is refused leaves one in their own organisation.
    pub(super) fn tells_stranger(&self, operation: &str) -> bool {
        self.rows.get(operation).is_none_or(|row| row.stranger)
    }

    /// Whether these are exactly the events of so many successes.
    pub(crate) fn is_met(&self, operation: &str, effect: Effect, times: usize, events: &[Event]) -> bool {
        let succeeded = events.iter().all(|event| event.outcome == "SUCCESS");
        match self.rows.get(operation) {
            None => succeeded && events.len() == times * usize::from(effect != Effect::Read),
            Some(row) => {
                let mut left: Vec<&Event> = events.iter().collect();
                let found = (0..times).flat_map(|_| &row.done).all(|words| {
                    let at = left.iter().position(|event| event.says(words));
                    at.map(|at| left.swap_remove(at)).is_some()
                });
                succeeded && found && left.is_empty()
            }
        }
    }

    /// The events of a success, for a reader.
    pub(crate) fn words(&self, operation: &str, effect: Effect) -> String {
        match self.rows.get(operation) {
            Some(row) if row.done.is_empty() => "no event".to_owned(),
            Some(row) => row.done.join(", ").replace('+', " "),
            None if effect == Effect::Read => "no event".to_owned(),
            None => "one event".to_owned(),
        }
    }

    /// The rows that no operation of a contract has, and the operations that have no row. Nothing where there is no
    /// table.
    pub fn strays(&self, contract: &Contract) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let audited = || contract.operations().filter(|operation| super::applies(operation));
        let gone = self.rows.keys().filter(|row| audited().all(|operation| operation.name != **row));
        let gone = gone.map(|row| format!("{row} is in the table, and no operation is"));
        let new = audited().filter(|operation| !self.rows.contains_key(&operation.name));
        gone.chain(new.map(|operation| format!("{} is an operation without a row", operation.name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Due;

    #[test]
    fn a_row_without_its_words_is_refused_by_line() {
        let error = Due::parse("# words\nteam-get told\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("nothing"), "{error}");
    }

    #[test]
    fn a_row_that_stands_twice_is_refused_by_line() {
        let error = Due::parse("team-get told told -\nteam-get told told -\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("twice"), "{error}");
    }

    #[test]
    fn the_tables_that_ship_are_understood() {
        for (title, _) in super::TABLES {
            assert!(Due::of_title(title).is_ok(), "{title}");
        }
    }
}
