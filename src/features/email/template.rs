//! Templates: checked when they are saved, rendered without any reach beyond their variables. Pure.
//!
//! What a template can do is small on purpose: variables, a few filters, `if` and `for`. Nothing binds or
//! joins values, so that nothing can grow; steps and size are bounded besides.

use std::collections::BTreeSet;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::error::Misfit;
use crate::platform::template::{Limited, bounded, check_bounds, tags};

/// Steps after which rendering ends.
const FUEL: u64 = 50_000;
/// Most bytes of one part, written and rendered.
pub const MOST_BYTES: usize = 256 * 1024;
/// Most characters of a subject as it is stored.
const LONGEST_SUBJECT: usize = 500;
/// Most characters of a subject as it is sent.
const SHOWN_SUBJECT: usize = 200;

/// Something that a template may speak of.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Variable {
    /// As it is written between the braces.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// What it may look like.
    pub sample: &'static str,
    /// Whether it may be empty.
    pub is_optional: bool,
}

/// A template's three parts, as written or as rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// One line.
    pub subject: String,
    /// HTML.
    pub html: String,
    /// Plain text.
    pub text: String,
}

impl Parts {
    fn named(&self) -> [(&'static str, &'static str, &str); 3] {
        [
            ("subject", "subject.txt", &self.subject),
            ("html_body", "body.html", &self.html),
            ("text_body", "body.txt", &self.text),
        ]
    }
}

/// What is shown in place of the real thing.
pub fn samples(variables: &[Variable]) -> Value {
    let pairs = variables
        .iter()
        .map(|one| (one.name.to_owned(), one.sample.into()));
    Value::Object(pairs.collect())
}

/// The given values with something in place of each that is missing: news with a gap is better than none.
/// Numbers become text: templates are checked with text, and what `length` takes then it has to take later.
pub fn filled(variables: &[Variable], given: &Value) -> Value {
    let mut values = given.as_object().cloned().unwrap_or_else(Map::new);
    for value in values.values_mut() {
        if let Value::Number(number) = value {
            *value = number.to_string().into();
        }
    }
    for variable in variables {
        let is_given = values
            .get(variable.name)
            .is_some_and(|value| !value.is_null() && value.as_str() != Some(""));
        if !is_given {
            let stand_in = if variable.is_optional { "" } else { "unknown" };
            values.insert(variable.name.to_owned(), stand_in.into());
        }
    }
    Value::Object(values)
}

/// Every fault of a template, each with its field and line.
pub fn check(parts: &Parts, variables: &[Variable]) -> Vec<Misfit> {
    let mut faults = Vec::new();
    for (field, name, source) in parts.named() {
        if source.trim().is_empty() {
            faults.push(Misfit::new(field, "is empty"));
        } else if source.len() > MOST_BYTES {
            faults.push(Misfit::new(field, "is longer than 256 KB"));
        } else if let Err(fault) = check_part(field, name, source, variables) {
            faults.push(fault);
        }
    }
    if parts.subject.chars().count() > LONGEST_SUBJECT {
        faults.push(Misfit::new("subject", "is longer than 500 characters"));
    } else if parts.subject.chars().any(char::is_control) {
        let why = "holds a line break or another control character; write it on one line";
        faults.push(Misfit::new("subject", why));
    }
    faults
}

fn check_part(
    field: &'static str,
    name: &'static str,
    source: &str,
    variables: &[Variable],
) -> Result<(), Misfit> {
    check_tags(field, source)?;
    let environment = environment(UndefinedBehavior::Strict);
    let template = environment
        .template_from_named_str(name, source)
        .map_err(|error| fault(field, &error))?;
    let known: BTreeSet<_> = variables.iter().map(|one| one.name).collect();
    let used: BTreeSet<_> = template.undeclared_variables(false).into_iter().collect();
    let unknown: Vec<_> = used
        .iter()
        .filter(|name| !known.contains(name.as_str()))
        .map(String::as_str)
        .collect();
    if let Some(first) = unknown.first() {
        let known: Vec<_> = known.into_iter().collect();
        return Err(Misfit {
            line: line_of(source, first),
            ..Misfit::new(
                field,
                format!(
                    "{} is not known here. Known are: {}",
                    unknown.join(", "),
                    known.join(", ")
                ),
            )
        });
    }
    for values in [samples(variables), filled(variables, &Value::Null)] {
        render_part(&environment, field, name, source, &values)?;
    }
    Ok(())
}

