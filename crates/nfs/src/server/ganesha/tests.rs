//! What is decided without a server.

use std::{collections::BTreeMap, fs};

use super::*;
use crate::Owner;

const SAFE: &str = "10.0.0.0/16(rw,sync,no_subtree_check,secure,all_squash,anonuid=999,anongid=999,fsid=7)";

fn export(number: u16, grants: &[&str]) -> Export {
    Export {
        name: format!("pv{number}"),
        path: format!("/data/nfs/redis/pv{number}").into(),
        id: number,
        grants: grants.iter().map(|text| text.parse().unwrap()).collect(),
        owner: Owner { uid: 999, gid: 999, mode: 0o700 },
    }
}

/// A server whose main configuration is this text.
fn server(main: &str) -> (tempfile::TempDir, Ganesha) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("ganesha.conf");
    fs::write(&config, main).unwrap();
    let files = GaneshaFiles { config, folder: folder.path().to_path_buf(), bus: None };
    (folder, Ganesha::new(files, "demo"))
}

/// Changes the files, in order.
fn write(changes: &[FileChange]) {
    for change in changes {
        assert_eq!(fs::read(&change.path).ok(), change.before);
        match &change.after {
            Some(bytes) => fs::write(&change.path, bytes).unwrap(),
            None if change.before.is_some() => fs::remove_file(&change.path).unwrap(),
            None => {}
        }
    }
}

#[test]
fn what_is_rendered_reads_back() {
    let (_folder, server) = server("");
    let exports = [
        export(1, &[SAFE]),
        export(2, &["*(ro,no_root_squash,insecure)", "db-1(rw)", "@g(rw,sec=krb5p:sys)", "0.0.0.0/0(rw)"]),
        Export { path: "/data/a \"b\\ {c};#d".into(), ..export(3, &["fd00::1(rw,anonuid=4294967294)"]) },
    ];
    let text = server.render(&exports).unwrap();
    let items = syntax::parse(text.as_bytes()).unwrap();
    let file = config::File { path: "x".into(), bytes: Vec::new(), items };
    let found = config::configured(&file, &[]).unwrap();
    for (found, export) in found.iter().zip(&exports) {
        assert_eq!((&found.path, found.id), (&export.path, Some(export.id)));
        assert!(same_grants(&found.grants, &export.grants), "{found:?}");
    }
    assert_eq!(found.len(), 3);
    for path in ["/data/a\nb", "/data/\u{7f}"] {
        server.render(&[Export { path: path.into(), ..export(1, &[SAFE]) }]).unwrap_err();
    }
    server.render(&[export(1, &["gss/krb5(rw)"])]).unwrap_err();
}

#[test]
fn the_file_is_there_whenever_the_line_is() {
    let main = "EXPORT { Export_Id = 7; Path = /srv; Access_Type = RO; } # mine";
    let (_folder, server) = server(main);
    let configuration = server.configuration().unwrap();
    assert_eq!(configuration.foreign[0].id, Some(7));
    assert!(server.files(&configuration, &[]).unwrap().iter().all(|change| change.before == change.after));

    let changes = server.files(&configuration, &[export(1, &[SAFE])]).unwrap();
    let paths: Vec<&PathBuf> = changes.iter().map(|change| &change.path).collect();
    assert_eq!(paths, [&server.drop_in, &server.config]);
    write(&changes);

    let configuration = server.configuration().unwrap();
    assert_eq!((configuration.ours.len(), configuration.foreign.len()), (1, 1));
    let again = server.files(&configuration, &[export(1, &[SAFE])]).unwrap();
    assert!(again.iter().all(|change| change.before == change.after), "{again:?}");

    let changes = server.files(&configuration, &[]).unwrap();
    let paths: Vec<&PathBuf> = changes.iter().map(|change| &change.path).collect();
    assert_eq!(paths, [&server.config, &server.drop_in]);
    write(&changes);
    assert_eq!(fs::read_to_string(&server.config).unwrap(), format!("{main}\n"));
    assert!(!server.drop_in.exists());
}

#[test]
fn a_run_that_was_killed_between_the_files_is_gone_on_with() {
    let (_folder, server) = server("# main\n");
    let exports = [export(1, &[SAFE]), export(2, &[SAFE])];
    let changes = server.files(&server.configuration().unwrap(), &exports).unwrap();
    // Killed behind the first: the drop-in has no line yet.
    write(&changes[..1]);
    let configuration = server.configuration().unwrap();
    assert_eq!(configuration.ours.len(), 2);
    write(&server.files(&configuration, &exports).unwrap());
    assert!(fs::read_to_string(&server.config).unwrap().contains("%include"));
    // Killed while everything is removed: the line is gone, the file is not.
    write(&server.files(&server.configuration().unwrap(), &[]).unwrap()[..1]);
    write(&server.files(&server.configuration().unwrap(), &[]).unwrap());
    assert!(!server.drop_in.exists());
    assert_eq!(fs::read_to_string(&server.config).unwrap(), "# main\n");
}

#[test]
fn a_folder_that_is_included_needs_no_line() {
    let (folder, server) = server("");
    fs::write(&server.config, format!("%dir {}/*.conf\n", folder.path().join("d").display())).unwrap();
    fs::create_dir(folder.path().join("d")).unwrap();
    let files = GaneshaFiles { config: server.config.clone(), folder: folder.path().join("d"), bus: None };
    let server = Ganesha::new(files, "demo");
    let changes = server.files(&server.configuration().unwrap(), &[export(1, &[SAFE])]).unwrap();
    assert_eq!(changes.len(), 1);
    write(&changes);
    let configuration = server.configuration().unwrap();
    assert_eq!(configuration.ours.len(), 1);
    write(&server.files(&configuration, &[]).unwrap());
    assert!(fs::read_to_string(&server.config).unwrap().starts_with("%dir"));
}

#[test]
fn folders_that_cannot_be_named_in_a_line_are_refused() {
    let files = GaneshaFiles { config: "/etc/g.conf".into(), folder: "/etc/my folder".into(), bus: None };
    let server = Ganesha::new(files, "demo");
    let configuration = Configuration {
        files: BTreeMap::from([(PathBuf::from("/etc/g.conf"), Vec::new())]),
        ..Configuration::default()
    };
    let error = server.files(&configuration, &[export(1, &[SAFE])]).unwrap_err();
    assert!(error.to_string().contains("include"), "{error}");
}

#[test]
fn a_path_that_clients_of_another_export_use_is_refused() {
    let (_folder, server) =
        server("EXPORT { Export_Id = 7; Path = /srv; Pseudo = /data/nfs/redis/pv2/; Access_Type = RO; }");
    let configuration = server.configuration().unwrap();
    server.files(&configuration, &[export(1, &[SAFE])]).unwrap();
    let error = server.files(&configuration, &[export(1, &[SAFE]), export(2, &[SAFE])]).unwrap_err();
    assert!(error.to_string().contains("ganesha.conf:1:1"), "{error}");
}
