//! exportfs(8) of the tools with files of its own: what it reads and writes lies in a folder of the test.
//!
//! The kernel of a test machine serves no NFS; exportfs keeps its table all the same. Each run sees the folder's `etc` and
//! `nfs` as /etc and /var/lib/nfs, in a mount namespace that ends with it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::tools;
use crate::program::write_script;

/// A place for exportfs(8).
#[derive(Debug)]
pub struct Exportfs {
    root: PathBuf,
}

impl Exportfs {
    /// An empty table in `root`, and the program.
    ///
    /// # Panics
    /// When the tools are missing, or a file cannot be written.
    pub fn new(root: &Path) -> Self {
        let place = Self { root: root.to_path_buf() };
        fs::create_dir_all(place.exports_folder()).unwrap();
        fs::create_dir_all(root.join("nfs")).unwrap();
        for file in ["etc/exports", "nfs/etab", "nfs/rmtab"] {
            fs::write(root.join(file), "").unwrap();
        }
        // The overlay shows the folder's etc above that of the machine: host names are still looked up.
        write_script(
            &place.program(),
            &format!(
                "#!/bin/sh\n\
                 # With `fail` there, the call of that number fails.\n\
                 root='{root}'\n\
                 if [ -f \"$root/fail\" ]; then\n\
                     left=$(cat \"$root/fail\")\n\
                     echo $((left - 1)) >\"$root/fail\"\n\
                     if [ \"$left\" -eq 1 ]; then echo 'exportfs: told to fail' >&2; exit 1; fi\n\
                 fi\n\
                 export LD_LIBRARY_PATH='{libraries}'\n\
                 exec unshare --mount sh -c '\n\
                     mount -t overlay overlay -o ro,lowerdir=\"$0/etc:/etc\" /etc &&\n\
                     mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/nfs &&\n\
                     mount --bind \"$0/nfs\" /var/lib/nfs || exit 99\n\
                     exec {exportfs} \"$@\"\n\
                 ' \"$root\" \"$@\"\n",
                root = root.display(),
                libraries = Path::new(&tools::libraries()).display(),
                exportfs = tools::file("usr/sbin/exportfs").display(),
            ),
        );
        place
    }

    /// The program; it takes the words of exportfs(8).
    pub fn program(&self) -> PathBuf {
        self.root.join("exportfs")
    }

    /// The main file.
    pub fn exports_file(&self) -> PathBuf {
        self.root.join("etc/exports")
    }

    /// The folder of drop-in files.
    pub fn exports_folder(&self) -> PathBuf {
        self.root.join("etc/exports.d")
    }

    /// The table.
    pub fn etab(&self) -> PathBuf {
        self.root.join("nfs/etab")
    }

    /// Lets the call of this number fail, counted from 1; 0 lets none.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn fail_at(&self, call: usize) {
        let path = self.root.join("fail");
        match call {
            0 => drop(fs::remove_file(path)),
            call => fs::write(path, call.to_string()).unwrap(),
        }
    }

    /// Runs exportfs with these words; its output, which must not say that something is wrong.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, words: &[&str]) -> String {
        let output = Command::new(self.program()).args(words).output().unwrap();
        assert!(output.status.success(), "exportfs {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
