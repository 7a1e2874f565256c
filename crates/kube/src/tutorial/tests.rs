#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::objects;

const SOURCE: &str = include_str!("source.yaml");

fn ours() -> BTreeMap<String, Value> {
    let secret = |key| SecretValue::existing("redis-login", key);
    let wanted = wanted("redis:7.2.5".parse().unwrap(), secret("password"), secret("deployment-id"));
    let objects = objects::all(&wanted.check().unwrap());
    objects
        .into_iter()
        .map(|object| (format!("{} {}", object.kind(), object.name()), object.into_json()))
        .collect()
}

fn theirs() -> BTreeMap<String, Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(SOURCE).unwrap();
    let name = |value: &Value| {
        let name = value["metadata"]["name"].as_str().unwrap().replace("nfs-vp2", "nfs-pv2");
        format!("{} {name}", value["kind"].as_str().unwrap())
    };
    documents.into_iter().map(|value| (name(&value), value)).collect()
}

/// The leaves of a value, by JSON pointer.
fn leaves(value: &Value, at: &str, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                leaves(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), into);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                leaves(value, &format!("{at}/{index}"), into);
            }
        }
        leaf => into.push((at.to_owned(), leaf.clone())),
    }
}

/// Volumes are corrected alike; the table names the one with the slip.
fn corrected(object: &str, at: &str) -> Option<usize> {
    let object = if object.starts_with("PersistentVolume ") { "PersistentVolume nfs-pv2" } else { object };
    CORRECTIONS.iter().position(|correction| {
        correction.places.iter().any(|(name, pointer)| {
            *name == object
                && at.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    })
}

#[test]
fn everything_of_the_tutorial_is_there_but_what_is_corrected() {
    let (theirs, ours) = (theirs(), ours());
    assert_eq!(theirs.len(), 6 + 3);
    let mut same = 0;
    for (name, value) in &theirs {
        let mine = ours.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        let mut all = Vec::new();
        leaves(value, "", &mut all);
        for (at, leaf) in all {
            let found = mine.pointer(&at);
            if found == Some(&leaf) {
                same += 1;
            } else {
                assert!(
                    corrected(name, &at).is_some(),
                    "{name} {at}: {leaf} became {found:?} without a reason"
                );
            }
        }
    }
    assert!(same >= 80, "{same}");
}

#[test]
fn every_correction_is_in_the_objects() {
    let (theirs, ours) = (theirs(), ours());
    for correction in &CORRECTIONS {
        for (object, pointer) in correction.places {
            let mine = ours.get(*object).and_then(|value| value.pointer(pointer));
            let before = theirs.get(*object).and_then(|value| value.pointer(pointer));
            assert_ne!(mine, before, "{object} {pointer} is as in the tutorial");
            // What the tutorial starts the server with is gone.
            assert!(mine.is_some() || pointer.ends_with("/args"), "{object} {pointer} is not there");
        }
    }
}

#[test]
fn the_directives_of_the_tutorial_are_in_the_configuration() {
    let lines = |value: &Value| -> BTreeSet<String> {
        value["data"]["redis.conf"].as_str().unwrap().lines().map(str::to_owned).collect()
    };
    let (theirs, ours) = (theirs(), ours());
    let (theirs, ours) = (lines(&theirs["ConfigMap redis-conf"]), lines(&ours["ConfigMap redis-conf"]));
    assert_eq!(theirs.len(), 6);
    assert!(theirs.is_subset(&ours), "{ours:?}");
}

#[test]
fn the_table_in_the_documentation_is_this_one() {
    let published = include_str!("../../TUTORIAL.md");
    let (_, shown) = published.split_once("\n\n").unwrap();
    // To renew it: the table that this prints.
    assert_eq!(shown, table(), "{}", table());
}
