//! NFS-Ganesha on this system's loopback, with the exports of a spec that `slotwright exports apply` told it of. It can be
//! killed and started again: it remembers its clients, who get their locks back in a grace period.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use slotwright_tests::{
    deployment::{Run, run, slotwright},
    nfs::ganesha::{Ganesha as Server, Options},
};

/// Seconds after which what a silent client holds is given to others. Usual are 60 and more.
pub(crate) const LEASE: u32 = 10;

/// The server, ended when dropped.
pub(crate) struct Ganesha {
    server: Server,
    exports: serde_json::Value,
}

impl Ganesha {
    /// Serves the six exports of a cluster of three shards with a replica each, to machines that call this one
    /// `address`.
    pub(crate) fn start(address: &str) -> Self {
        let server = Server::start(&Options { lease: LEASE, grace: true, ..Options::default() });
        let place = server.place();
        // The emulated machine's address is translated, and its port with it: `insecure` is meant for that.
        let spec = format!(
            "name: demo\nshards: 3\nreplicas-per-shard: 1\nstorage:\n  nfs:\n    server: ganesha\n    \
             address: {address}\n    port: {}\n    base-directory: {}\n    clients: [127.0.0.1/32]\n    \
             options: rw,sync,no_subtree_check,insecure,all_squash,anonuid=999,anongid=999\n    ganesha:\n      \
             config: {}\n      folder: {}\n      bus: \"{}\"\n",
            place.port(),
            place.folder().join("data").display(),
            place.config().display(),
            place.drop_ins().display(),
            place.bus(),
        );
        fs::write(place.folder().join("spec.yaml"), spec).unwrap();
        let mut ganesha = Self { server, exports: serde_json::Value::Null };
        ganesha.exports(&["apply"]).shows(0, &["pv6"]);
        ganesha.exports = ganesha.exports(&["render", "--json"]).json()["exports"].clone();
        ganesha
    }

    /// Runs `slotwright exports` with these words and the spec.
    pub(crate) fn exports(&self, words: &[&str]) -> Run {
        let mut command = Command::new(slotwright());
        command.arg("exports").args(words).stdin(Stdio::null());
        run(command.arg("--spec").arg(self.server.place().folder().join("spec.yaml")))
    }

    /// The exports as they were rendered: names, and the commands that mount them at `/mnt`.
    pub(crate) fn mount_commands(&self) -> Vec<(String, String)> {
        let exports = self.exports.as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        exports.map(|export| (text(&export["name"]), text(&export["mount_command"]))).collect()
    }

    /// The directory behind an export.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.server.place().folder().join("data").join(name)
    }

    /// Ends it in the hardest way.
    pub(crate) fn kill(&mut self) {
        self.server.kill9();
    }

    /// Starts it as it was.
    pub(crate) fn start_again(&mut self) {
        self.server.start_server();
    }
}
