//! What of a source file is code: comments and literals blanked, so that a rule cannot trip over prose.

/// The text with comments, strings and characters replaced by blanks, line for line.
pub fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_name = code.ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let length = literal(rest, after_name);
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().map(|blanked| if blanked == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    code
}

/// How many bytes of a comment or literal a text begins with; 0 where it begins with code.
fn literal(text: &str, after_name: bool) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('"') {
        return string(text);
    }
    if text.starts_with('\'') {
        return character(text);
    }
    let raw = text.strip_prefix("br").or_else(|| text.strip_prefix('r')).filter(|_| !after_name);
    let Some(raw) = raw else { return 0 };
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    if !raw[hashes..].starts_with('"') {
        return 0;
    }
    let body = text.len() - raw.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    text[body..].find(&end).map_or(text.len(), |at| body + at + end.len())
}

/// Block comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        let step = if here.starts_with(b"/*") {
            depth += 1;
            2
        } else if here.starts_with(b"*/") {
            depth -= 1;
            2
        } else {
            1
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, found) in text.char_indices().skip(1) {
        match found {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character, not a lifetime: closed by a quote after one character or one escape.
fn character(text: &str) -> usize {
    let inside = &text[1..];
    let Some(first) = inside.chars().next() else { return 0 };
    if first == '\\' {
        let escape = 2; // the backslash and what it escapes, which may be a quote
        return inside.get(escape..).and_then(|rest| rest.find('\'')).map_or(0, |at| 1 + escape + at + 1);
    }
    let end = 1 + first.len_utf8();
    if text[end..].starts_with('\'') { end + 1 } else { 0 }
}

/// The part of a module before its inline tests, which stand at its end.
pub fn before_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ").map_or(text, |at| &text[..at])
}

#[test]
fn literals_and_comments_are_blanked_line_for_line() {
    let text = "a(\"b\\\"c\") // d\nr#\"e\"f\"# 'g' '\\'' &'h str /* i /* j */ k\n*/ l\n";
    let code = code_only(text);
    assert_eq!(code.lines().count(), text.lines().count());
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(words, ["a(", ")", "&'h", "str", "l"]);
}
