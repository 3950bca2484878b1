//! Why a run failed, out of what n8n wrote down of it. n8n writes flatted JSON: one array in which every text inside
//! an object or array is the place of the real value. Pure.

use serde_json::Value;

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
    let Ok(places) = serde_json::from_str::<Vec<Value>>(data) else {
        return Failure::default();
    };
    let get = |of: Option<&Value>, name: &str| -> Option<Value> {
        match of?.get(name)? {
            Value::String(place) => places.get(place.parse::<usize>().ok()?).cloned(),
            other => Some(other.clone()),
        }
    };
    let result = get(places.first(), "resultData");
    let error = get(result.as_ref(), "error");
    let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(short));
    let message = text(get(error.as_ref(), "message"))
        .or_else(|| text(get(error.as_ref(), "description")))
        .filter(|text| !text.is_empty());
    let node = get(error.as_ref(), "node");
    let node = match &node {
        Some(Value::String(name)) => Some(short(name)),
        other => text(get(other.as_ref(), "name")),
    };
    Failure {
        message,
        node: node.or_else(|| text(get(result.as_ref(), "lastNodeExecuted"))),
    }
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

    proptest! {
        #[test]
        fn nothing_breaks_it(data in r#"\[(\{"(resultData|error|message|node)":"[0-3]"\},?){0,4}\]?"#) {
            let _ = failure(&data);
        }
    }
}
