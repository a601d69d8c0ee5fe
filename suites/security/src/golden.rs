//! Golden tables: who may do what on a service, written by people.

use std::collections::{BTreeMap, BTreeSet};

use harness::contract::Contract;

use crate::cast::Persona;
use crate::model::{Expected, relations, row};

/// The tables, by the title of the service's OpenAPI document.
const TABLES: [(&str, &str); 2] = [
    ("access-service", include_str!("../expected/authz-access-service.txt")),
    ("platform-service", include_str!("../expected/authz-platform-service.txt")),
];

/// A golden table: expectations by row and column.
#[derive(Debug, Default)]
pub struct Golden {
    cells: BTreeMap<(String, String), Expected>,
}

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
        let table = TABLES.into_iter().find(|(known, _)| *known == title);
        table.map_or_else(|| Ok(Golden::default()), |(_, text)| Golden::parse(text))
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
                if cells.insert((row.clone(), (*column).to_owned()), expected).is_some() {
                    return Err(wrong(format!("{row} stands twice")));
                }
            }
        }
        Ok(Golden { cells })
    }

    /// What the table says of a cell, if it has it.
    pub fn get(&self, row: &str, persona: Persona) -> Option<Expected> {
        self.cells.get(&(row.to_owned(), persona.label().to_owned())).copied()
    }

    /// The rows that no operation of a contract has, and the operations that have no row: one has been changed
    /// without the other. Nothing where there is no table.
    pub fn strays(&self, contract: &Contract) -> Vec<String> {
        if self.cells.is_empty() {
            return Vec::new();
        }
        let ours: BTreeSet<String> = self.cells.keys().map(|(row, _)| row.clone()).collect();
        let theirs: BTreeSet<String> = contract
            .operations()
            .flat_map(|operation| relations(operation).iter().map(|&relation| row(&operation.name, relation)))
            .collect();
        let gone = ours.difference(&theirs).map(|row| format!("{row} is in the table, and no operation is"));
        let new = theirs.difference(&ours).map(|row| format!("{row} is an operation without a row"));
        gone.chain(new).collect()
    }
}

#[cfg(test)]
mod tests {
    use harness::contract::Contract;
    use serde_json::json;

    use super::Golden;

    #[test]
    fn a_row_with_too_few_words_is_refused_by_line() {
        let error = Golden::parse("operation a b\nteam-get allow\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("team-get"), "{error}");
    }

    #[test]
    fn a_row_that_stands_twice_is_refused_by_line() {
        let error = Golden::parse("operation a\nteam-get allow\nteam-get hidden\n").unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("twice"), "{error}");
    }

    #[test]
    fn a_row_without_an_operation_and_an_operation_without_a_row_are_named() {
        let table = Golden::parse("operation a\nteam-get allow\nteam-list allow\n").unwrap();
        let operation = |name: &str| {
            json!({ "get": { "operationId": name, "x-permission": ["public"], "x-effect": "read",
                             "x-visibility": "public", "responses": {} } })
        };
        let paths = json!({ "/teams": operation("team-list"), "/notes": operation("note-list") });
        let contract = Contract::from_openapi(&json!({ "openapi": "3.1.0", "paths": paths })).unwrap();
        let strays = table.strays(&contract);
        assert_eq!(strays.len(), 2, "{strays:?}");
        assert!(strays[0].starts_with("team-get is in the table"), "{strays:?}");
        assert!(strays[1].starts_with("note-list is an operation"), "{strays:?}");
        assert!(Golden::default().strays(&contract).is_empty(), "where there is no table nothing is astray");
    }
}
