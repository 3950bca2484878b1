//! What an event's data must be for a rule. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A condition on an event's data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DataCondition {
    /// Which field, with dots into what is nested: `backup_type`, `disk.percent`.
    pub field: String,
    /// How it is compared.
    pub op: Operator,
    /// With what; not needed for `exists` and `missing`.
    #[serde(default)]
    pub value: Value,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Is it.
    Eq,
    /// Is it not, or is not there.
    Ne,
    /// Is more, as a number.
    Gt,
    /// Is it or more.
    Gte,
    /// Is less.
    Lt,
    /// Is it or less.
    Lte,
    /// Has it in it: a text in a text, a value in a list.
    Contains,
    /// Is there.
    Exists,
    /// Is not there.
    Missing,
}

impl DataCondition {
    /// Whether it makes sense; the part at fault and the remedy.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let parts = self.field.split('.');
        if self.field.len() > 200 || parts.clone().count() > 8 || parts.clone().any(str::is_empty) {
            return Err((
                "field",
                "must be the name of a field, with dots into what is nested",
            ));
        }
        let is_number = number(&self.value).is_some();
        match self.op {
            Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte if !is_number => {
                Err(("value", "must be a number, to be compared by size"))
            }
            Operator::Eq | Operator::Ne | Operator::Contains
                if self.value.is_object() || self.value.is_array() =>
            {
                Err(("value", "must be a text, a number, or true or false"))
            }
            Operator::Contains if self.value.is_null() => Err(("value", "must be given")),
            _ => Ok(()),
        }
    }

    /// Whether it is so.
    pub fn holds(&self, data: &Value) -> bool {
        let found = self
            .field
            .split('.')
            .try_fold(data, |value, part| match value {
                Value::Array(list) => part.parse::<usize>().ok().and_then(|at| list.get(at)),
                other => other.get(part),
            });
        let found = found.filter(|value| !value.is_null());
        let compared = |test: fn(f64, f64) -> bool| {
            let pair = found.and_then(number).zip(number(&self.value));
            pair.is_some_and(|(left, right)| test(left, right))
        };
        match self.op {
            Operator::Exists => found.is_some(),
            Operator::Missing => found.is_none(),
            Operator::Eq => found.is_some_and(|value| same(value, &self.value)),
            Operator::Ne => !found.is_some_and(|value| same(value, &self.value)),
            Operator::Gt => compared(|left, right| left > right),
            Operator::Gte => compared(|left, right| left >= right),
            Operator::Lt => compared(|left, right| left < right),
            Operator::Lte => compared(|left, right| left <= right),
            Operator::Contains => match found {
                Some(Value::String(text)) => {
                    let part = plain(&self.value).to_lowercase();
                    text.to_lowercase().contains(&part)
                }
                Some(Value::Array(list)) => list.iter().any(|one| same(one, &self.value)),
                _ => false,
            },
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A form in a page gives texts for numbers, so `"5"` is 5.
fn same(left: &Value, right: &Value) -> bool {
    left == right || plain(left) == plain(right)
}
