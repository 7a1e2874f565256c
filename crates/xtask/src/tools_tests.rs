//! A folder of tools, that for NFS, with stubs that play apt and dpkg, and shell scripts as the programs.

use super::*;
use crate::nfs_tools::KIT;

/// A folder of tools and the programs it is filled with; removed when dropped.
struct Place {
    base: PathBuf,
}

impl Place {
    fn new(name: &str) -> Place {
        // A space: folders of users have them.
        let base = std::env::temp_dir().join(format!("xtask nfs tools {name} {}", std::process::id()));
        let place = Place { base };
        for folder in ["bin", "tree/usr/bin", "tree/sbin", "tree/usr/sbin", "tree/bin"] {
            std::fs::create_dir_all(place.base.join(folder)).unwrap();
        }
        for (program, _) in KIT.tried {
            place.tree_program(program, "exit 0");
        }
        place.tree_program("usr/bin/kmod", "echo \"$*\" >>\"${0%/usr*}/depmod\"");
        std::fs::create_dir_all(place.base.join("tree/usr/lib/modules/6.1")).unwrap();
        // As in the package rpcbind.
        place.tree_program("usr/bin/rpcinfo", "exit 7");
        symlink("../bin/rpcinfo", place.base.join("tree/usr/sbin/rpcinfo")).unwrap();
        place.tree_program("sbin/rpcbind", "exit 0");
        place.program(
            "apt-get",
            "echo \"apt-get $*\" >>\"$BASE/log\"\n\
             case \"$*\" in *update*) exit 0 ;; esac\n\
             for word; do case $word in Dir::Cache=*) touch \"${word#*=}/archives/all.deb\" ;; esac; done",
        );
        place.program(
            "dpkg-deb",
            "case $1 in\n\
                 --fsys-tarfile) exec tar -c -C \"$BASE/tree\" ./usr/bin ./usr/sbin ./usr/lib ./sbin ./bin ;;\n\
                 *) printf 'all=1.0-2' ;;\n\
             esac",
        );
        place
    }

    fn program(&self, name: &str, text: &str) {
        let file = self.base.join("bin").join(name);
        run::write_script(&file, &format!("#!/bin/sh\nBASE='{}'\n{text}\n", self.base.display())).unwrap();
    }

    /// A program in the package.
    fn tree_program(&self, path: &str, text: &str) {
        run::write_script(&self.base.join("tree").join(path), &format!("#!/bin/sh\n{text}\n")).unwrap();
    }

    fn store(&self) -> Store {
        let own = self.base.join("bin").into_os_string();
        let path = [own, std::env::var_os("PATH").unwrap()].join(":".as_ref());
        Store { kit: &KIT, folder: self.folder(), path }
    }

    fn folder(&self) -> PathBuf {
        self.base.join("cache/nfs-tools")
    }

    /// What is beside the folder, besides the lock.
    fn names(&self) -> Vec<String> {
        let mut names = debian::names(&self.base.join("cache"));
        names.retain(|name| name != "nfs-tools.lock");
        names.sort();
        names
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.base.join("log")).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.base);
    }
}

#[test]
fn tools_are_unpacked_once() {
    let place = Place::new("once");
    assert_eq!(place.store().ensure().unwrap(), place.folder());
    assert_eq!(place.names(), ["nfs-tools"]);
    let manifest = std::fs::read_to_string(place.folder().join(MANIFEST)).unwrap();
    assert_eq!(manifest, format!("{}\nall=1.0-2\n", KIT.heading()));
    let log = place.log();
    assert!(log.contains("--download-only install nfs-ganesha "), "{log}");
    place.store().ensure().unwrap();
    assert_eq!(place.log(), log, "nothing is downloaded when it is there");
}

