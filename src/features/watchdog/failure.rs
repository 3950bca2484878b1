//! Why a run failed, out of what n8n wrote down of it. n8n writes flatted JSON: one array in which every text inside
//! an object or array is the place of the real value. There may be a million of those, so they stay the text that they
//! are but on the way to the error. Pure.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

const MOST_CHARS: usize = 500;

/// Why a run failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// n8n's words.
    pub message: Option<String>,
    /// The node at which it failed.
    pub node: Option<String>,
}

/// Reads it. What cannot be read says nothing.
pub fn failure(data: &str) -> Failure {
    let Ok(places) = serde_json::from_str::<Vec<&RawValue>>(data) else {
        return Failure::default();
    };
    let get = |of, name| field(&places, of, name);
    let result = get(places.first().map(|first| first.get()), "resultData");
    let error = get(result, "error");
    let text = |value: Option<&str>| value.and_then(text_of).map(|text| short(&text));
    let message = text(get(error, "message"))
        .or_else(|| text(get(error, "description")))
        .filter(|text| !text.is_empty());
    let node = get(error, "node");
    let node = text(node).or_else(|| text(get(node, "name")));
    Failure {
        message,
        node: node.or_else(|| text(get(result, "lastNodeExecuted"))),
    }
}

/// A field of an object, behind its place.
fn field<'a>(places: &[&'a RawValue], of: Option<&'a str>, name: &str) -> Option<&'a str> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(of?).ok()?;
    let value = fields.remove(name)?.get();
    match text_of(value) {
        Some(place) => Some(places.get(place.parse::<usize>().ok()?)?.get()),
        None => Some(value),
    }
}

/// A value that is a text.
fn text_of(value: &str) -> Option<String> {
    serde_json::from_str(value).ok()
}

fn short(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let clean: String = clean.take(MOST_CHARS).collect();
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn message_and_node_are_found_behind_their_places() {
        let data = r#"[{"startData":"1","resultData":"2"},{},{"error":"3","runData":"4","lastNodeExecuted":"7"},
            {"message":"5","node":"6","level":"8"},{},"connect ECONNREFUSED\n10.0.0.5:443",{"name":"7","id":"9"},"HTTP Request","error","x"]"#;
        let found = failure(data);
        assert_eq!(
            found.message.as_deref(),
            Some("connect ECONNREFUSED 10.0.0.5:443")
        );
        assert_eq!(found.node.as_deref(), Some("HTTP Request"));
    }

    #[test]
    fn a_crash_names_the_last_node_and_nonsense_nothing() {
        let data = r#"[{"resultData":"1"},{"runData":"2","lastNodeExecuted":"3"},{},"Loop"]"#;
        assert_eq!(failure(data).node.as_deref(), Some("Loop"));
        for data in [
            "",
            "{}",
            "[]",
            "[1]",
            r#"[{"resultData":"99"}]"#,
            r#"[{"resultData":"0"}]"#,
        ] {
            assert_eq!(failure(data), Failure::default(), "{data}");
        }
    }

    #[test]
    fn what_is_beside_the_way_to_the_error_is_not_made_into_values() {
        // A number that no value holds.
        let many = "1e999,".repeat(10_000);
        let data = format!(
            r#"[{{"resultData":"1"}},{{"error":"2"}},{{"message":"3"}},"it broke",{many}0]"#
        );
        assert_eq!(failure(&data).message.as_deref(), Some("it broke"));
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(data in r#"\[(\{"(resultData|error|message|node)":"[0-3]"\},?){0,4}\]?"#) {
            let _ = failure(&data);
        }
    }
}
