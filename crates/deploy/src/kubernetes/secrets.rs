//! What is secret: the deployment's id, the login, the certificates. Some of it is the spec's to give, some of it stands in
//! Secrets of the namespace already.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use slotwright_client::{Credentials, tls::TlsOptions};
use slotwright_kube::{Blueprint, SecretValue, Tls, apply::Applier, objects};

use super::Contents;
use crate::{DeploymentId, Error, SpecError};

/// The key of the deployment's id in the Secret of its own.
pub(super) const DEPLOYMENT_ID: &str = "deployment-id";

type Secret = BTreeMap<String, SecretString>;

/// The Secrets of a deployment as they are in its namespace.
pub(super) struct Secrets {
    namespace: String,
    found: BTreeMap<String, Option<Secret>>,
}

impl Secrets {
    /// Reads every Secret that the pods read.
    pub(super) async fn read(applier: &Applier, outline: &Blueprint) -> Result<Self, Error> {
        let wanted = outline.wanted();
        let mut found = BTreeMap::new();
        for needed in objects::needed_secrets(outline) {
            let secret = applier.secret(&wanted.namespace, &needed.name).await?;
            // One that others write must be there first: without it no pod can start.
            if needed.name != wanted.names.secret {
                let missing =
                    |key: &&String| secret.as_ref().is_none_or(|secret| !secret.contains_key(key.as_str()));
                if needed.keys.keys().any(|key| missing(&key)) {
                    return Err(Error::MissingSecret {
                        namespace: wanted.namespace.clone(),
                        needed: needed.to_string(),
                    });
                }
            }
            found.insert(needed.name, secret);
        }
        Ok(Self { namespace: wanted.namespace.clone(), found })
    }

    fn get(&self, secret: &str, key: &str) -> Option<&SecretString> {
        self.found.get(secret)?.as_ref()?.get(key)
    }

    /// The deployment's id, where it has one.
    pub(super) fn id(&self, outline: &Blueprint) -> Result<Option<DeploymentId>, Error> {
        let (secret, key) = match &outline.wanted().deployment_id {
            SecretValue::Existing { secret, key } => (secret.as_str(), key.as_str()),
            SecretValue::Content(_) => (outline.wanted().names.secret.as_str(), DEPLOYMENT_ID),
        };
        let Some(text) = self.get(secret, key) else { return Ok(None) };
        let text = text.expose_secret();
        // The pods take it as it is.
        match text.parse::<DeploymentId>() {
            Ok(id) if id.to_string() == text => Ok(Some(id)),
            _ => {
                let namespace = &self.namespace;
                let why = "it is not 32 small hexadecimal digits and nothing else, not even an end of line";
                Err(SpecError::new(format!("Secret {namespace}/{secret}, key {key}: {why}")).into())
            }
        }
    }

    /// How the deployer logs in.
    pub(super) fn credentials(&self, outline: &Blueprint, contents: &Contents) -> Option<Credentials> {
        let password = match &outline.wanted().access {
            slotwright_kube::Access::Open => None,
            slotwright_kube::Access::Password { password: SecretValue::Existing { secret, key }, .. } => {
                self.get(secret, key).cloned()
            }
            slotwright_kube::Access::Password { .. } => contents.password.clone(),
        };
        password.map(Credentials::password)
    }

    /// What the deployer shows and trusts: the nodes' own certificate, which is good for clients too.
    pub(super) fn tls(&self, outline: &Blueprint, contents: &Contents) -> Result<Option<TlsOptions>, Error> {
        let (ca, certificate, key) = match &outline.wanted().tls {
            None => return Ok(None),
            Some(Tls::Existing { secret }) => {
                let part = |key| self.get(secret, key).cloned().unwrap_or_default();
                (part("ca.crt"), part("tls.crt"), part("tls.key"))
            }
            Some(Tls::Content { .. }) => match &contents.tls {
                Some(tls) => (tls.ca.clone(), tls.certificate.clone(), tls.key.clone()),
                None => return Ok(None),
            },
        };
        let identity = Some((certificate.expose_secret().as_bytes(), &key));
        TlsOptions::from_pem(ca.expose_secret().as_bytes(), identity)
            .map(Some)
            .map_err(|error| SpecError::new(format!("kubernetes.tls: {error}")).into())
    }
}