/// Renders a template. With `is_strict` a variable without a value is a fault.
pub fn render(parts: &Parts, values: &Value, is_strict: bool) -> Result<Parts, Misfit> {
    let environment = environment(if is_strict {
        UndefinedBehavior::Strict
    } else {
        UndefinedBehavior::Lenient
    });
    let mut rendered = Vec::with_capacity(3);
    for (field, name, source) in parts.named() {
        check_tags(field, source)?;
        rendered.push(render_part(&environment, field, name, source, values)?);
    }
    let mut rendered = rendered.into_iter();
    let mut next = || rendered.next().unwrap_or_default();
    Ok(Parts {
        subject: one_line(&next()),
        html: next(),
        text: next(),
    })
}

/// Text on one line, as long as a subject is shown.
pub fn one_line(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN_SUBJECT {
        return line;
    }
    let cut: String = line.chars().take(SHOWN_SUBJECT - 1).collect();
    format!("{}…", cut.trim_end())
}

fn environment<'a>(undefined: UndefinedBehavior) -> Environment<'a> {
    let mut environment = bounded(FUEL, undefined);
    environment.set_auto_escape_callback(|name| {
        let is_html = name.rsplit('.').next() == Some("html");
        if is_html {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment
}

fn render_part(
    environment: &Environment<'_>,
    field: &'static str,
    name: &'static str,
    source: &str,
    values: &Value,
) -> Result<String, Misfit> {
    let mut out = Limited::new(MOST_BYTES);
    let template = environment.template_from_named_str(name, source);
    template
        .and_then(|template| {
            let values = minijinja::Value::from(minijinja::value::Serde(values));
            template.render_captured_to(values, &mut out).map(|_| ())
        })
        .map_err(|error| fault(field, &error))?;
    String::from_utf8(out.into_bytes()).map_err(|_| Misfit::new(field, "is no text"))
}

fn fault(field: &'static str, error: &minijinja::Error) -> Misfit {
    use minijinja::ErrorKind;

    let why = match error.kind() {
        ErrorKind::OutOfFuel => {
            "takes too many steps to render: a loop is too long, or loops stand in loops".to_owned()
        }
        ErrorKind::WriteFailure => "becomes larger than 256 KB".to_owned(),
        ErrorKind::UnknownFilter => format!(
            "{}. There are: upper, lower, title, capitalize, trim, length, default",
            error.detail().unwrap_or("unknown filter")
        ),
        ErrorKind::SyntaxError => format!(
            "{}. Variables stand in {{{{ }}}}, as in {{{{ host }}}}; {{% if … %}} ends with {{% endif %}}",
            error.detail().unwrap_or("cannot be read")
        ),
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    };
    Misfit {
        line: error.line(),
        ..Misfit::new(field, why)
    }
}

/// The line that speaks of a variable: the word in the text around the tags is not meant, nor a part of a longer
/// one or what follows a point.
fn line_of(source: &str, name: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    tags(source).iter().find_map(|tag| {
        let mut found = tag.bare.match_indices(name);
        let (at, _) = found.find(|(at, _)| {
            let (before, after) = (&tag.bare[..*at], &tag.bare[at + name.len()..]);
            !before.ends_with(|c| is_part(c) || c == '.') && !after.starts_with(is_part)
        })?;
        Some(tag.line + tag.bare[..at].matches('\n').count())
    })
}

/// Refuses what could make values grow: repeating, joining, binding.
fn check_tags(field: &'static str, source: &str) -> Result<(), Misfit> {
    check_bounds(source, 0).map_err(|refused| Misfit {
        line: Some(refused.line),
        ..Misfit::new(field, refused.why)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const KNOWN: &[Variable] = &[Variable {
        name: "name",
        description: "A name.",
        sample: "n8n",
        is_optional: false,
    }];

    fn parts(text: &str) -> Parts {
        Parts {
            subject: "s".to_owned(),
            html: "<p>h</p>".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn quotes_and_comments_hide_nothing_that_joins_values() {
        for joined in [
            "{{ name ~ name }}",
            "{{ '\\'' ~ name }}",
            "{{ \"}}\" ~ name }}",
            "{# {{ #}{{ name * 9 }}",
            "{%- set x = name %}",
            "{%+ with x = name %}{% endwith %}",
            "{{- name + name -}}",
            "{{ {{ name ~ name",
        ] {
            assert_eq!(check(&parts(joined), KNOWN).len(), 1, "{joined}");
        }
        for plain in [
            "{{- name -}}",
            "{{ name|default('~ * +') }}",
            "a ~ b * c + d {",
            "{# ~ #}",
        ] {
            assert_eq!(check(&parts(plain), KNOWN), [], "{plain}");
        }
    }

    #[test]
    fn an_unknown_variable_is_found_in_the_tag_that_speaks_of_it() {
        for (source, line) in [
            ("nope\nthe nope\n{{ nope }}", Some(3)),
            (
                "{# nope #}\n{{ nopes }}{{ name.nope }}\n{% if nope %}{% endif %}",
                Some(3),
            ),
            (
                "{{ name|default('nope') }}\n{{ name|default(nope) }}",
                Some(2),
            ),
            ("{% if name\n and 'a\nb' and\n nope %}{% endif %}", Some(4)),
            ("nope", None),
        ] {
            assert_eq!(line_of(source, "nope"), line, "{source}");
        }
        let fault = check(&parts("nope\n{{ name }} nope\n{{ nope }}"), KNOWN).remove(0);
        assert_eq!((fault.field, fault.line), ("text_body", Some(3)));
    }

    #[test]
    fn numbers_are_sent_as_the_text_that_they_were_checked_as() {
        let parts = parts("{{ name|length }} {{ name|upper }}{% if name %} there{% endif %}");
        assert_eq!(check(&parts, KNOWN), []);
        for (given, said) in [
            (json!(4711), "4 4711 there"),
            (json!(0), "1 0 there"),
            (json!(2.5), "3 2.5 there"),
        ] {
            let values = filled(KNOWN, &json!({ "name": given }));
            assert_eq!(render(&parts, &values, false).unwrap().text, said);
        }
    }

    #[test]
    fn a_subject_is_one_line_and_not_too_long() {
        assert_eq!(one_line(" a\r\nb\u{85}\tc  d\0 "), "a b c d");
        let cut = one_line(&"ä".repeat(300));
        assert_eq!(cut.chars().count(), SHOWN_SUBJECT);
        assert!(cut.ends_with('…'));
    }

    proptest! {
        #[test]
        fn no_source_and_no_value_breaks_rendering(
            source in "([{}%#'\"\\\\~*+ a-zé\n-]|\\{\\{|\\}\\}|\\{%|%\\}| for x in name | if name | endfor | endif | name ){0,40}",
            value in any::<String>(),
        ) {
            let parts = parts(&source);
            let is_good = check(&parts, KNOWN).is_empty();
            let values = json!({ "name": value });
            let rendered = render(&parts, &values, false);
            // What was saved is sent, whatever the values are, unless they make it too long.
            if is_good && value.len() < 20 {
                prop_assert!(rendered.is_ok(), "{source:?}: {rendered:?}");
            }
            if let Ok(rendered) = rendered {
                prop_assert!(rendered.text.len() <= MOST_BYTES);
            }
        }
    }
}
