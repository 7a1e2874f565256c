//! What must not be seen: held as content that no `Debug` shows, or by reference to a Secret that is there.

use secrecy::{ExposeSecret, SecretString};

/// A secret text: its content, or where it stands.
#[derive(Clone, Debug)]
pub enum SecretValue {
    /// The content, for a Secret of the deployment's own. `Debug` does not show it.
    Content(SecretString),
    /// A key of a Secret in the same namespace, which somebody else writes.
    Existing {
        /// The name of the Secret.
        secret: String,
        /// The key in it.
        key: String,
    },
}

impl SecretValue {
    /// This content.
    ///
    /// ```
    /// let secret = slotwright_kube::SecretValue::new("hunter2");
    /// assert!(!format!("{secret:?}").contains("hunter2"));
    /// ```
    pub fn new(content: impl Into<String>) -> Self {
        Self::Content(SecretString::from(content.into()))
    }

    /// A key of a Secret that is there.
    pub fn existing(secret: impl Into<String>, key: impl Into<String>) -> Self {
        Self::Existing { secret: secret.into(), key: key.into() }
    }

    /// The content, where it is known.
    pub(crate) fn content(&self) -> Option<&str> {
        match self {
            Self::Content(content) => Some(content.expose_secret()),
            Self::Existing { .. } => None,
        }
    }
}

/// Who may log in.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everyone whom the network lets through may read, change and delete everything.
    Open,
    /// The default user has a password, which the nodes themselves use too.
    Password {
        /// One line, not empty; without white space when there are users beside the default.
        password: SecretValue,
        /// An ACL file with more users, `user <name> <rules>` a line; never with the user `default`.
        users: Option<SecretValue>,
    },
}

impl From<SecretValue> for Access {
    fn from(password: SecretValue) -> Self {
        Self::Password { password, users: None }
    }
}

/// Certificates of the nodes. Connections of clients, of replicas and of the cluster bus are then all encrypted, and
/// no port takes plain text.
///
/// The certificate must be good for clients and for servers: on the bus, and for replication, nodes are both.
#[derive(Clone, Debug)]
pub enum Tls {
    /// PEM texts, for the Secret of the deployment.
    Content {
        /// Who signed the certificates of nodes and clients.
        ca: SecretString,
        /// The certificate of all nodes.
        certificate: SecretString,
        /// Its key.
        key: SecretString,
    },
    /// A Secret with the keys `ca.crt`, `tls.crt` and `tls.key`, as cert-manager writes it.
    Existing {
        /// Its name.
        secret: String,
    },
}
