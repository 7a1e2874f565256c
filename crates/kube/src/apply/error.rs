//! What goes wrong between us and an API server: on which object, why, and what to do.

use std::time::Duration;

use kube::client::AuthError;
use kube::core::response::StatusCause;

use super::explain::Trouble;
use super::standing::Stage;

/// Why something was not brought about. Nothing was changed by the request that failed, unless said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no way to a server to be had from the kubeconfig, or from the pod we run in.
    #[error("no cluster can be found: {why}")]
    Kubeconfig {
        /// What is wrong, and what to do.
        why: String,
    },
    /// The server does not know us.
    #[error(
        "{object}: the server does not accept the credentials ({why}); renew them, or name another context"
    )]
    Unauthorized {
        /// What was asked for.
        object: String,
        /// The server's words.
        why: String,
    },
    /// The server knows us and does not let us.
    #[error(
        "{object}: not allowed: {why}; let an administrator grant it with a Role and a RoleBinding, and try again"
    )]
    Forbidden {
        /// What was asked for.
        object: String,
        /// The server's words: they name the user, the verb and the kind.
        why: String,
    },
    /// A quota of the namespace is used up.
    #[error(
        "{object}: over the quota of the namespace: {why}; ask for less, free something, or have the quota raised"
    )]
    Quota {
        /// What was asked for.
        object: String,
        /// The server's words: they name the quota, and what is asked, used and allowed.
        why: String,
    },
    /// Others have set fields that we would set otherwise.
    #[error(
        "{object}: others set what would be changed: {fields}; make them stop, or take the fields over by force"
    )]
    Conflict {
        /// The object.
        object: String,
        /// Which fields, and who set them.
        fields: String,
    },
    /// The object changed or went while we worked on it.
    #[error("{object}: it changed or went just now ({why}); see whether it is there, and try again")]
    Changed {
        /// The object.
        object: String,
        /// The server's words.
        why: String,
    },
    /// A field is changed that can be set only when an object is made.
    #[error(
        "{object}: what would be changed can be set only once: {why}; keep it as it is, or delete the object and apply again"
    )]
    Immutable {
        /// The object.
        object: String,
        /// The server's words: they name the fields.
        why: String,
    },
    /// The server refuses the object as such.
    #[error("{object}: refused: {why}; correct it and apply again")]
    Invalid {
        /// The object.
        object: String,
        /// The server's words.
        why: String,
    },
    /// The namespace is not there.
    #[error("{object}: there is no such namespace; make it (kubectl create namespace), or name another")]
    NoNamespace {
        /// The object.
        object: String,
    },
    /// The server has no such kind, in no version.
    #[error("{object}: the server has no kind {kind}; leave the object out, or install what brings the kind")]
    NoKind {
        /// The object.
        object: String,
        /// The kind, with its group and version.
        kind: String,
    },
    /// The server did not answer in time. Whether it did what was asked is not known; applying again tells.
    #[error("{object}: no answer within {} s; it may have been done or not. See whether the server is up (kubectl get --raw /readyz), and apply again", after.as_secs())]
    TimedOut {
        /// What was asked for.
        object: String,
        /// The time given.
        after: Duration,
    },
    /// The server cannot be reached, or the connection ended. Whether it did what was asked is not known.
    #[error(
        "{object}: the server cannot be talked to: {why}; see whether the kubeconfig names the right server and it is up, and apply again"
    )]
    Unreachable {
        /// What was asked for.
        object: String,
        /// The library's words, down to the cause.
        why: String,
    },
    /// The server's certificate is not one that the kubeconfig vouches for.
    #[error(
        "{object}: the server's certificate is not accepted: {why}; see whether the kubeconfig has the right server and \
         certificate authority"
    )]
    Untrusted {
        /// What was asked for.
        object: String,
        /// The library's words, down to the cause.
        why: String,
    },
    /// Pods did not come up in time, or it was of no use to wait longer.
    #[error("{reached} of {wanted} pods are {stage} after {} s{}", after.as_secs(), lines(troubles))]
    NotReady {
        /// How far they should come.
        stage: Stage,
        /// How many have come so far.
        reached: usize,
        /// How many should.
        wanted: usize,
        /// How long they were waited for.
        after: Duration,
        /// What is wrong with the others, as far as it is known.
        troubles: Vec<Trouble>,
    },
    /// Pods did not go in time.
    #[error("{} pods are still there after {} s{}", troubles.len(), after.as_secs(), lines(troubles))]
    NotGone {
        /// How long they were waited for.
        after: Duration,
        /// What keeps each.
        troubles: Vec<Trouble>,
    },
}

