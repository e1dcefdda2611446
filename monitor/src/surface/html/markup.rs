//! Markup in which untrusted text can only be text.

use std::fmt::{Display, Write};

/// A page being written. Markup is only what stands in this program's source; everything else is escaped.
#[derive(Debug, Default)]
pub(in crate::surface) struct Markup {
    out: String,
}

/// Writes characters with a meaning in markup as references, and invisible ones as `�`.
struct Escape<'a>(&'a mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' => self.0.push(' '),
                // Their sources escape them already; these would change the text beside them.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.0.push('\u{fffd}'),
                control if control.is_control() => self.0.push('\u{fffd}'),
                plain => self.0.push(plain),
            }
        }
        Ok(())
    }
}

impl Markup {
    /// Appends markup of our own.
    pub(in crate::surface) fn raw(&mut self, markup: &'static str) -> &mut Markup {
        self.out.push_str(markup);
        self
    }

    /// Appends text, also inside the quotes of an attribute.
    pub(in crate::surface) fn text(&mut self, text: impl Display) -> &mut Markup {
        // Writing to a String cannot fail.
        let _ = write!(Escape(&mut self.out), "{text}");
        self
    }

    /// Appends text between markup.
    pub(in crate::surface) fn element(
        &mut self,
        open: &'static str,
        text: impl Display,
        close: &'static str,
    ) -> &mut Markup {
        self.raw(open).text(text).raw(close)
    }

    /// Appends a part that was written apart.
    pub(in crate::surface) fn part(&mut self, part: &Markup) -> &mut Markup {
        self.out.push_str(&part.out);
        self
    }

    /// Bytes so far.
    pub(in crate::surface) fn len(&self) -> usize {
        self.out.len()
    }

    /// The page.
    pub(in crate::surface) fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_is_never_markup(text: String) {
            let mut page = Markup::default();
            page.element("<p title=\"", &text, "\">");
            let page = page.finish();
            let inside = &page["<p title=\"".len()..page.len() - "\">".len()];
            let has_markup = inside.contains(['<', '>', '"', '\'', '\n', '\u{1b}', '\u{202e}']);
            prop_assert!(!has_markup);
        }
    }
}
