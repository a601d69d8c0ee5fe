//! Templates of a binding: a constant, or one placeholder that is the whole value.

use super::SlotKind;

/// What stands in a place of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Template {
    /// The same in every request.
    Constant(String),
    /// Filled.
    Slot(Placeholder),
}

/// `{kind}`, `{kind?}`, `{name:kind}` or `{kind=example}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placeholder {
    /// What a parameter of a path is called; the kind's word unless it is said.
    pub(super) name: String,
    /// What it is filled with.
    pub(super) kind: SlotKind,
    /// The request is valid without it.
    pub(super) optional: bool,
    /// What stands there where the harness must not choose.
    pub(super) example: Option<String>,
}

impl Template {
    /// Reads a template; the error says what was found, what was expected and what to do.
    pub(super) fn parse(text: &str) -> Result<Template, String> {
        let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            if text.contains(['{', '}']) {
                return Err(format!(
                    "is \"{text}\": a template is the whole value, as in \"{{team}}\"; nothing can stand beside it"
                ));
            }
            return Ok(Template::Constant(text.to_owned()));
        };
        let (inner, example) = match inner.split_once('=') {
            Some((inner, example)) => (inner, Some(example.to_owned())),
            None => (inner, None),
        };
        let (inner, optional) = inner.strip_suffix('?').map_or((inner, false), |inner| (inner, true));
        let (name, word) = inner.split_once(':').unwrap_or((inner, inner));
        if word.is_empty() || name.is_empty() {
            return Err(format!(
                "is \"{text}\", which renders nothing; expected a slot kind in the braces, as in \"{{team}}\""
            ));
        }
        let kind: SlotKind = word.parse().map_err(|()| {
            let known: Vec<_> = SlotKind::ALL.iter().map(|kind| kind.as_str()).collect();
            format!(
                "is \"{text}\", and '{word}' is no slot kind (known: {}); a parameter of another name is written \
                 \"{{{word}:team}}\"",
                known.join(", ")
            )
        })?;
        if kind.from_example() && example.is_none() && !optional {
            return Err(format!(
                "is \"{text}\", which renders nothing: a {word} is never invented; write \"{{{inner}=VALUE}}\" with one \
                 that the target knows"
            ));
        }
        Ok(Template::Slot(Placeholder { name: name.to_owned(), kind, optional, example }))
    }

    /// The placeholder, where there is one.
    pub(super) fn placeholder(self) -> Option<Placeholder> {
        match self {
            Template::Slot(placeholder) => Some(placeholder),
            Template::Constant(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::SlotKind;
    use super::Template;

    #[test]
    fn a_placeholder_has_a_name_a_kind_an_example_and_may_be_optional() {
        let read = |text: &str| Template::parse(text).unwrap().placeholder().unwrap();
        let plain = read("{team}");
        assert_eq!((plain.name.as_str(), plain.kind, plain.optional), ("team", SlotKind::Team, false));
        let named = read("{teamId:team?}");
        assert_eq!((named.name.as_str(), named.kind, named.optional), ("teamId", SlotKind::Team, true));
        assert_eq!(read("{platform-role=member}").example.as_deref(), Some("member"));
        assert_eq!(Template::parse("asc").unwrap(), Template::Constant("asc".to_owned()));
    }

    #[test]
    fn what_cannot_be_filled_is_refused_with_a_remedy() {
        let refusal = |text: &str| Template::parse(text).unwrap_err();
        assert!(
            refusal("{teem}").contains("'teem' is no slot kind (known: org, team"),
            "{}",
            refusal("{teem}")
        );
        assert!(refusal("{teamId}").contains("\"{teamId:team}\""), "{}", refusal("{teamId}"));
        assert!(refusal("{}").contains("renders nothing"), "{}", refusal("{}"));
        assert!(refusal("{status}").contains("{status=VALUE}"), "{}", refusal("{status}"));
        assert!(refusal("team-{team}").contains("the whole value"), "{}", refusal("team-{team}"));
    }
}
