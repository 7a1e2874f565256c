//! Who the nodes are and what they know: namespace, account and secrets.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::{
    ByteString,
    api::core::v1::{Namespace, Secret, ServiceAccount},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use secrecy::ExposeSecret;

use super::metadata;
use crate::{Access, Blueprint, SecretValue, Tls, names};

/// Keys of the Secret of the deployment's own.
pub(super) const PASSWORD: &str = "password";
pub(super) const USERS: &str = "users.acl";
pub(super) const PRIVATE: &str = "private.conf";
pub(super) const DEPLOYMENT_ID: &str = "deployment-id";
pub(super) const TLS_KEYS: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];

/// The namespace, with the `restricted` pod security standard enforced: the API server (1.23 and later) then refuses every
/// pod in it that asks for more than the nodes do. Source: "Pod Security Admission".
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// let namespace = objects::namespace(&blueprint);
/// assert_eq!(namespace.metadata.name.as_deref(), Some("shop"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn namespace(blueprint: &Blueprint) -> Namespace {
    // Not the deployment's own labels: others may live in it.
    let labels = [
        ("app.kubernetes.io/managed-by", names::MANAGER),
        ("pod-security.kubernetes.io/enforce", "restricted"),
        ("pod-security.kubernetes.io/enforce-version", "latest"),
    ];
    Namespace {
        metadata: ObjectMeta {
            name: Some(blueprint.wanted().namespace.clone()),
            labels: Some(labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// An account of the nodes' own that gets no token: a server speaks to no API, and a token in the pod would be a
/// credential for whoever breaks into it.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// # let id = SecretValue::new("0123456789abcdef0123456789abcdef");
/// # let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// assert_eq!(objects::service_account(&blueprint).automount_service_account_token, Some(false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn service_account(blueprint: &Blueprint) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(blueprint, &blueprint.wanted().names.account),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// The Secret of everything that was given as content; `None` when all of it stands elsewhere.
///
/// Keys: `password`, `users.acl`, `private.conf` (settings that may hold credentials), `ca.crt`, `tls.crt`, `tls.key`,
/// `deployment-id`.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// let id = SecretValue::existing("sessions-login", "id");
/// let mut wanted = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id);
/// wanted.access = SecretValue::existing("sessions-login", "password").into();
/// assert!(objects::secret(&wanted.check()?).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn secret(blueprint: &Blueprint) -> Option<Secret> {
    let wanted = blueprint.wanted();
    let mut data = BTreeMap::new();
    let mut put = |key: &str, content: &str| {
        data.insert(key.to_owned(), ByteString(content.as_bytes().to_vec()));
    };
    for (key, value) in [
        (DEPLOYMENT_ID, Some(&wanted.deployment_id)),
        (PASSWORD, password(blueprint)),
        (USERS, users(blueprint)),
    ] {
        if let Some(content) = value.and_then(SecretValue::content) {
            put(key, content);
        }
    }
    if let Some(private) = blueprint.private_settings() {
        put(PRIVATE, &private.render());
    }
    if let Some(Tls::Content { ca, certificate, key }) = &wanted.tls {
        for (name, content) in TLS_KEYS.into_iter().zip([ca, certificate, key]) {
            put(name, content.expose_secret());
        }
    }
    (!data.is_empty()).then(|| Secret {
        metadata: metadata(blueprint, &wanted.names.secret),
        data: Some(data),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    })
}

/// The password, where there is one.
pub(super) fn password(blueprint: &Blueprint) -> Option<&SecretValue> {
    match &blueprint.wanted().access {
        Access::Open => None,
        Access::Password { password, .. } => Some(password),
    }
}

/// The ACL file, where there is one.
pub(super) fn users(blueprint: &Blueprint) -> Option<&SecretValue> {
    match &blueprint.wanted().access {
        Access::Open => None,
        Access::Password { users, .. } => users.as_ref(),
    }
}

/// Where a secret value stands: Secret and key.
pub(super) fn place<'a>(
    blueprint: &'a Blueprint,
    value: &'a SecretValue,
    own_key: &'a str,
) -> (&'a str, &'a str) {
    match value {
        SecretValue::Content(_) => (&blueprint.wanted().names.secret, own_key),
        SecretValue::Existing { secret, key } => (secret, key),
    }
}

/// A Secret that must be there before a pod can start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededSecret {
    /// Its name.
    pub name: String,
    /// Each key that is used, with what belongs under it.
    pub keys: BTreeMap<String, &'static str>,
}

impl fmt::Display for NeededSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        for (index, (key, what)) in self.keys.iter().enumerate() {
            let separator = if index == 0 { ':' } else { ',' };
            write!(f, "{separator} {key} ({what})")?;
        }
        Ok(())
    }
}

/// Every Secret the pods read from, that of the deployment's own included, by name.
///
/// ```
/// # use slotwright_kube::{SecretValue, Wanted, objects};
/// let id = SecretValue::existing("sessions-login", "id");
/// let blueprint = Wanted::new("sessions", "shop", "redis:7.2.5".parse()?, id).check()?;
/// let needed = objects::needed_secrets(&blueprint);
/// assert_eq!(needed[0].to_string(), "sessions-login: id (the deployment's id: 32 hexadecimal digits)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn needed_secrets(blueprint: &Blueprint) -> Vec<NeededSecret> {
    let wanted = blueprint.wanted();
    let mut needed: BTreeMap<String, BTreeMap<String, &'static str>> = BTreeMap::new();
    let mut need = |(secret, key): (&str, &str), what| {
        needed.entry(secret.to_owned()).or_default().insert(key.to_owned(), what);
    };
    need(
        place(blueprint, &wanted.deployment_id, DEPLOYMENT_ID),
        "the deployment's id: 32 hexadecimal digits",
    );
    if let Some(value) = password(blueprint) {
        need(place(blueprint, value, PASSWORD), "the password of the default user, one line");
    }
    if let Some(value) = users(blueprint) {
        need(place(blueprint, value, USERS), "an ACL file of the other users");
    }
    if blueprint.private_settings().is_some() {
        need((&wanted.names.secret, PRIVATE), "settings that may hold credentials");
    }
    if let Some(tls) = &wanted.tls {
        let secret = tls_secret(blueprint, tls);
        for (key, what) in TLS_KEYS.into_iter().zip(["who signed", "the nodes' certificate", "its key"]) {
            need((secret, key), what);
        }
    }
    needed.into_iter().map(|(name, keys)| NeededSecret { name, keys }).collect()
}

/// The Secret the certificates are in.
pub(super) fn tls_secret<'a>(blueprint: &'a Blueprint, tls: &'a Tls) -> &'a str {
    match tls {
        Tls::Content { .. } => &blueprint.wanted().names.secret,
        Tls::Existing { secret } => secret,
    }
}
