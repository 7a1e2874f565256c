//! Where things of the test Kubernetes are: what can be made again in the cache, a running cluster in a folder of its own.

use std::path::{Path, PathBuf};

use crate::debian;
use crate::failure::Failure;

/// Names the folder of unpacked and built programs.
pub(crate) const CACHE_VARIABLE: &str = "SLOTWRIGHT_KUBE_CACHE";
/// Names the folder of a running cluster.
pub(crate) const STATE_VARIABLE: &str = "SLOTWRIGHT_KUBE_STATE";

/// The longest path of the folder of a cluster: containerd's socket is in it, and the address of a socket holds 107
/// bytes (unix(7)).
const LONGEST: usize = 80;

/// The two folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Unpacked packages and built programs; outlives a cluster.
    pub(crate) cache: PathBuf,
    /// Keys, data, logs and process ids of one cluster; goes with it.
    pub(crate) state: PathBuf,
}

impl Place {
    /// As the environment says.
    pub(crate) fn new() -> Result<Place, Failure> {
        Place::from(&debian::variable)
    }

    fn from(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Place, Failure> {
        let absolute = |name| variable(name).filter(|path| path.is_absolute());
        let cache = absolute(CACHE_VARIABLE).or_else(|| {
            Some(debian::cache_folder(variable("XDG_CACHE_HOME"), variable("HOME"))?.join("kube"))
        });
        let state = absolute(STATE_VARIABLE).or_else(|| {
            let above =
                absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
            Some(above.join("slotwright/kube"))
        });
        let missing =
            |name| Failure::said(format!("neither HOME nor {name} says where to keep a Kubernetes"));
        let place = Place {
            cache: cache.ok_or_else(|| missing(CACHE_VARIABLE))?,
            state: state.ok_or_else(|| missing(STATE_VARIABLE))?,
        };
        place.check()?;
        Ok(place)
    }

    /// The folders are written into configuration of many kinds, and into the addresses of sockets.
    fn check(&self) -> Result<(), Failure> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
        for (path, name) in [(&self.cache, CACHE_VARIABLE), (&self.state, STATE_VARIABLE)] {
            if !path.to_str().is_some_and(|text| text.chars().all(plain)) {
                return Err(Failure::said(format!(
                    "{} cannot hold a Kubernetes: its programs take plain letters, digits and ._-+@ only; set {name}",
                    path.display()
                )));
            }
        }
        if self.state.as_os_str().len() > LONGEST {
            return Err(Failure::said(format!(
                "{} is too long for the sockets in it; set {STATE_VARIABLE} to one of at most {LONGEST} bytes",
                self.state.display()
            )));
        }
        Ok(())
    }

    /// The administrator's way in.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.state.join("admin.kubeconfig")
    }

    /// Whether what `KUBECONFIG` says is this cluster and no other.
    pub(crate) fn is_own(&self, kubeconfig: &Path) -> bool {
        kubeconfig == self.kubeconfig()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(variables: &[(&str, &str)]) -> Result<Place, String> {
        let variable = |name: &str| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| PathBuf::from(value))
        };
        Place::from(&variable).map_err(|failure| failure.to_string())
    }

    #[test]
    fn folders_are_named_or_the_users() {
        let found = place(&[("HOME", "/h")]).unwrap();
        assert_eq!(found.cache, Path::new("/h/.cache/slotwright/kube"));
        assert_eq!(found.state, Path::new("/h/.local/state/slotwright/kube"));
        let found = place(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c"), ("XDG_STATE_HOME", "/s")]).unwrap();
        assert_eq!(found.cache, Path::new("/c/slotwright/kube"));
        assert_eq!(found.state, Path::new("/s/slotwright/kube"));
        let found = place(&[(CACHE_VARIABLE, "/c"), (STATE_VARIABLE, "/s")]).unwrap();
        assert_eq!((found.cache.as_path(), found.state.as_path()), (Path::new("/c"), Path::new("/s")));
        // A relative one would mean another folder from elsewhere.
        assert!(
            place(&[(CACHE_VARIABLE, "/c"), (STATE_VARIABLE, "s")]).unwrap_err().contains(STATE_VARIABLE)
        );
        assert!(place(&[]).unwrap_err().contains("HOME"));
    }

    #[test]
    fn folders_that_the_programs_could_not_use_are_refused() {
        let error = place(&[("HOME", "/my home")]).unwrap_err();
        assert!(error.contains("/my home") && error.contains(CACHE_VARIABLE), "{error}");
        let long = format!("/{}", "x".repeat(LONGEST));
        let error = place(&[("HOME", "/h"), (STATE_VARIABLE, &long)]).unwrap_err();
        assert!(error.contains("too long") && error.contains(STATE_VARIABLE), "{error}");
    }

    #[test]
    fn our_own_kubeconfig_is_told_from_others() {
        let own = place(&[("HOME", "/h")]).unwrap();
        assert!(own.is_own(Path::new("/h/.local/state/slotwright/kube/admin.kubeconfig")));
        assert!(!own.is_own(Path::new("/h/.kube/config")));
    }
}
