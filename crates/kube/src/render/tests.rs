#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;

use super::*;
use crate::objects::{self, tests::blueprints};

/// What is quoted and what is read back is the writer's and the reader's affair; that both agree is ours.
fn round_trip(value: &Value) -> (String, Value) {
    let text = document(&Object::of_json(value.clone())).unwrap();
    let read = serde_saphyr::from_str(&text).unwrap();
    (text, read)
}

#[test]
fn what_is_written_reads_back_as_it_was() {
    for (name, blueprint) in blueprints() {
        let objects = objects::all(&blueprint);
        for secrets in [Secrets::LeftOut, Secrets::Shown] {
            let text = documents(&objects, secrets).unwrap();
            let read: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
            let expected: Vec<&Value> = shown(&objects, secrets).map(Object::json).collect();
            assert_eq!(read.iter().collect::<Vec<_>>(), expected, "{name}");
            assert_eq!(text, documents(&objects::all(&blueprint), secrets).unwrap(), "{name}");
        }
    }
}

#[test]
fn strings_that_look_like_something_else_stay_strings() {
    let strange = [
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "N",
        "true",
        "null",
        "~",
        "",
        " ",
        "1",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "0x1f",
        "0o7",
        "010",
        "1_000",
        "12:30:45",
        "2024-01-01",
        ".inf",
        ".NaN",
        "=",
        "<<",
        "- a",
        "a: b",
        "a #b",
        "#",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        "{a",
        "[a",
        "'a'",
        "\"a\"",
        "a\\b",
        "tab\there",
        "bell\u{7}",
        "é",
        "\u{85}",
        "\u{2028}",
        "line\nline",
        "line\n",
        "line\n\n",
        "\nline",
        "  indented\nline\n",
        "trailing \nline\n",
        "---",
        "...",
        "a\r\nb",
    ];
    for text in strange {
        let (written, read) = round_trip(&json!({ "data": text, "list": [text], "nested": { text: text } }));
        assert_eq!(read, json!({ "data": text, "list": [text], "nested": { text: text } }), "{written}");
    }
}

proptest::proptest! {
    #[test]
    fn any_string_reads_back(text in "(?s).{0,60}|([a-z #:'\"\\\\-]{0,12}\n){0,6}") {
        let value = json!({ "data": { "redis.conf": text }, "list": [text, 1, true, null] });
        let (written, read) = round_trip(&value);
        proptest::prop_assert_eq!(read, value, "{}", written);
    }
}

#[test]
fn the_kind_comes_first_and_scripts_are_readable() {
    let blueprints = blueprints();
    let (_, blueprint) = blueprints.first().unwrap();
    let text = document(&Object::of(&objects::config_map(blueprint))).unwrap();
    assert!(text.starts_with("apiVersion: v1\nkind: ConfigMap\nmetadata:\n"), "{text}");
    assert!(
        text.contains("\n  redis.conf: |\n    # Written by slotwright for sessions.\n    appendonly yes\n"),
        "{text}"
    );
}

#[test]
fn a_folder_lists_what_is_in_it_and_leaves_secrets_out() {
    for (name, blueprint) in blueprints() {
        let objects = objects::all(&blueprint);
        let names = |secrets| -> Vec<String> {
            let files = folder(&objects, secrets).unwrap();
            let (first, rest) = files.split_first().unwrap();
            let read: Value = serde_saphyr::from_str(&first.text).unwrap();
            let names: Vec<String> = rest.iter().map(|file| file.name.clone()).collect();
            assert_eq!(
                (first.name.as_str(), read.get("resources")),
                (KUSTOMIZATION, Some(&json!(names))),
                "{name}"
            );
            names
        };
        let (without, with) = (names(Secrets::LeftOut), names(Secrets::Shown));
        assert_eq!(with.len(), objects.len());
        let left_out: Vec<_> = with.iter().filter(|name| !without.contains(name)).collect();
        let secrets = objects.iter().filter(|object| object.is_secret()).count();
        assert!(
            left_out.len() == secrets && left_out.iter().all(|name| name.starts_with("secret-")),
            "{left_out:?}"
        );
    }
}
