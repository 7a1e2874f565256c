//! What an object is and what it would become, field by field.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// What the server keeps about an object by itself.
const KEPT_BY_SERVER: [&str; 7] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
    "deletionTimestamp",
];

/// One field that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where: `.spec.template.spec.containers[0].image`.
    pub field: String,
    /// What it is, as JSON; nothing when it is not there.
    pub was: Option<String>,
    /// What it becomes, as JSON; nothing when it goes.
    pub becomes: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, was, becomes } = self;
        match (was, becomes) {
            (None, Some(becomes)) => write!(f, "{field}: {becomes} is added"),
            (Some(was), None) => write!(f, "{field}: {was} is removed"),
            (was, becomes) => {
                let [was, becomes] = [was, becomes].map(|value| value.as_deref().unwrap_or("nothing"));
                write!(f, "{field}: {was} becomes {becomes}")
            }
        }
    }
}

/// The differences between two states of one object, in the order of their fields. What the server keeps by itself and
/// the status are left out. The values of a Secret are not shown.
pub(crate) fn between(was: &Value, becomes: &Value) -> Vec<Difference> {
    let secret = becomes.get("kind").is_some_and(|kind| kind == "Secret");
    let mut found = Vec::new();
    compare("", Some(was), Some(becomes), secret, &mut found);
    found
}

fn compare(
    field: &str,
    was: Option<&Value>,
    becomes: Option<&Value>,
    secret: bool,
    found: &mut Vec<Difference>,
) {
    match (was, becomes) {
        (Some(Value::Object(was)), Some(Value::Object(becomes))) => {
            let keys: BTreeSet<&String> = was.keys().chain(becomes.keys()).collect();
            for key in keys {
                let left_out = match field {
                    "" => key == "status",
                    ".metadata" => KEPT_BY_SERVER.contains(&key.as_str()),
                    _ => false,
                };
                if !left_out {
                    compare(&below(field, key), was.get(key), becomes.get(key), secret, found);
                }
            }
        }
        (Some(Value::Array(was)), Some(Value::Array(becomes))) => {
            for number in 0..was.len().max(becomes.len()) {
                let field = format!("{field}[{number}]");
                compare(&field, was.get(number), becomes.get(number), secret, found);
            }
        }
        (was, becomes) if was == becomes => {}
        (was, becomes) => {
            let hidden = secret && (field.starts_with(".data") || field.starts_with(".stringData"));
            let shown = |value: &Value| if hidden { "(secret)".to_owned() } else { value.to_string() };
            found.push(Difference {
                field: field.to_owned(),
                was: was.map(shown),
                becomes: becomes.map(shown),
            });
        }
    }
}

/// A field's place, as kubectl's JSONPath has it where the name of a field has dots.
fn below(field: &str, key: &str) -> String {
    if key.contains(['.', '/']) { format!("{field}['{key}']") } else { format!("{field}.{key}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(was: &Value, becomes: &Value) -> Vec<String> {
        between(was, becomes).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_changes_is_told() {
        let was = json!({"metadata": {"name": "a", "uid": "1", "labels": {"app/x": "1"}}, "spec": {"n": 3, "l": [1, 2]}});
        let becomes = json!({"metadata": {"name": "a", "uid": "2", "labels": {"app/x": "2"}}, "spec": {"n": 3, "l": [1], "m": {}},
            "status": {"x": 1}});
        assert_eq!(
            texts(&was, &becomes),
            [
                ".metadata.labels['app/x']: \"1\" becomes \"2\"",
                ".spec.l[1]: 2 is removed",
                ".spec.m: {} is added"
            ]
        );
        assert!(between(&was, &was).is_empty());
    }

    #[test]
    fn secrets_are_not_shown() {
        let was = json!({"kind": "Secret", "data": {"password": "b2xk"}});
        let becomes =
            json!({"kind": "Secret", "data": {"password": "bmV3", "more": "eA=="}, "type": "Opaque"});
        let told = texts(&was, &becomes);
        assert_eq!(told[0], ".data.more: (secret) is added");
        assert_eq!(told[1], ".data.password: (secret) becomes (secret)");
        assert_eq!(told[2], ".type: \"Opaque\" is added");
        // A Secret whose data is new as a whole.
        let told = texts(&json!({"kind": "Secret"}), &becomes);
        assert_eq!(told[0], ".data: (secret) is added");
    }
}
