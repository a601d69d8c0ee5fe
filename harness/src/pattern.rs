//! Patterns of names: of checks (`hop/team-get/*`) and of weaknesses.

/// Whether a name matches a pattern in which `*` stands for any run of characters, also an empty one.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            (0..=tail.len()).filter(|&at| tail.is_char_boundary(at)).any(|at| matches(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_run_of_characters_and_nothing_else_does() {
        assert!(matches("token/*/alg-none", "token/team-list/alg-none"));
        assert!(matches("hop/team-get/*", "hop/team-get/path.orgId"));
        assert!(!matches("token/*/alg-none", "token/team-list/alg-none-mixed-case"));
        assert!(!matches("hop/team-get/*", "hop/team-get-all"));
    }
}
