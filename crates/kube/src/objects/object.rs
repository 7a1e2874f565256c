//! Any object, as an API server takes it.

use std::fmt;

use k8s_openapi::Resource;
use serde::Serialize;
use serde_json::Value;

/// One Kubernetes object: its JSON, whatever its kind.
///
/// `Debug` shows kind and name only, because the content may be a secret.
#[derive(Clone, PartialEq)]
pub struct Object(Value);

impl Object {
    /// The object as JSON.
    ///
    /// ```
    /// use k8s_openapi::api::core::v1::ConfigMap;
    /// use slotwright_kube::objects::Object;
    /// let object = Object::of(&ConfigMap::default());
    /// assert_eq!((object.api_version(), object.kind()), ("v1", "ConfigMap"));
    /// ```
    pub fn of<K: Resource + Serialize>(object: &K) -> Self {
        // The types of k8s-openapi have string keys only, so they always have a JSON form.
        Self(serde_json::to_value(object).unwrap_or_default())
    }

    pub(crate) fn of_json(value: Value) -> Self {
        Self(value)
    }

    /// The JSON.
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// The JSON, to keep.
    pub fn into_json(self) -> Value {
        self.0
    }

    /// `apps/v1`.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// `StatefulSet`.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The namespace; `None` for kinds that have none.
    pub fn namespace(&self) -> Option<&str> {
        Some(self.text("/metadata/namespace")).filter(|namespace| !namespace.is_empty())
    }

    /// Whether its content must not be seen.
    pub fn is_secret(&self) -> bool {
        self.kind() == "Secret"
    }

    /// The object as Kubernetes 1.`minor` takes it: before 1.21 a PodDisruptionBudget is of `policy/v1beta1`, with the same
    /// fields. (Its empty selector meant nothing rather than everything; ours is never empty.)
    ///
    /// ```
    /// use slotwright_kube::{SecretValue, Wanted, objects::{self, Object}};
    /// let id = SecretValue::new("0123456789abcdef0123456789abcdef");
    /// let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
    /// let budget = Object::of(&objects::pod_disruption_budget(&blueprint));
    /// assert_eq!(budget.clone().for_kubernetes(20).api_version(), "policy/v1beta1");
    /// assert_eq!(budget.for_kubernetes(21).api_version(), "policy/v1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn for_kubernetes(mut self, minor: u32) -> Self {
        let older = minor < 21 && self.api_version() == "policy/v1" && self.kind() == "PodDisruptionBudget";
        if older && let Some(version) = self.0.get_mut("apiVersion") {
            *version = "policy/v1beta1".into();
        }
        self
    }

    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("kind", &self.kind())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
