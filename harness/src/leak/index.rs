//! Many strings searched for at once, while more keep coming.
//!
//! An Aho-Corasick automaton cannot grow, and building one over all ids at every new id would make a long
//! run quadratic. So new ids wait, become a small automaton at the next search, and automata of like size
//! are merged: each id is built into O(log n) automata over the whole run.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

#[derive(Debug, Default)]
pub(super) struct Index {
    segments: Vec<Segment>,
    pending: Vec<String>,
}

#[derive(Debug)]
struct Segment {
    automaton: AhoCorasick,
    strings: Vec<String>,
}

impl Index {
    pub(super) fn add(&mut self, text: &str) {
        self.pending.push(text.to_owned());
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Makes what was added searchable.
    pub(super) fn settle(&mut self) {
        let mut strings = std::mem::take(&mut self.pending);
        if strings.is_empty() {
            return;
        }
        while self.segments.last().is_some_and(|last| last.strings.len() <= 2 * strings.len()) {
            strings.extend(self.segments.pop().into_iter().flat_map(|segment| segment.strings));
        }
        match automaton(&strings) {
            Some(automaton) => self.segments.push(Segment { automaton, strings }),
            // Kept, so that nothing learnt is lost; the next search tries again.
            None => self.pending = strings,
        }
    }

    /// The first hit for which `judge` gives a value. Called with the place and the string as it was added;
    /// hits may overlap, and case of ASCII letters is ignored.
    pub(super) fn find<T>(&self, text: &str, mut judge: impl FnMut(usize, &str) -> Option<T>) -> Option<T> {
        self.segments.iter().find_map(|segment| {
            segment
                .automaton
                .find_overlapping_iter(text)
                .find_map(|hit| judge(hit.start(), &segment.strings[hit.pattern().as_usize()]))
        })
    }
}

/// `None` only above the 2^31 states the crate can number.
fn automaton(strings: &[String]) -> Option<AhoCorasick> {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(strings)
        .ok()
}
