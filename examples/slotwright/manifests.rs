//! What `render` does: YAML to standard output or into a folder; what one must know beside it, to standard error.

use slotwright_deploy::{ClusterSpec, Error};

use crate::{cli::Render, exit::Exit, screen::Screen};

#[cfg(not(feature = "kubernetes"))]
pub(crate) fn render(options: &Render, _: &Screen) -> Result<Exit, Error> {
    ClusterSpec::load(&options.spec.path)?;
    Err(Error::NoKubernetes)
}

#[cfg(feature = "kubernetes")]
pub(crate) use with_kubernetes::render;

#[cfg(feature = "kubernetes")]
mod with_kubernetes {
    use std::path::Path;

    use serde_json::{Value, json};
    use slotwright_deploy::kubernetes::{Disclosure, Manifests, Written};
    use slotwright_kube::objects::Object;
    use slotwright_machine::Machine;

    use super::{ClusterSpec, Error, Exit, Render, Screen};

    pub(crate) fn render(options: &Render, screen: &Screen) -> Result<Exit, Error> {
        let disclosure = match options.show_secrets {
            true => Disclosure::Shown(options.deployment_id),
            false => Disclosure::LeftOut,
        };
        let spec = ClusterSpec::load(&options.spec.path)?;
        let manifests = Manifests::new(&spec, disclosure, options.kubernetes_version)?;
        let folder = options.output.as_deref();
        let written = folder.map(|folder| manifests.write(folder, &Machine::default())).transpose()?;
        if screen.json {
            screen.document(&document(&manifests, written.as_ref()));
            return Ok(Exit::Done);
        }
        match (folder, &written) {
            (Some(folder), Some(written)) => screen.print(&summary(&manifests, folder, written)),
            _ => screen.print(&manifests.documents()?),
        }
        for advice in manifests.advice() {
            screen.warning(advice);
        }
        tell_of_exports(&manifests, folder, screen);
        tell_of_secrets(&manifests, screen);
        Ok(Exit::Done)
    }

    fn document(manifests: &Manifests, written: Option<&Written>) -> Value {
        let needed = manifests.needed_secrets().into_iter();
        let needed: Vec<_> =
            needed.map(|secret| json!({ "name": secret.name, "keys": secret.keys })).collect();
        match written {
            Some(written) => json!({
                "result": "done",
                "changed": !written.is_nothing(),
                "written": written.written,
                "removed": written.removed,
                "needed-secrets": needed,
            }),
            None => json!({
                "objects": manifests.objects().map(Object::json).collect::<Vec<_>>(),
                "exports": manifests.exports(),
                "needed-secrets": needed,
            }),
        }
    }

    fn summary(manifests: &Manifests, folder: &Path, written: &Written) -> String {
        let place = folder.display();
        if written.is_nothing() {
            return format!(
                "nothing to do, all {} objects are in {place} already.",
                manifests.objects().count()
            );
        }
        let mut lines: Vec<String> = Vec::new();
        lines.extend(written.written.iter().map(|name| format!("wrote {}", folder.join(name).display())));
        lines.extend(written.removed.iter().map(|name| format!("removed {}", folder.join(name).display())));
        lines.push(format!("Try: kubectl apply -k {place}"));
        lines.join("\n")
    }

    fn tell_of_exports(manifests: &Manifests, folder: Option<&Path>, screen: &Screen) {
        let Some(exports) = manifests.exports() else { return };
        screen.note(&match (folder, exports.file.file_name()) {
            (Some(folder), Some(name)) => format!(
                "{} is no object: it is {} on the NFS server, where `slotwright exports apply` writes it.",
                folder.join(name).display(),
                exports.file.display()
            ),
            _ => {
                "The exports are for the NFS server and no objects: `slotwright exports render` prints them."
                    .to_owned()
            }
        });
    }

    fn tell_of_secrets(manifests: &Manifests, screen: &Screen) {
        let needed = manifests.needed_secrets();
        if needed.is_empty() {
            return;
        }
        screen.note(&format!("Before a pod can start, there must be in {}:", manifests.namespace()));
        for secret in needed {
            let who = match secret.name == manifests.own_secret() {
                true => "; `slotwright up` writes it",
                false => "",
            };
            screen.note(&format!("  Secret {secret}{who}"));
        }
    }
}
