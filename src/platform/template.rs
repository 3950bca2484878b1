//! What keeps a template that somebody wrote within bounds. The engine counts its steps; that values cannot grow
//! is looked after here: nothing binds, joins or repeats them, and what is written has an end.

use std::io;

use minijinja::{Environment, UndefinedBehavior, filters};

/// Nested deeper, a template is a riddle.
const RECURSION: usize = 32;

/// An engine with nothing of its own but what cannot make values grow without end, and `fuel` steps for a template.
pub fn bounded<'a>(fuel: u64, undefined: UndefinedBehavior) -> Environment<'a> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(fuel));
    environment.set_recursion_limit(RECURSION);
    environment.set_debug(false);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("title", filters::title);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("length", filters::length);
    environment.add_filter("default", filters::default);
    environment.add_test("defined", minijinja::tests::is_defined);
    environment
}

/// A template that is refused: where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// From 1.
    pub line: usize,
    /// What would be right.
    pub why: String,
}

/// The tags of choosing and repeating: with them nothing can grow.
pub const TAGS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// Refuses what could make values grow: other tags than [`TAGS`], signs that repeat, and signs that join, but for
/// `most_joins` in what is written at once: what is joined there is bound to no name, so that it cannot grow further.
pub fn check_bounds(source: &str, most_joins: usize) -> Result<(), Refused> {
    for tag in tags(source) {
        let refuse = |why: String| Refused {
            line: tag.line,
            why,
        };
        if tag.is_block {
            let word = tag.bare.split_whitespace().next().unwrap_or_default();
            if !TAGS.contains(&word) {
                let why = format!("the tag {word:?} is not available; there are if and for");
                return Err(refuse(why));
            }
        }
        let joins = tag.bare.matches(['~', '+']).count();
        if tag.bare.contains('*') || (most_joins == 0 || tag.is_block) && joins > 0 {
            let why =
                "values are not joined or counted in a template: ~, + and * are not available";
            let here =
                "values are not counted in a template, and joined (~) only between {{ and }}";
            return Err(refuse(if most_joins == 0 { why } else { here }.to_owned()));
        }
        if joins > most_joins {
            let why = format!("more than {most_joins} values are joined; write several {{{{ }}}}");
            return Err(refuse(why));
        }
    }
    Ok(())
}

/// Something between braces that is no comment.
#[derive(Debug)]
pub struct Tag {
    /// Where it begins, from 1.
    pub line: usize,
    /// Whether it is a block: `{% … %}`.
    pub is_block: bool,
    /// What stands in it, with spaces in place of what stands in quotes.
    pub bare: String,
}

/// The tags of a template, in their order.
pub fn tags(source: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        let tag = &rest[at..];
        let (inside, end) = match tag.get(1..2) {
            Some("#") => {
                rest = tag.find("#}").map_or("", |end| &tag[end + 2..]);
                continue;
            }
            Some("{") => inside(tag, "}}"),
            Some("%") => inside(tag, "%}"),
            _ => {
                rest = &tag[1..];
                continue;
            }
        };
        tags.push(Tag {
            line: 1 + source[..source.len() - tag.len()].matches('\n').count(),
            is_block: tag.starts_with("{%"),
            bare: bare(inside.trim_matches(['-', '+'])),
        });
        rest = &tag[end..];
    }
    tags
}

/// What stands in a tag, and where the tag ends. A closing sign in quotes does not close it.
fn inside<'a>(tag: &'a str, close: &str) -> (&'a str, usize) {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in tag.char_indices().skip(2) {
        match quote {
            _ if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if tag[at..].starts_with(close) => return (&tag[2..at], at + 2),
            _ => {}
        }
    }
    (&tag[2..], tag.len())
}

/// The same with spaces in place of what stands in quotes.
fn bare(inside: &str) -> String {
    let mut quote = None;
    let mut escaped = false;
    let mut outside = |c: &char| match quote {
        _ if escaped => {
            escaped = false;
            false
        }
        Some(_) if *c == '\\' => {
            escaped = true;
            false
        }
        Some(open) => {
            if *c == open {
                quote = None;
            }
            false
        }
        None if *c == '"' || *c == '\'' => {
            quote = Some(*c);
            false
        }
        None => true,
    };
    let shown = |c: char| {
        let is_shown = outside(&c) || c == '\n';
        if is_shown { c } else { ' ' }
    };
    inside.chars().map(shown).collect()
}

/// What is written, up to a limit of bytes.
pub struct Limited {
    bytes: Vec<u8>,
    most: usize,
}

impl Limited {
    /// Nothing yet, `most` bytes at most.
    pub fn new(most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            most,
        }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_joined_where_they_are_written_and_nowhere_else() {
        let is_fine = |source: &str, most| check_bounds(source, most).is_ok();
        for (source, without, with) in [
            ("{{ a }} ~ {{ b }}", true, true),
            ("{{ a ~ b | tojson }}", false, true),
            ("{{ a ~ b ~ a ~ b }}", false, false),
            ("{% for x in [a ~ a] %}{{ x }}{% endfor %}", false, false),
            ("{{ a * 9 }}", false, false),
            ("{% set x = a %}", false, false),
            ("{% macro x() %}{% endmacro %}", false, false),
            ("{% if a %}{{ '~ * +' }}{% endif %}{# ~ #}", true, true),
        ] {
            assert_eq!(
                (is_fine(source, 0), is_fine(source, 2)),
                (without, with),
                "{source}"
            );
        }
        let refused = check_bounds("a\n{{ b }}\n{% include 'x' %}", 2).unwrap_err();
        assert_eq!(refused.line, 3);
    }
}
