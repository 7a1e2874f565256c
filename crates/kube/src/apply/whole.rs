//! Lists that a server takes whole: what it has filled in there counts as a change of everyone who did not write it.
//!
//! The claim templates of a StatefulSet are such a list (`x-kubernetes-list-type: atomic`), and a server fills in a version, a
//! status and more. Whoever applies the same templates as another manager without these is told of a conflict.

use kube::core::DynamicObject;
use serde_json::Value;

/// The object, with its claim templates as the server has them where those say all that is wanted: then nothing changes,
/// whoever wrote them. Where they say something else, the wish is left as it is, for the server to refuse.
pub(super) fn as_it_stands(mut object: DynamicObject, was: Option<&DynamicObject>) -> DynamicObject {
    const TEMPLATES: &str = "/spec/volumeClaimTemplates";
    let stands = was.and_then(|was| was.data.pointer(TEMPLATES));
    if let (Some(wanted), Some(stands)) = (object.data.pointer_mut(TEMPLATES), stands)
        && says_all(stands, wanted)
    {
        wanted.clone_from(stands);
    }
    object
}

/// Whether everything in `wanted` is in `stands`, which may say more.
fn says_all(stands: &Value, wanted: &Value) -> bool {
    match (stands, wanted) {
        (Value::Object(stands), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| stands.get(key).is_some_and(|stands| says_all(stands, wanted)))
        }
        (Value::Array(stands), Value::Array(wanted)) => {
            stands.len() == wanted.len()
                && stands.iter().zip(wanted).all(|(stands, wanted)| says_all(stands, wanted))
        }
        (stands, wanted) => stands == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(templates: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "metadata": {"name": "a"},
            "spec": {"replicas": 6, "volumeClaimTemplates": templates},
        }))
        .unwrap()
    }

    #[test]
    fn templates_stay_as_they_are_unless_something_else_is_wanted() {
        let stands = json!([{
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"},
            "metadata": {"name": "data", "creationTimestamp": null},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"},
        }]);
        let wanted = json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]);
        let applied = as_it_stands(set(&wanted), Some(&set(&stands)));
        assert_eq!(applied, set(&stands));
        for other in [
            json!([{"metadata": {"name": "other"}}]),
            json!([{"metadata": {"name": "data"}, "spec": {"accessModes": []}}]),
            json!([{"metadata": {"name": "data"}, "spec": {"storageClassName": "fast"}}]),
            json!([]),
        ] {
            assert_eq!(as_it_stands(set(&other), Some(&set(&stands))), set(&other));
        }
        assert_eq!(as_it_stands(set(&wanted), None), set(&wanted));
    }
}
