//! A spec with exports of the kernel's server, in a temporary folder with an exportfs(8) of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::kernel::Exportfs;
use crate::deployment::{Run, run, slotwright};

/// Exports in a temporary folder.
#[derive(Debug)]
pub struct Storage {
    folder: tempfile::TempDir,
    /// The program that keeps the table.
    pub exportfs: Exportfs,
}

impl Storage {
    /// Nothing is exported yet; the spec asks for `shards` exports.
    ///
    /// # Panics
    /// When the tools are missing, or a file cannot be written.
    pub fn new(shards: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("slotwright-nfs-").tempdir().unwrap();
        let storage = Self { exportfs: Exportfs::new(folder.path()), folder };
        storage.write_spec(&storage.spec_text(shards));
        storage
    }

    /// The text of the spec.
    pub fn spec_text(&self, shards: usize) -> String {
        let root = self.folder.path().display();
        format!(
            "name: demo\nshards: {shards}\nreplicas-per-shard: 0\nstorage:\n  nfs:\n    server: kernel\n    \
             address: 127.0.0.1\n    base-directory: {root}/data\n    clients: [10.0.0.0/16]\n    kernel:\n      \
             etc: {root}/etc\n      state: {root}/nfs\n      exportfs: {root}/exportfs\n"
        )
    }

    /// Writes another spec in place of the present one.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_spec(&self, text: &str) {
        fs::write(self.spec(), text).unwrap();
    }

    /// The spec file.
    pub fn spec(&self) -> PathBuf {
        self.folder.path().join("spec.yaml")
    }

    /// The temporary folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that holds the exported ones.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Our drop-in file.
    pub fn drop_in(&self) -> PathBuf {
        self.exportfs.exports_folder().join("slotwright-demo.exports")
    }

    /// Runs `slotwright exports` with these words and the spec.
    pub fn run(&self, words: &[&str]) -> Run {
        let mut command = Command::new(slotwright());
        command.env_remove("RUST_LOG").stdin(Stdio::null()).arg("exports").args(words);
        run(command.arg("--spec").arg(self.spec()))
    }

    /// `exports apply` for a server that does not run; whether it changed something.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn apply(&self) -> Result<bool, String> {
        let run = self.run(&["apply", "--offline", "--json"]);
        match run.code() {
            0 => Ok(run.json()["changed"] == true),
            _ => Err(format!("apply failed: {run:#?}")),
        }
    }

    /// The table's lines, sorted.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn table(&self) -> Vec<String> {
        let text = fs::read_to_string(self.exportfs.etab()).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}
