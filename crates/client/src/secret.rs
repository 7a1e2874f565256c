//! Who the client is: a user name and a password that no `Debug`, log or error shows.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A password, and the ACL user it belongs to.
///
/// ```
/// use slotwright_client::Credentials;
/// let credentials = Credentials::password("hunter2");
/// assert!(!format!("{credentials:?}").contains("hunter2"));
/// ```
#[derive(Clone)]
pub struct Credentials {
    /// The ACL user (6.0 and later); `None` is the user `default`, which `requirepass` protects.
    pub username: Option<String>,
    /// The password, wiped from memory when dropped.
    pub password: SecretString,
}

impl Credentials {
    /// The default user's password (`requirepass`).
    pub fn password(password: impl Into<SecretString>) -> Self {
        Self { username: None, password: password.into() }
    }

    /// A named ACL user.
    pub fn user(username: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self { username: Some(username.into()), password: password.into() }
    }

    pub(crate) fn expose_password(&self) -> &str {
        self.password.expose_secret()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}
