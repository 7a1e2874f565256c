//! What of an export Ganesha does in another way than exports(5) says.

use super::terms::{Who, entries};
use crate::{
    Export, Finding, Severity,
    exports::{Grant, Options},
};

/// The findings about one export, each once.
pub(super) fn differences(export: &Export) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for finding in export.grants.iter().flat_map(|grant| of_grant(export, grant)) {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

fn of_grant(export: &Export, grant: &Grant) -> Vec<Finding> {
    let finding = |severity, code, what: String, remedy: &str| Finding {
        severity,
        code,
        place: export.path.display().to_string(),
        what,
        remedy: remedy.to_owned(),
    };
    let options = &grant.options;
    let mut findings: Vec<Finding> = of_options(options)
        .into_iter()
        .filter(|(applies, ..)| *applies)
        .map(|(_, severity, code, what, remedy)| finding(severity, code, what.to_owned(), remedy))
        .collect();
    match entries(std::slice::from_ref(grant)) {
        Err(why) => findings.push(finding(
            Severity::Critical,
            "ganesha-cannot-say",
            why,
            "write the client or its options in another way; nothing is applied until then",
        )),
        Ok(entries) => findings.extend(entries.into_iter().flat_map(|(who, _)| who).filter_map(|who| match who {
            Who::Name(name) => Some(finding(
                Severity::Info,
                "ganesha-host-name",
                format!(
                    "{name} is looked up once, when the export is loaded, and keeps that address until it is loaded again"
                ),
                "name the address or the subnet where it may change",
            )),
            Who::Netgroup(name) => Some(finding(
                Severity::Info,
                "ganesha-netgroup",
                format!("membership in @{name} is kept in a cache"),
                "after a change, call purge_netgroups of org.ganesha.nfsd.admin, or restart the server",
            )),
            Who::Pattern(pattern) if !pattern.contains(|letter: char| letter.is_ascii_alphabetic()) => {
                Some(finding(
                    Severity::Warning,
                    "ganesha-pattern-on-address",
                    format!("Ganesha compares {pattern} with addresses as well, which exports(5) does not"),
                    "name a subnet",
                ))
            }
            _ => None,
        })),
    }
    findings
}

type Row = (bool, Severity, &'static str, &'static str, &'static str);

fn of_options(options: &Options) -> Vec<Row> {
    use Severity::{Info, Warning};
    vec![
        (
            !options.sync,
            Info,
            "ganesha-async",
            "`async` means nothing to Ganesha: it always commits what a client asks to have committed",
            "nothing has to be done; `sync` says what happens",
        ),
        (
            !options.wdelay,
            Info,
            "ganesha-wdelay",
            "`no_wdelay` means nothing to Ganesha, which never waits for related writes",
            "nothing has to be done",
        ),
        (
            options.crossmnt || !options.hide,
            Info,
            "ganesha-nested",
            "whatever `crossmnt` and `nohide` say, Ganesha shows a file system that is mounted below the directory when the \
             export is loaded, and one that is mounted later makes listings fail",
            "mount first, then apply",
        ),
        (
            options.subtree_check,
            Warning,
            "ganesha-subtree-check",
            "Ganesha does not check whether a file handle is below the exported directory",
            "take the directory onto a file system of its own where that matters, and say no_subtree_check",
        ),
        (
            options.mountpoint.is_some(),
            Warning,
            "ganesha-mountpoint",
            "Ganesha serves the directory also when nothing is mounted there (`mp`): the nodes would start empty, on the \
             wrong disk",
            "let its service wait for the disk (systemd: RequiresMountsFor=)",
        ),
        (
            !options.auth_nlm,
            Info,
            "ganesha-auth-nlm",
            "`no_auth_nlm` means nothing to Ganesha",
            "nothing has to be done",
        ),
        (
            !options.acl,
            Info,
            "ganesha-acl",
            "`no_acl` is not passed on to Ganesha",
            "set Disable_ACL in EXPORT_DEFAULTS where access control lists shall not be used",
        ),
        (
            !options.readdirplus,
            Info,
            "ganesha-nordirplus",
            "`nordirplus` is not passed on to Ganesha",
            "mount with `nordirplus`",
        ),
        (
            options.security_label,
            Info,
            "ganesha-security-label",
            "`security_label` is not passed on to Ganesha",
            "leave it out; a Redis needs no labels",
        ),
        (
            options.sign_fh,
            Warning,
            "ganesha-sign-fh",
            "Ganesha does not sign file handles",
            "rely on the list of clients, or on Kerberos",
        ),
        (options.pnfs, Info, "ganesha-pnfs", "`pnfs` is not passed on to Ganesha", "leave it out"),
        (
            options.uuid.is_some(),
            Info,
            "ganesha-fsid-uuid",
            "Ganesha puts the Export_Id into file handles, not `fsid=` with a UUID",
            "leave the UUID out",
        ),
        (
            options.reexport.is_some(),
            Warning,
            "ganesha-reexport",
            "`reexport=` means nothing to Ganesha, which cannot serve what is mounted over NFS this way",
            "export the directory on the machine that has the disk",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(grants: &[&str]) -> Vec<&'static str> {
        let export = Export {
            name: "pv1".to_owned(),
            path: "/data/pv1".into(),
            id: 1,
            grants: grants.iter().map(|text| text.parse().unwrap()).collect(),
            owner: crate::Owner { uid: 999, gid: 999, mode: 0o700 },
        };
        differences(&export).into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn the_safe_options_are_done_as_they_are_written() {
        let safe = "10.0.0.0/16(rw,sync,no_subtree_check,secure,all_squash,anonuid=999,anongid=999,fsid=1)";
        assert!(codes(&[safe, safe]).is_empty());
        assert!(codes(&["*(rw,no_root_squash,sync,insecure)"]).is_empty());
    }

    #[test]
    fn what_is_done_in_another_way_is_told_once() {
        assert_eq!(
            codes(&["10.0.0.1(async,subtree_check)", "10.0.0.2(async)"]),
            ["ganesha-async", "ganesha-subtree-check"]
        );
        assert_eq!(codes(&["db(rw)", "@g(rw)", "10.0.*(rw)"]).len(), 3);
        assert_eq!(codes(&["*(rw,nohide,crossmnt)"]), ["ganesha-nested"]);
        assert_eq!(codes(&["*(rw,mp)"]), ["ganesha-mountpoint"]);
        assert_eq!(codes(&["gss/krb5(rw)"]), ["ganesha-cannot-say"]);
    }
}
