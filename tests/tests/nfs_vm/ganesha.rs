//! NFS-Ganesha on this system's loopback, NFSv4 only, with the exports of a spec. It can be killed and started again:
//! it remembers its clients, who get their locks back in a grace period.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use slotwright_tests::{
    deployment::{run, slotwright},
    nfs::tools,
    ports::Ports,
    server::folder,
    wait::until_blocking,
};
use tempfile::TempDir;

/// Seconds after which what a silent client holds is given to others. Usual are 60 and more.
pub(crate) const LEASE: u32 = 10;

/// The server, ended when dropped.
pub(crate) struct Ganesha {
    folder: TempDir,
    port: Ports,
    exports: serde_json::Value,
    child: Option<Child>,
}

impl Ganesha {
    /// Serves the six exports of a cluster of three shards with a replica each, to machines that call this one
    /// `address`.
    pub(crate) fn start(address: &str) -> Self {
        let (folder, port) = (folder(), Ports::reserve(1));
        let spec = format!(
            "name: demo\nshards: 3\nreplicas-per-shard: 1\nstorage:\n  nfs:\n    server: ganesha\n    \
             address: {address}\n    port: {}\n    base-directory: {}\n    clients: [127.0.0.1/32]\n",
            port.first(),
            folder.path().join("data").display()
        );
        fs::write(folder.path().join("spec.yaml"), spec).unwrap();
        let mut command = Command::new(slotwright());
        command.args(["exports", "render", "--json", "--spec"]).arg(folder.path().join("spec.yaml"));
        let rendered = run(&mut command);
        rendered.expect(0, &[]);
        let exports = rendered.json()["exports"].clone();
        let mut server = Self { folder, port, exports, child: None };
        server.configure();
        server.start_again();
        server
    }

    fn configure(&self) {
        let path = self.folder.path().display();
        let plugins = tools::file("usr/lib/x86_64-linux-gnu/ganesha");
        let mut text = format!(
            "NFS_CORE_PARAM {{ Bind_addr = 127.0.0.1; NFS_Port = {}; Enable_NLM = false; Enable_RQUOTA = false; \
             Enable_UDP = false; Protocols = 4; Plugins_Dir = {}; }}\n\
             NFSV4 {{ RecoveryRoot = \"{path}/recovery\"; Only_Numeric_Owners = true; UseGetpwnam = true; Graceless = false; \
             Lease_Lifetime = {LEASE}; Grace_Period = {LEASE}; }}\n",
            self.port.first(),
            plugins.display(),
        );
        fs::create_dir_all(self.folder.path().join("recovery")).unwrap();
        for export in self.exports.as_array().unwrap() {
            let directory = Path::new(export["path"].as_str().unwrap());
            let (uid, gid) = (export["uid"].as_u64().unwrap(), export["gid"].as_u64().unwrap());
            fs::create_dir_all(directory).unwrap();
            chown(directory, u32::try_from(uid).ok(), u32::try_from(gid).ok()).unwrap();
            text.push_str(&format!(
                "EXPORT {{ Export_Id = {}; Path = {directory}; Pseudo = {directory}; Access_Type = RW; Squash = All; \
                 Anonymous_uid = {uid}; Anonymous_gid = {gid}; FSAL {{ Name = VFS; }} }}\n",
                export["id"],
                directory = directory.display(),
            ));
        }
        fs::write(self.folder.path().join("ganesha.conf"), text).unwrap();
    }

    /// The exports as they were rendered: names, and the commands that mount them at `/mnt`.
    pub(crate) fn mount_commands(&self) -> Vec<(String, String)> {
        let exports = self.exports.as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        exports.map(|export| (text(&export["name"]), text(&export["mount_command"]))).collect()
    }

    /// The directory behind an export.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// Ends it in the hardest way.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it as it was.
    pub(crate) fn start_again(&mut self) {
        let child = tools::program("usr/bin/ganesha.nfsd")
            .args(["-F", "-f", "ganesha.conf", "-L", "ganesha.log", "-p", "ganesha.pid"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        until_blocking("the NFS server listens", || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().unwrap()) {
                let log = fs::read_to_string(self.folder.path().join("ganesha.log")).unwrap_or_default();
                panic!("the NFS server ended ({status}):\n{log}");
            }
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port.first()))
        });
    }
}

impl Drop for Ganesha {
    fn drop(&mut self) {
        self.kill();
    }
}