#[test]
fn what_this_machine_has_installed_plays_no_part() {
    let place = Place::new("given");
    place.program(
        "apt-get",
        "for word; do case $word in\n\
             Dir::State::status=*) cp \"${word#*=}\" \"$BASE/status\" ;;\n\
             Dir::Cache=*) touch \"${word#*=}/archives/all.deb\" ;;\n\
         esac; done",
    );
    place.store().ensure().unwrap();
    let status = std::fs::read_to_string(place.base.join("status")).unwrap();
    assert_eq!(status.matches("Package: ").count(), GIVEN.len());
    assert!(status.contains("Package: libc6\nStatus: install ok installed\n"), "{status}");
}

#[test]
fn merged_folders_are_one() {
    let place = Place::new("merged");
    place.store().ensure().unwrap();
    for folder in ["bin", "sbin", "usr/bin", "usr/sbin"] {
        let program = place.folder().join(folder).join("rpcbind");
        assert!(Command::new(&program).status().unwrap().success(), "{}", program.display());
        // The link of the other folder has not replaced the program.
        let program = place.folder().join(folder).join("rpcinfo");
        assert_eq!(Command::new(&program).status().unwrap().code(), Some(7), "{}", program.display());
    }
}

#[test]
fn the_modules_of_the_kernel_are_indexed() {
    let place = Place::new("modules");
    place.store().ensure().unwrap();
    let asked = std::fs::read_to_string(place.folder().join("depmod")).unwrap();
    assert!(asked.starts_with("-b ") && asked.ends_with("/root 6.1\n"), "{asked}");
}

#[test]
fn the_rest_of_a_killed_run_counts_for_nothing_and_goes() {
    let place = Place::new("killed");
    std::fs::create_dir_all(place.base.join("cache/nfs-tools.part-1/root/usr/bin")).unwrap();
    place.store().ensure().unwrap();
    assert_eq!(place.names(), ["nfs-tools"]);
}

#[test]
fn tools_that_work_no_more_or_are_others_are_made_anew() {
    let place = Place::new("anew");
    place.store().ensure().unwrap();
    let program = place.folder().join("usr/bin/ganesha.nfsd");
    std::fs::remove_file(&program).unwrap();
    place.store().ensure().unwrap();
    assert!(program.exists());
    std::fs::write(place.folder().join(MANIFEST), "layout 0: nfs-ganesha\n").unwrap();
    std::fs::write(place.folder().join("usr/old"), "").unwrap();
    place.store().ensure().unwrap();
    assert!(!place.folder().join("usr/old").exists());
    assert_eq!(place.names(), ["nfs-tools"]);
}

#[test]
fn what_somebody_keeps_there_is_left_alone() {
    let place = Place::new("others");
    std::fs::create_dir_all(place.folder()).unwrap();
    place.store().ensure().unwrap();
    std::fs::remove_file(place.folder().join(MANIFEST)).unwrap();
    let error = place.store().ensure().unwrap_err().to_string();
    assert!(error.contains("has other things in it") && error.contains(KIT.variable), "{error}");
    assert!(place.folder().join("usr/bin/ip").exists());
}

#[test]
fn tools_that_do_not_start_are_not_kept() {
    let place = Place::new("broken");
    place.tree_program("usr/bin/ip", "echo 'no such library' >&2; exit 127");
    let error = place.store().ensure().unwrap_err().to_string();
    assert_eq!(error, "usr/bin/ip does not start: no such library");
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn failures_are_errors_and_leave_nothing() {
    let place = Place::new("fails");
    place.program("apt-get", "case \"$*\" in *update*) exit 100 ;; *) exit 7 ;; esac");
    let error = place.store().ensure().unwrap_err().to_string();
    assert!(error.starts_with("the download failed (exit status: 7)"), "{error}");
    assert!(place.names().is_empty());

    let place = Place::new("torn");
    place.program("dpkg-deb", "case $1 in --fsys-tarfile) echo torn; exit 2 ;; *) printf 'all=1' ;; esac");
    let error = place.store().ensure().unwrap_err().to_string();
    assert!(error.contains("unpack"), "{error}");
    assert!(place.names().is_empty());

    let place = Place::new("elsewhere");
    let store = Store { path: "/nonexistent".into(), ..place.store() };
    assert!(store.ensure().unwrap_err().to_string().contains("this system is another"));
}
