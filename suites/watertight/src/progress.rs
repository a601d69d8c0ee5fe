//! Progress in the terminal; silent where there is none.

use std::borrow::Cow;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `length` steps, or a spinner where the length is not known.
pub fn bar(what: impl Into<Cow<'static, str>>, length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{prefix:>12} [{bar:30}] {pos}/{len} {wide_msg}"),
        None => (ProgressBar::new_spinner(), "{prefix:>12} {spinner} {pos} {wide_msg}"),
    };
    // The template is constant and right; if it were not, the default style shows the same.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar.set_prefix(what);
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

/// Ends a bar and leaves one line in its place, also where there is no terminal.
pub fn finish(bar: &ProgressBar, what: &str, line: &str) {
    bar.finish_and_clear();
    println!("{what:>12}  {line}");
}