impl Error {
    /// From what the library says about a request for an object.
    pub(crate) fn new(object: &str, error: kube::Error) -> Self {
        let object = object.to_owned();
        let status = match error {
            kube::Error::Api(status) => status,
            kube::Error::Auth(_) => return Self::Unauthorized { object, why: of_library(&error) },
            other => {
                let why = of_library(&other);
                return match why.contains("invalid peer certificate") {
                    true => Self::Untrusted { object, why },
                    false => Self::Unreachable { object, why },
                };
            }
        };
        let code = status.code;
        let causes = status.details.map(|details| details.causes).unwrap_or_default();
        let why = status.message;
        match code {
            401 => Self::Unauthorized { object, why },
            403 if why.contains("exceeded quota") || why.contains("failed quota") => {
                Self::Quota { object, why }
            }
            // The words of the API server's authorizer; the others are of admission.
            403 if why.contains(" cannot ") => Self::Forbidden { object, why },
            403 if why.contains("being terminated") => Self::Changed { object, why },
            403 => Self::Invalid { object, why },
            404 if why.starts_with("namespaces ") => Self::NoNamespace { object },
            409 if causes.iter().any(|cause| cause.reason == "FieldManagerConflict") => {
                Self::Conflict { object, fields: fields(&causes) }
            }
            404 | 409 | 410 => Self::Changed { object, why },
            422 if is_immutable(&why) => Self::Immutable { object, why },
            500.. => Self::Unreachable { object, why },
            _ => Self::Invalid { object, why },
        }
    }
}

/// The words of the API server for what cannot be changed; there is no code for it.
fn is_immutable(why: &str) -> bool {
    ["field is immutable", "updates to statefulset spec for fields other than", "is immutable after creation"]
        .iter()
        .any(|words| why.contains(words))
}

/// Who set which fields: causes say `conflict with "kubectl" using v1` and `.data.x`.
fn fields(causes: &[StatusCause]) -> String {
    let told = causes.iter().map(|cause| {
        let by = cause.message.split('"').nth(1).unwrap_or("somebody");
        format!("{} (set by {by})", cause.field)
    });
    told.collect::<Vec<_>>().join(", ")
}

/// One trouble a line; those that are alike but for their place are told once.
fn lines(troubles: &[Trouble]) -> String {
    const SHOWN: usize = 3;
    let mut told: Vec<(&Trouble, Vec<&str>)> = Vec::new();
    for trouble in troubles {
        match told.iter_mut().find(|(known, _)| known.what == trouble.what && known.remedy == trouble.remedy)
        {
            Some((_, places)) => places.push(&trouble.place),
            None => told.push((trouble, vec![&trouble.place])),
        }
    }
    told.into_iter()
        .map(|(trouble, places)| {
            let more = match places.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let places: Vec<&str> = places.into_iter().take(SHOWN).collect();
            format!("\n  {}{more}: {}; {}", places.join(", "), trouble.what, trouble.remedy)
        })
        .collect()
}

/// What the library says, without what a program for credentials has printed: that may be a credential.
pub(crate) fn of_library(error: &kube::Error) -> String {
    match error {
        kube::Error::Auth(AuthError::AuthExecRun { cmd, out }) => {
            let said = String::from_utf8_lossy(&out.stderr);
            format!("the program for credentials `{cmd}` failed ({}): {}", out.status, said.trim())
        }
        kube::Error::Service(cause) => chain(cause.as_ref()),
        other => chain(other),
    }
}

/// An error with all that caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn told(code: u16, message: &str) -> Error {
        let status = Status { code, ..Status::failure(message, "") };
        Error::new("ConfigMap shop/a", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn the_servers_words_are_understood() {
        let forbidden = "configmaps \"a\" is forbidden: User \"u\" cannot patch resource \"configmaps\"";
        let quota = "pods \"a\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0";
        let set = "StatefulSet.apps \"a\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than \
                   'replicas', 'template', and 'updateStrategy' are forbidden";
        assert!(matches!(told(401, "Unauthorized"), Error::Unauthorized { .. }));
        assert!(matches!(told(403, forbidden), Error::Forbidden { .. }));
        assert!(matches!(told(403, quota), Error::Quota { .. }));
        assert!(matches!(told(404, "namespaces \"shop\" not found"), Error::NoNamespace { .. }));
        assert!(matches!(told(409, "the object has been modified"), Error::Changed { .. }));
        assert!(matches!(told(422, set), Error::Immutable { .. }));
        assert!(matches!(
            told(422, "spec.clusterIP: Invalid value: field is immutable"),
            Error::Immutable { .. }
        ));
        assert!(matches!(told(422, "spec.replicas: Invalid value: -1"), Error::Invalid { .. }));
        assert!(matches!(told(503, "etcdserver: leader changed"), Error::Unreachable { .. }));
        let text = told(403, quota).to_string();
        assert!(
            text.starts_with("ConfigMap shop/a: over the quota") && text.contains("limited: pods=0"),
            "{text}"
        );
    }

    #[test]
    fn troubles_that_are_alike_are_told_once() {
        let trouble = |place: &str, what: &str| Trouble {
            place: place.to_owned(),
            what: what.to_owned(),
            remedy: "mend it",
        };
        let told = lines(&[trouble("Pod a", "x"), trouble("Pod b", "y"), trouble("Pod c", "x")]);
        assert_eq!(told, "\n  Pod a, Pod c: x; mend it\n  Pod b: y; mend it");
        let many = ["a", "b", "c", "d", "e"].map(|place| trouble(place, "x"));
        assert_eq!(lines(&many), "\n  a, b, c and 2 more: x; mend it");
    }

    #[test]
    fn a_conflict_names_fields_and_who_set_them() {
        let cause = StatusCause {
            reason: "FieldManagerConflict".to_owned(),
            message: "conflict with \"kubectl\" using v1".to_owned(),
            field: ".data.x".to_owned(),
        };
        assert_eq!(fields(&[cause]), ".data.x (set by kubectl)");
    }
}
